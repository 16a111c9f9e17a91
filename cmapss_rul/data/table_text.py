"""Reader of text tables: compression, separator, header, decimal sign and cells.

Also opens gzip, a zip archive of one table, and an Excel workbook of one sheet.
"""

import csv
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmapss_rul.data.columns import FILE_COLUMNS
from cmapss_rul.data.lines import NUMBER, Readable, foreign_format
from cmapss_rul.system.errors import DataError, one_line

if TYPE_CHECKING:
    import pandas as pd

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_EXPECTED = "expected C-MAPSS text, CSV or Parquet"
_SEPARATOR_LINE = re.compile(r"""["']?sep=([,;\t])["']?""", re.IGNORECASE)
_MAX_BYTES = 1 << 30  # uncompressed; parsing takes several times as much memory
_BROKEN = (
    zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError,
    OSError,
)  # fmt: skip

NumberedRow = tuple[int, list[str]]
"""Line number from 1, and cells."""


@dataclass(frozen=True, eq=False)
class TextTable:
    """An open text table.

    Attributes:
        rows: rows of cells, without the header.
        header: names of the columns; those of C-MAPSS if the file has no header.
        separator: separator of columns; None for white space.
    """

    rows: Iterator[NumberedRow]
    header: Sequence[str]
    has_header: bool
    separator: str | None

    @property
    def decimal_comma(self) -> bool:
        """Whether a comma in a number may be a decimal sign."""
        return self.separator in (";", "\t")


def unwrap(content: bytes, name: str) -> "bytes | pd.DataFrame":
    """Extract a table from gzip, a zip archive or an Excel workbook; return others unchanged.

    Raises:
        DataError: the file is damaged, holds several tables, or needs a missing package.
    """
    if content.startswith(b"\x1f\x8b"):
        with _refuse_broken("a gzip archive", name), gzip.open(io.BytesIO(content)) as stream:
            return _read(stream, name)
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):  # the latter is an empty archive
        with _refuse_broken("a zip archive", name), zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [info for info in archive.infolist() if not info.is_dir()]
            if any(info.filename == "xl/workbook.xml" for info in members):
                return _read_excel(content, name)
            tables = [info for info in members if not _is_hidden(info.filename)]
            if len(tables) != 1:
                raise DataError(
                    f"{name}: found a zip archive of {len(tables)} files, expected one table in "
                    "it; unpack it, and name the table"
                )
            with archive.open(tables[0]) as stream:
                return _read(stream, name)
    return content


def _is_hidden(path: str) -> bool:
    """Whether a member is file manager metadata, such as macOS's `__MACOSX/._my.csv`."""
    return any(part.startswith((".", "__MACOSX")) for part in path.split("/"))


@contextmanager
def _refuse_broken(what: str, name: str) -> Iterator[None]:
    """Turn errors of decompression into a DataError."""
    try:
        yield
    except _BROKEN as error:
        raise DataError(
            f"{name}: found {what} that cannot be read ({one_line(error)[:100]}), {_EXPECTED}"
        ) from error


def _read(stream: Readable, name: str) -> bytes:
    content = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise DataError(
            f"{name}: unpacks to more than {_MAX_BYTES >> 30} GiB; unpack it, and save what is "
            "needed as Parquet"
        )
    return content


def _read_excel(content: bytes, name: str) -> "pd.DataFrame":
    import pandas as pd

    try:
        # as objects: pandas would convert the text 007 to the number 7
        stream = io.BytesIO(content)
        sheets = pd.read_excel(stream, sheet_name=None, dtype=object, engine="openpyxl")
    except ImportError as error:
        raise DataError(
            f"{name}: reading Excel workbooks needs openpyxl; pip install 'cmapss_rul[excel]', "
            "or save the sheet as CSV"
        ) from error
    except Exception as error:  # openpyxl passes on any exception of its parsers
        raise DataError(f"{name}: is no valid workbook: {one_line(error)[:200]}") from error
    filled = [sheet for sheet in sheets.values() if not sheet.empty]
    if len(filled) != 1:
        raise DataError(
            f"{name}: found a workbook of {len(filled)} sheets with rows, expected one; save the "
            "sheet as a workbook of its own, or as CSV"
        )
    return filled[0].infer_objects()


