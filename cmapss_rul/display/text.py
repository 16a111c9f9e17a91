"""Helpers for text output: quoting, JSON, suggestions of similar names."""

import difflib
import json
import math
import os
import shlex
from collections.abc import Iterable
from typing import Any


def shell_word(text: object) -> str:
    r"""Quote a word for a shell; control characters are quoted in the syntax of bash and zsh.

    >>> print(shell_word("my runs/a"), shell_word("a\x1b[31m"))
    'my runs/a' $'a\x1b[31m'
    """
    word = str(text)
    if word.isprintable():
        return shlex.quote(word)
    plain = (
        chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}"
        # bytes, not characters: a file name need not be valid UTF-8
        for byte in os.fsencode(word)
    )
    return f"$'{''.join(plain)}'"


def finite(value: Any) -> Any:
    """Replace every non-finite number with None, in nested dicts and lists.

    >>> finite({"a": [1.5, float("nan")], "b": float("inf")})
    {'a': [1.5, None], 'b': None}
    """
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    # strict JSON has neither NaN nor Infinity, and many parsers reject them
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_text(value: object, indent: int = 2) -> str:
    r"""Format as strict JSON that is safe to print; all numbers must be finite.

    >>> print(json_text(["é", "a\x9b31m"]))
    [
      "é",
      "a\u009b31m"
    ]
    """
    # ensure_ascii would also escape the names of engines and columns that people read
    text = json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def by_nearness(word: str, options: Iterable[str]) -> list[str]:
    """Sort the options by similarity to a mistyped word.

    >>> by_nearness("gradnrom", ["amnl", "gradnorm", "fixed"])[0]
    'gradnorm'
    """

    def distance(option: str) -> float:
        return -difflib.SequenceMatcher(None, word.lower(), option.lower()).ratio()

    return sorted(options, key=distance)


def nearest_first(word: str, options: Iterable[str]) -> list[str]:
    """Sort the options by name, but put the one most similar to a mistyped word first, if any.

    >>> nearest_first("gradnrom", ["gradnorm", "fixed", "amnl"])
    ['gradnorm', 'amnl', 'fixed']
    """
    ordered = sorted(options)
    near = nearest(word, ordered)
    return ordered if near is None else [near, *(name for name in ordered if name != near)]


def nearest(word: str, options: Iterable[str]) -> str | None:
    """Return the option most similar to a mistyped word, or None if none is similar.

    >>> nearest("batchsize", ["batch_size", "epochs"])
    'batch_size'
    >>> nearest("zzz", ["batch_size", "epochs"]) is None
    True
    """
    found = difflib.get_close_matches(word, list(options), n=1, cutoff=0.6)
    return found[0] if found else None


def counted(number: int, noun: str) -> str:
    """Format a number with its noun, in the singular or the plural.

    >>> counted(1, "engine"), counted(1_000, "engine")
    ('1 engine', '1,000 engines')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def row_noun(unit: str) -> str:
    """Return the noun for a row of a record whose time has this unit.

    >>> row_noun("cycles"), row_noun("flights"), row_noun("hours")
    ('cycle', 'flight', 'row')
    """
    return {"cycles": "cycle", "flights": "flight"}.get(unit, "row")
