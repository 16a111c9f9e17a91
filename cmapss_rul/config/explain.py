"""One line for all errors of a configuration: by key, what was found, what was expected."""

import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cmapss_rul.config.places import Place, models_in, place, tags
from cmapss_rul.display.text import by_nearness, nearest, one_line, printable

_LONGEST_VALUE = 60
_MOST_ERRORS = 50

_WORDS = {
    "missing": "is missing",
    "frozen_instance": "cannot be changed: configurations are frozen; load another one",
    "frozen_field": "cannot be changed: configurations are frozen; load another one",
}

_EXPECTED = {
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_unicode": "a text without lone surrogates",
    "string_type": "a text (quote it if it is meant as one)",
    "none_required": "null",
    "dict_type": "a mapping of keys",
    "mapping_type": "a mapping of keys",
    "tuple_type": "a list",
    "list_type": "a list",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "string_too_short": "a text of at least {min_length} characters",
    "string_too_long": "a text of at most {max_length} characters",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "too_short": "at least {min_length} values",
    "too_long": "at most {max_length} values",
}


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Say all errors of a configuration in one line.

    Args:
        error: what pydantic raised.
        model: the class that was validated.

    Returns:
        `key: what was expected, what was found`, the errors separated by semicolons.
    """
    told: dict[str, _Told] = {}
    left_out = 0
    for details in error.errors(include_url=False):
        if len(told) == _MOST_ERRORS:  # more are of no use, and suggestions take their time
            left_out += 1
            continue
        entry = _tell(details, place(model, details["loc"]), model)
        former = told.get(entry.key)
        told[entry.key] = former.joined(entry) if former else entry
    # In a union of a number and a list, `[1, x]` is also said to be no number: not what matters.
    keys = [key for key in told if not any(other.startswith(f"{key}[") for other in told)]
    lines = [told[key].text() for key in keys] + ([f"and {left_out} more"] if left_out else [])
    return one_line("; ".join(lines))


@dataclass(frozen=True)
class _Told:
    """One key's errors: what is wrong in words, or what was expected and found."""

    key: str
    words: str = ""
    expected: tuple[str, ...] = ()
    found: str = ""

    def joined(self, other: "_Told") -> "_Told":
        """Join what the members of a union expected: any of them will do."""
        expected = tuple(dict.fromkeys(self.expected + other.expected))
        words = " or ".join(dict.fromkeys(filter(None, (self.words, other.words))))
        return replace(self, words=words, expected=expected)

    def text(self) -> str:
        prefix = f"{printable(self.key)}: " if self.key else ""
        if self.words:
            return prefix + self.words
        return f"{prefix}expected {' or '.join(self.expected)}, found {self.found}"