def open_text(content: bytes, name: str) -> TextTable:
    """Open a text table; without a header it must be C-MAPSS text.

    Raises:
        DataError: the file is not a table.
    """
    text, (line, first), separator = _decode(content, name)
    if separator is None and _mostly_numbers(first.split()):
        return TextTable(_cells(text, None, name), FILE_COLUMNS, has_header=False, separator=None)
    cells = _cells(text, separator, name)
    _, header = next(cells, (line, []))
    if not header:
        raise DataError(
            f"{name}, line {line}: found only separators, expected a header with the names "
            "of the columns"
        )
    if _mostly_numbers(header):
        raise DataError(
            f"{name}, line {line}: found numbers, expected a header with the names of the "
            "columns (text without a header has spaces between its 26 numbers)"
        )
    return TextTable(cells, header, has_header=True, separator=separator)


def split_rows(content: bytes, name: str) -> list[NumberedRow]:
    """Return all rows of a small text table, including the header.

    Raises:
        DataError: the file is no table.
    """
    text, _, separator = _decode(content, name)
    return list(_cells(text, separator, name))


def _decode(content: bytes, name: str) -> tuple[str, tuple[int, str], str | None]:
    """Return the text, its first non-blank line, and the separator."""
    content = content.removeprefix(_BYTE_ORDER_MARK)
    if found := foreign_format(content):
        raise DataError(f"{name}: found {found}, {_EXPECTED}")
    # bytes that are not UTF-8 are harmless in columns that are not read
    text = content.decode("utf-8", "backslashreplace")
    lines = _lines(text)
    first = next(lines, None)
    separator = None
    if first is not None and (stated := _SEPARATOR_LINE.fullmatch(first[1].strip(" \r\n"))):
        # Excel's `sep=` line; blanked rather than removed, to preserve line numbers
        text, separator = text.replace(first[1].strip("\r\n"), "", 1), stated[1]
        first = next(lines, None)
    if first is None:
        raise DataError(f"{name}: the file is empty, expected rows of numbers")
    return text, first, separator or _separator(first[1])


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Return the non-blank lines with their numbers."""
    stream = io.StringIO(text, newline=None)
    return ((number, line) for number, line in enumerate(stream, 1) if line.strip())


def _separator(header: str) -> str | None:
    """Guess the separator of columns; None for white space."""
    counts = {character: header.count(character) for character in ",;"}
    best = max(counts, key=lambda character: counts[character])
    if counts[best]:
        return best
    return "\t" if "\t" in header and not _mostly_numbers(header.split()) else None


def _cells(text: str, separator: str | None, name: str) -> Iterator[NumberedRow]:
    """Yield the cells of each non-blank row, with the number of its last line."""
    if separator is None:
        yield from ((line, row.split()) for line, row in _lines(text))
        return
    # strict: an unclosed quote would otherwise silently swallow the following rows
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(
            f"{name}, line {reader.line_num}: found an invalid row ({one_line(error)}), expected "
            "cells with each quote closed at the cell's end"
        ) from error


def _mostly_numbers(cells: Sequence[str]) -> bool:
    """Whether a line is a row of numbers, possibly with invalid cells, rather than a header."""
    return 2 * sum(map(is_number, cells)) >= len(cells)


def is_number(cell: str) -> bool:
    """Whether a cell is a finite decimal number."""
    return bool(NUMBER.fullmatch(cell.strip().encode()))


def is_comma_number(cell: str) -> bool:
    """Whether a cell is a finite number with a decimal comma.

    >>> is_comma_number("1,5"), is_comma_number("1,234,567"), is_comma_number("1.234,5")
    (True, False, False)
    """
    return "." not in cell and "," in cell and is_number(cell.replace(",", ".", 1))
