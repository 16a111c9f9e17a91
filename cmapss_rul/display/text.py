"""Small helpers for texts that people read."""

import difflib
import json
import math
import os
import shlex
from collections.abc import Iterable
from typing import Any

from cmapss_rul.system.text import one_line as one_line
from cmapss_rul.system.text import printable as printable


def shell_word(text: object) -> str:
    r"""Quote a word for a shell; bash and zsh read control characters back as they were.

    >>> print(shell_word("my runs/a"), shell_word("a\x1b[31m"))
    'my runs/a' $'a\x1b[31m'
    """
    word = str(text)
    if word.isprintable():
        return shlex.quote(word)
    plain = (
        chr(byte) if 32 <= byte < 127 and byte not in b"'\\" else f"\\x{byte:02x}"
        for byte in os.fsencode(word)
    )
    return f"$'{''.join(plain)}'"


def finite(value: Any) -> Any:
    """Return plain values with None for every number that is not finite.

    >>> finite({"a": [1.5, float("nan")], "b": float("inf")})
    {'a': [1.5, None], 'b': None}
    """
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_text(value: object, indent: int = 2) -> str:
    r"""Write strict JSON whose foreign texts a terminal shows and does not obey.

    Args:
        value: plain values, all numbers finite.
        indent: spaces a level.

    >>> print(json_text(["é", "a\x9b31m"]))
    [
      "é",
      "a\u009b31m"
    ]
    """
    text = json.dumps(value, indent=indent, allow_nan=False, ensure_ascii=False)
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def by_nearness(word: str, options: Iterable[str]) -> list[str]:
    """Order the options, the nearest to a mistyped word first.

    >>> by_nearness("gradnrom", ["amnl", "gradnorm", "fixed"])[0]
    'gradnorm'
    """

    def distance(option: str) -> float:
        return -difflib.SequenceMatcher(None, word.lower(), option.lower()).ratio()

    return sorted(options, key=distance)


def nearest(word: str, options: Iterable[str]) -> str | None:
    """Return the option that was probably meant, or None where nothing is near.

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
