"""Random mutations of bytes, without knowledge of the format."""

import re
from collections.abc import Sequence
from random import Random

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)
_TOKEN = re.compile(rb"\S+")


def havoc(
    data: bytes, random: Random, words: Sequence[bytes], other: bytes, *, in_place: bool = False
) -> bytes:
    """Apply one to six changes.

    Args:
        data: an input.
        random: draws the changes.
        words: tokens of the format.
        other: another input, to take pieces from.
        in_place: prefer changes that keep the length, which offsets in binary formats need.
    """
    changes = _IN_PLACE if in_place and random.random() < 0.8 else _CHANGES
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        data = random.choice(changes)(data, random, words, other)
    return data


def _place(data: bytes, random: Random) -> int:
    return random.randrange(len(data) + 1)


def _flip(data: bytes, random: Random, _words: Sequence[bytes], _other: bytes) -> bytes:
    if not data:
        return b"\0"
    place = random.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << random.randrange(8)]) + data[place + 1 :]


def _byte(data: bytes, random: Random, _words: Sequence[bytes], _other: bytes) -> bytes:
    place = _place(data, random)
    return data[:place] + bytes([random.randrange(256)]) + data[place + 1 :]


def _insert(data: bytes, random: Random, words: Sequence[bytes], _other: bytes) -> bytes:
    place = _place(data, random)
    return data[:place] + random.choice(words) + data[place:]


def _overwrite(data: bytes, random: Random, words: Sequence[bytes], _other: bytes) -> bytes:
    place, word = _place(data, random), random.choice(words)
    return data[:place] + word + data[place + len(word) :]


def _token(data: bytes, random: Random, words: Sequence[bytes], _other: bytes) -> bytes:
    """Replace a token between white space."""
    tokens = list(_TOKEN.finditer(data))
    if not tokens:
        return data
    found = random.choice(tokens)
    return data[: found.start()] + random.choice(words) + data[found.end() :]


def _delete(data: bytes, random: Random, _words: Sequence[bytes], _other: bytes) -> bytes:
    start = _place(data, random)
    return data[:start] + data[start + random.choice((1, 1, 2, 4, 16, 256)) :]


def _repeat(data: bytes, random: Random, _words: Sequence[bytes], _other: bytes) -> bytes:
    start = _place(data, random)
    piece = data[start : start + random.choice((1, 4, 16, 64))]
    return data[:start] + piece * random.choice((2, 3, 30)) + data[start + len(piece) :]


def _number(data: bytes, random: Random, _words: Sequence[bytes], _other: bytes) -> bytes:
    """Overwrite a binary field, little-endian."""
    place, size = _place(data, random), random.choice((1, 2, 4))
    number = random.choice((*_NUMBERS, random.randrange(len(data) + 2)))
    return data[:place] + (number & (256**size - 1)).to_bytes(size, "little") + data[place + size :]


def _splice(data: bytes, random: Random, _words: Sequence[bytes], other: bytes) -> bytes:
    start = _place(other, random)
    piece = other[start : start + random.choice((4, 32, 256))]
    place = _place(data, random)
    return data[:place] + piece + data[place:]


def _swap(data: bytes, random: Random, _words: Sequence[bytes], _other: bytes) -> bytes:
    first, second, third = sorted(_place(data, random) for _ in range(3))
    return data[:first] + data[second:third] + data[first:second] + data[third:]


def _cut(data: bytes, random: Random, _words: Sequence[bytes], _other: bytes) -> bytes:
    return data[: _place(data, random)]


_CHANGES = (
    _flip, _byte, _insert, _token, _token, _token, _overwrite, _delete, _repeat, _number,
    _splice, _swap, _cut,
)  # fmt: skip
_IN_PLACE = (_flip, _flip, _byte, _overwrite, _number)
