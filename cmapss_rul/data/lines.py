"""Reading of text files in blocks of whole lines, in constant memory."""

import re
from collections.abc import Iterator
from typing import Protocol

from cmapss_rul.system.errors import DataError

BLOCK_BYTES = 1 << 24
MAX_LINE_BYTES = 1 << 20
PARQUET_MAGIC = b"PAR1"

NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A decimal number; does not match NaN, infinities, hexadecimal digits and `1_0`."""

_NON_TEXT_BYTE = re.compile(rb"[^\t\n\v\f\r\x20-\x7e]")
_TAIL_BYTES = 1 << 13  # dozens of C-MAPSS's rows, of which the last two are compared
_FOREIGN_FORMATS = {
    b"<": "an HTML or XML page",
    b"PK\x03\x04": "a zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"\xef\xbb\xbf": "a text that begins with a byte order mark",
    b"\xff\xfe": "a UTF-16 text",
    b"\xfe\xff": "a UTF-16 text",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a NumPy array",
    b"MATLAB 5.0": "a MATLAB file",
    **{bytes((0x80, version)): "a Python pickle" for version in range(2, 6)},
}


class Readable(Protocol):
    """A binary stream that can be read."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes; empty at the end of the stream."""
        ...


def line_blocks(stream: Readable, name: str, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield blocks of whole lines, which end with LF, CRLF or CR; `name` is for error messages.

    Raises:
        DataError: a line is longer than 1 MiB.
    """
    rest = b""
    while piece := stream.read(size):
        text = rest + piece
        # a CR at the very end may be the first half of a CRLF: keep it for the next piece
        cut = max(text.rfind(b"\n"), text.rfind(b"\r", 0, len(text) - 1)) + 1
        if cut:
            yield text[:cut]
        rest = text[cut:]
        if len(rest) > MAX_LINE_BYTES:  # a file without line ends would exhaust memory
            raise DataError(
                f"{name}: found {foreign_format(text) or 'a line of more than 1 MiB'}, "
                "expected rows of numbers"
            )
    if rest:
        yield rest


class Tail:
    """Keeps the last bytes of a file read in blocks, to detect a truncated download."""

    def __init__(self) -> None:
        self._bytes = b""

    def add(self, block: bytes) -> None:
        """Add the next block."""
        self._bytes = (self._bytes + block[-_TAIL_BYTES:])[-_TAIL_BYTES:]

    @property
    def looks_truncated(self) -> bool:
        """Whether the file may end inside its last number.

        A last number followed by a line end or a space is complete. Otherwise the row must have
        the format of the previous row: no trailing white space, and the same number of decimals.
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


def foreign_format(start: bytes) -> str | None:
    """Return the format of a file that is not text, by its first bytes; None if unknown."""
    head = start[:1024].lstrip()
    for magic, description in _FOREIGN_FORMATS.items():
        if head.startswith(magic):
            return description
    return "a UTF-16 text" if _is_utf16(start[:64]) else None


def _is_utf16(start: bytes) -> bool:
    """Detect UTF-16 without a byte order mark: every other byte of Latin text is NUL."""
    first, second = start[::2], start[1::2]
    return len(second) > 2 and (
        (all(first) and not any(second)) or (all(second) and not any(first))
    )


def non_text_byte(line: bytes) -> str | None:
    """Return a description of the first byte of a line that is not plain text, or None."""
    found = _NON_TEXT_BYTE.search(line)
    return f"the byte 0x{line[found.start()]:02x}" if found else None


def quote_token(token: bytes) -> str:
    """Quote an invalid token for an error message, shortened."""
    text = token[:24].decode("ascii", "backslashreplace")
    return f"'{text}{'…' if len(token) > 24 else ''}'"
