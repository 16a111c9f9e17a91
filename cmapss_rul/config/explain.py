"""Formatting of pydantic's validation errors in one line: key, expected and found value."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from cmapss_rul.config.schema import Location, dotted_keys, find_location, tags
from cmapss_rul.display.text import nearest, nearest_first
from cmapss_rul.system.errors import one_line, printable

_LONGEST_VALUE = 60
_MOST_ERRORS = 50

_FROZEN = "cannot be changed: configurations are immutable; load another one"
_MESSAGES = {"missing": "is missing", "frozen_instance": _FROZEN, "frozen_field": _FROZEN}

_EXPECTED = {
    kind: expected
    for expected, kinds in {
        "a whole number": "int_parsing int_type int_from_float",
        "a whole number of fewer digits": "int_parsing_size",
        "a number": "float_parsing float_type",
        "a finite number": "finite_number",
        "true or false": "bool_parsing bool_type",
        "a string without lone surrogates": "string_unicode",
        "a string (quote it if it is meant as one)": "string_type",
        "null": "none_required",
        "a mapping of keys": "dict_type mapping_type",
        "a list": "tuple_type list_type",
        "more than {gt}": "greater_than",
        "at least {ge}": "greater_than_equal",
        "less than {lt}": "less_than",
        "at most {le}": "less_than_equal",
        "a multiple of {multiple_of}": "multiple_of",
        "a string of at least {min_length} characters": "string_too_short",
        "a string of at most {max_length} characters": "string_too_long",
        "a string that matches {pattern}": "string_pattern_mismatch",
        "at least {min_length} values": "too_short",
        "at most {max_length} values": "too_long",
    }.items()
    for kind in kinds.split()
}
"""Expected value by pydantic's error type."""


def explain(error: ValidationError, model: type[BaseModel]) -> str:
    """Describe all errors of a configuration of class `model` in one line.

    Each reads `key: expected …, found …`; they are separated by semicolons.
    """
    described: dict[str, _KeyErrors] = {}
    left_out = 0
    for details in error.errors(include_url=False):
        if len(described) == _MOST_ERRORS:  # computing suggestions for thousands takes seconds
            left_out += 1
            continue
        entry = _describe(details, find_location(model, details["loc"]), model)
        former = described.get(entry.key)
        described[entry.key] = former.merge(entry) if former else entry
    # in a union of a number and a list, pydantic also reports `[1, x]` as not a number: drop that
    keys = [key for key in described if not any(k.startswith(f"{key}[") for k in described)]
    lines = [described[key].text() for key in keys] + ([f"and {left_out} more"] if left_out else [])
    return one_line("; ".join(lines))


@dataclass(frozen=True)
class _KeyErrors:
    """Errors of one key: a message, or the expected values and the value found."""

    key: str
    message: str = ""
    expected: tuple[str, ...] = ()
    found: str = ""

    def merge(self, other: "_KeyErrors") -> "_KeyErrors":
        """Join the expectations of a union's members: a value may satisfy any of them."""
        expected = tuple(dict.fromkeys(self.expected + other.expected))
        message = " or ".join(dict.fromkeys(filter(None, (self.message, other.message))))
        return replace(self, message=message, expected=expected)

    def text(self) -> str:
        prefix = f"{self.key}: " if self.key else ""
        if self.message:
            return prefix + self.message
        return f"{prefix}expected {' or '.join(self.expected)}, found {self.found}"