def _tell(details: ErrorDetails, where: Place, model: type[BaseModel]) -> _Told:
    kind, found = details["type"], show_value(details["input"])
    if kind == "extra_forbidden":
        return _Told(where.key, _unknown_key(str(details["loc"][-1]), where, model))
    if kind in _WORDS:
        return _Told(where.key, _WORDS[kind])
    if kind in ("value_error", "assertion_error"):
        text = details["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        return _Told(where.key, text.rstrip("."))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _member(details["input"], where)
    if kind == "literal_error":
        listed = details["ctx"]["expected"]
        options = re.findall(r"'([^']*)'", listed) or re.split(r", | or ", listed)
        return _Told(where.key, expected=(_one_of(options, details["input"]),), found=found)
    if kind in ("model_type", "model_attributes_type"):
        return _Told(where.key, expected=(_keys_of_its_own(where, details["input"]),), found=found)
    if kind in ("too_short", "too_long"):
        found = str(details["ctx"]["actual_length"])
    if kind not in _EXPECTED:
        return _Told(where.key, f"{one_line(details['msg'])}, found {found}")
    context = {name: _plain(value) for name, value in details.get("ctx", {}).items()}
    or_null = ("null",) if where.nullable and kind.endswith(("_type", "_parsing")) else ()
    expected = _EXPECTED[kind].format_map(context)
    return _Told(where.key, expected=(expected, *or_null), found=found)


def _keys_of_its_own(where: Place, found: Any) -> str:
    prefix = f"{where.key}." if where.key else ""
    members = [tag for member in where.models for tag in tags(member)]
    if members:
        return f"keys of its own with {prefix}name, {_one_of(members, found)}"
    first = next((name for member in where.models for name in member.model_fields), "")
    return f"keys of its own, such as {prefix}{first}"


def _unknown_key(word: str, where: Place, model: type[BaseModel]) -> str:
    prefix = where.key.removesuffix(word)
    fields = [name for parent in where.parents for name in parent.model_fields]
    owners = [tag for member in where.others if word in member.model_fields for tag in tags(member)]
    if owners:
        has = ", ".join(name for name in fields if name != "name") or "none"
        return f"unknown key; it belongs to {prefix}name={' or '.join(owners)}; keys here: {has}"
    near = nearest(word, fields)
    if near:
        return f"unknown key; did you mean {prefix}{near}?"
    elsewhere = [key for key in dotted_keys(model) if key.rpartition(".")[2] == word]
    hint = f"did you mean {elsewhere[0]}? " if elsewhere else ""
    there = f"keys of {prefix[:-1]}" if prefix else "keys"
    return f"unknown key; {hint}{there}: {', '.join(fields) or 'none'}"


def _member(given: Any, where: Place) -> _Told:
    options = [tag for member in where.models for tag in tags(member)]
    key = f"{where.key}.name".lstrip(".")
    if isinstance(given, Mapping) and "name" not in given:
        return _Told(key, f"is missing; expected {_one_of(options, '')}")
    word = given["name"] if isinstance(given, Mapping) else given
    for member in where.models:
        reason = getattr(member, "refused", {}).get(word) if isinstance(word, str) else None
        if reason:
            return _Told(key, f"{word} is refused: {reason}")
    return _Told(key, expected=(_one_of(options, word),), found=show_value(word))


def _one_of(options: list[str], word: object) -> str:
    ordered = by_nearness(word, options) if isinstance(word, str) else options
    return ("one of " if len(ordered) > 1 else "") + ", ".join(ordered)


def _plain(value: Any) -> Any:
    """Show the bound 0.0 as 0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def show_value(value: Any) -> str:
    """Show a found value as its YAML author would recognise it, in at most 60 characters.

    >>> show_value(True), show_value(None), show_value("a b"), show_value([1, None])
    ('true', 'null', "'a b'", '[1, null]')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        shown = printable(value)
        cut = shown if len(shown) <= _LONGEST_VALUE else shown[: _LONGEST_VALUE - 1] + "…"
        return f"'{cut}'"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        inner = ", ".join(show_value(item) for item in value[:4])
        return f"[{inner}{', …' if len(value) > 4 else ''}]"
    try:
        shown = printable(value)
    except ValueError:  # Python refuses to write out integers of more than 4,300 digits
        return "a number of thousands of digits"
    return shown if len(shown) <= _LONGEST_VALUE else shown[: _LONGEST_VALUE - 1] + "…"


def dotted_keys(model: type[BaseModel]) -> list[str]:
    """List the dotted keys of a configuration class, members of unions included, level by level.

    Args:
        model: the class.

    Returns:
        Such as `seed`, `data`, …, `data.subset`, …
    """
    keys: list[str] = []
    level: list[tuple[str, type[BaseModel]]] = [("", model)]
    while level:
        deeper: list[tuple[str, type[BaseModel]]] = []
        for prefix, part in level:
            for name, field in part.model_fields.items():
                keys.append(f"{prefix}{name}")
                if typing.get_origin(field.annotation) is not tuple:  # a list's items have no key
                    deeper += [(f"{prefix}{name}.", m) for m in models_in(field.annotation)]
        level = deeper
    return list(dict.fromkeys(keys))
