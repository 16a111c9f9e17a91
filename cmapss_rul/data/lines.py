"""Text files in blocks of whole lines, so that memory does not grow with the file."""

import re
from collections.abc import Iterator
from typing import Protocol

from cmapss_rul.system.errors import DataError

BLOCK_BYTES = 1 << 24
MAX_LINE_BYTES = 1 << 20
PARQUET_MAGIC = b"PAR1"

NUMBER = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""A decimal number; NaN, infinities, hexadecimal digits and `1_0` do not match."""

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
    """The part of a binary stream that the readers need."""

    def read(self, size: int, /) -> bytes:
        """Read at most `size` bytes; none at the end."""
        ...


def line_blocks(stream: Readable, name: str, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """Yield a file, `name` in error messages, in blocks that end with a line: at LF, CRLF or CR.

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
        if len(rest) > MAX_LINE_BYTES:  # a file without line ends would fill the memory
            raise DataError(
                f"{name}: found {foreign_format(text) or 'a line of more than 1 MiB'}, "
                "expected rows of numbers"
            )
    if rest:
        yield rest


class Tail:
    """The last bytes of a file that is read in blocks, to detect a truncated download."""

    def __init__(self) -> None:
        self._bytes = b""

    def add(self, block: bytes) -> None:
        """Add the next block."""
        self._bytes = (self._bytes + block[-_TAIL_BYTES:])[-_TAIL_BYTES:]

    @property
    def looks_truncated(self) -> bool:
        """Whether the file may end inside its last number.

        A last number followed by a line end or a space is complete. Otherwise the row must have
        the format of the row before it: no trailing white space, as many decimals.
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
    """Recognise by its first bytes a file that is no table of text; None for all others."""
    head = start[:1024].lstrip()
    for magic, description in _FOREIGN_FORMATS.items():
        if head.startswith(magic):
            return description
    return "a UTF-16 text" if _is_utf16(start[:64]) else None


def _is_utf16(start: bytes) -> bool:
    """Whether a text without a mark has a NUL in each pair of bytes, on the same side."""
    first, second = start[::2], start[1::2]
    return len(second) > 2 and (
        (all(first) and not any(second)) or (all(second) and not any(first))
    )


def non_text_byte(line: bytes) -> str | None:
    """Describe the first byte of a line that is not plain text, or return None."""
    found = _NON_TEXT_BYTE.search(line)
    return f"the byte 0x{line[found.start()]:02x}" if found else None


def quote_token(token: bytes) -> str:
    """Quote an invalid token for an error message, shortened."""
    text = token[:24].decode("ascii", "backslashreplace")
    return f"'{text}{'…' if len(token) > 24 else ''}'"