def _describe(details: ErrorDetails, where: Location, model: type[BaseModel]) -> _KeyErrors:
    kind, found = details["type"], format_value(details["input"])
    if kind == "extra_forbidden":
        return _KeyErrors(where.key, _unknown_key(str(details["loc"][-1]), where, model))
    if kind in _MESSAGES:
        return _KeyErrors(where.key, _MESSAGES[kind])
    if kind in ("value_error", "assertion_error"):
        text = details["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        return _KeyErrors(where.key, text.rstrip("."))
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        return _unknown_member(details["input"], where)
    if kind == "literal_error":
        listed = details["ctx"]["expected"]  # pydantic has the options as one string only
        options = re.findall(r"'([^']*)'", listed) or re.split(r", | or ", listed)
        return _KeyErrors(where.key, expected=(_one_of(options, details["input"]),), found=found)
    if kind in ("model_type", "model_attributes_type"):
        return _KeyErrors(where.key, expected=(_nested_keys(where, details["input"]),), found=found)
    if kind in ("too_short", "too_long"):
        found = str(details["ctx"]["actual_length"])  # the bound is on the length, not the value
    if kind not in _EXPECTED:
        return _KeyErrors(where.key, f"{one_line(details['msg'])}, found {found}")
    context = {name: _plain(value) for name, value in details.get("ctx", {}).items()}
    or_null = ("null",) if where.nullable and kind.endswith(("_type", "_parsing")) else ()
    expected = _EXPECTED[kind].format_map(context)
    return _KeyErrors(where.key, expected=(expected, *or_null), found=found)


def _nested_keys(where: Location, found: Any) -> str:
    prefix = f"{where.key}." if where.key else ""
    members = [tag for member in where.models for tag in tags(member)]
    if members:
        return f"a mapping with {prefix}name, {_one_of(members, found)}"
    first = next((name for member in where.models for name in member.model_fields), "")
    return f"a mapping with keys such as {prefix}{first}"


def _unknown_key(word: str, where: Location, model: type[BaseModel]) -> str:
    prefix = where.key.removesuffix(word)
    fields = [name for parent in where.parents for name in parent.model_fields]
    owners = [
        tag for member in where.siblings if word in member.model_fields for tag in tags(member)
    ]
    if owners:  # a key of another member of the union: most likely `name` is wrong
        has = ", ".join(name for name in fields if name != "name") or "none"
        return f"unknown key; it belongs to {prefix}name={' or '.join(owners)}; keys here: {has}"
    near = nearest(word, fields)
    if near:
        return f"unknown key; did you mean {prefix}{near}?"
    elsewhere = [key for key in dotted_keys(model) if key.rpartition(".")[2] == word]
    hint = f"did you mean {elsewhere[0]}? " if elsewhere else ""
    there = f"keys of {prefix[:-1]}" if prefix else "keys"
    return f"unknown key; {hint}{there}: {', '.join(fields) or 'none'}"


def _unknown_member(given: Any, where: Location) -> _KeyErrors:
    options = [tag for member in where.models for tag in tags(member)]
    key = f"{where.key}.name".lstrip(".")
    if isinstance(given, Mapping) and "name" not in given:
        return _KeyErrors(key, f"is missing; expected {_one_of(options, '')}")
    word = given["name"] if isinstance(given, Mapping) else given
    for member in where.models:
        reason = getattr(member, "refused", {}).get(word) if isinstance(word, str) else None
        if reason:
            return _KeyErrors(key, f"{word} is not available: {reason}")
    return _KeyErrors(key, expected=(_one_of(options, word),), found=format_value(word))


def _one_of(options: list[str], word: object) -> str:
    ordered = nearest_first(word if isinstance(word, str) else "", options)
    return ("one of " if len(ordered) > 1 else "") + ", ".join(ordered)


def _plain(value: Any) -> Any:
    """Format the bound 0.0 as 0."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def format_value(value: Any) -> str:
    """Format a value as in YAML, in at most 60 characters.

    >>> format_value(True), format_value(None), format_value("a b"), format_value([1, None])
    ('true', 'null', "'a b'", '[1, null]')
    """
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f"'{_shorten(printable(value))}'"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        inner = ", ".join(format_value(item) for item in value[:4])
        return f"[{inner}{', …' if len(value) > 4 else ''}]"
    try:
        return _shorten(printable(value))
    except ValueError:  # Python does not format integers of more than 4,300 digits
        return "a number of thousands of digits"


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…"
