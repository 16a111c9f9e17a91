"""Text files in blocks of whole lines, so that memory does not grow with the file."""

import re
from collections.abc import Iterator
from typing import Protocol

from cmapss_rul.display.text import printable
from cmapss_rul.system.errors import DataError

BLOCK_BYTES = 1 << 24
LONGEST_LINE = 1 << 20
PARQUET = b"PAR1"
"""How a Parquet file begins."""

NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A decimal number; NaN, infinities, hexadecimal digits and `1_0` are none."""

_NO_TEXT = re.compile(rb"[^\t\n\v\f\r\x20-\x7e]")
_TAIL_BYTES = 1 << 13
_FOREIGN_STARTS = {
    b"<": "an HTML or XML page",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"\xef\xbb\xbf": "a text that begins with a byte order mark",
    b"\xff\xfe": "a UTF-16 text",
    b"\xfe\xff": "a UTF-16 text",
}


class Readable(Protocol):
    """What the readers ask of a stream."""

    def read(self, size: int, /) -> bytes:
        """Read at most so many bytes; none at the end."""
        ...


def blocks(stream: Readable, name: str, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield a file in blocks that end where a line ends: LF, CRLF or CR.

    Args:
        stream: the file's bytes.
        name: the file in error texts.
        size: bytes to read at once.

    Raises:
        DataError: a line longer than 1 MiB, which no table of numbers has.
    """
    rest = b""
    while piece := stream.read(size):
        text = rest + piece
        # a CR at the very end may be half of a CRLF: it waits for the next piece
        cut = max(text.rfind(b"\n"), text.rfind(b"\r", 0, len(text) - 1)) + 1
        if cut:
            yield text[:cut]
        rest = text[cut:]
        if len(rest) > LONGEST_LINE:
            raise DataError(
                f"{name}: {foreign_kind(text) or 'a line of more than 1 MiB'} was found, "
                "expected rows of numbers"
            )
    if rest:
        yield rest


class Tail:
    """The last bytes of a file that was read in blocks, to tell whether it was cut."""

    def __init__(self) -> None:
        self._bytes = b""

    def add(self, block: bytes) -> None:
        """Take the next block."""
        self._bytes = (self._bytes + block[-_TAIL_BYTES:])[-_TAIL_BYTES:]

    @property
    def looks_cut(self) -> bool:
        """Whether the file may end inside its last number.

        A last number with a line end or a space behind it is whole. Without one, the row must
        be shaped like the row before it: no white space at the end, as many decimals.
        """
        if not self._bytes or self._bytes[-1:].isspace():
            return False
        lines = self._bytes.splitlines()
        if len(lines) < 2 or lines[-2] != lines[-2].rstrip():
            return True
        return _decimals(lines[-1]) != _decimals(lines[-2])


def _decimals(line: bytes) -> int:
    tokens = line.split()
    return len(tokens[-1].partition(b".")[2]) if tokens else 0


def foreign_kind(start: bytes) -> str | None:
    """Say what a file is that is plainly no table, by its first bytes."""
    head = start[:1024].lstrip()
    for mark, kind in _FOREIGN_STARTS.items():
        if head.startswith(mark):
            return kind
    return None


def no_text(line: bytes) -> str | None:
    """Describe the first byte of a line that no plain text holds, or return None."""
    found = _NO_TEXT.search(line)
    return f"the byte 0x{line[found.start()]:02x}" if found else None


def shown(token: bytes) -> str:
    """Show a foreign token, shortened, in quotes."""
    text = printable(token[:24].decode("ascii", "backslashreplace"))
    return f"'{text}{'…' if len(token) > 24 else ''}'"
