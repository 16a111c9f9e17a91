"""Tables of any origin: C-MAPSS text, CSV with a header, Parquet, pandas data frames.

Less strict than the reader of the official files: rows and columns may have any order, engines
any names, and other columns are not read. A requested cell that is not a finite number is an
error that names its position.
"""

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import CYCLE, ENGINE, FILE_COLUMNS, ColumnRequest, find_columns
from cmapss_rul.data.lines import NUMBER, PARQUET_MAGIC, foreign_format
from cmapss_rul.system.errors import DataError
from cmapss_rul.system.text import one_line

if TYPE_CHECKING:
    import pandas as pd

_CHUNK_ROWS = 8192  # bounds the memory that the cells of a large file need as strings
_NUMBER_CHARACTERS = frozenset("0123456789+-.eE")
_FLAGS = {"true": "1", "yes": "1", "false": "0", "no": "0"}
MAX_VALUE = 1e30
"""Larger numbers are not measurements, and overflow in float32 later on."""

_EXPECTED = f"expected a finite number (of at most {MAX_VALUE:g})"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"

NumberedRow = tuple[int, list[str]]
"""Line number, from 1, and cells."""


@dataclass(frozen=True, eq=False)
class NumericTable:
    """The requested columns of a table, in the table's row order.

    Attributes:
        engine: [row], name of each row's engine, as text.
        numbers: [row, column], finite, at most 1e30.
        columns: names of the columns of `numbers`, as requested; the cycle is the first.
        row_numbers: [row], line of a text file, or row of a Parquet file or data frame, from 1.
        row_unit: unit of `row_numbers`: 'line' or 'row'.
    """

    name: str
    engine: NDArray[np.str_]
    numbers: NDArray[np.float64]
    columns: tuple[str, ...]
    row_numbers: NDArray[np.int64]
    row_unit: str


def parse_table(content: "bytes | pd.DataFrame", name: str, request: ColumnRequest) -> NumericTable:
    """Parse a file whose format is recognised by its bytes, or a data frame.

    The columns of a data frame may be numbered from 0, as pandas does for a file without a header;
    they are then those of C-MAPSS text. `name` is for error messages.

    Raises:
        DataError: one line with the position, the found and the expected content.
    """
    if not isinstance(content, bytes):
        return _parse_frame(_index_as_columns(content), name, request)
    if content.startswith(PARQUET_MAGIC):
        return _parse_frame(read_parquet(content, name), name, request)
    rows, header, has_header = text_rows(content, name)
    return _parse_rows(rows, header, name, request, has_header=has_header)


def text_rows(content: bytes, name: str) -> tuple[Iterator[NumberedRow], Sequence[str], bool]:
    """Open a table of text.

    Returns:
        Rows of cells with their line numbers; names of the columns; and whether the file has a
        header. Without one it is C-MAPSS text.

    Raises:
        DataError: the file is no table.
    """
    content = content.removeprefix(_BYTE_ORDER_MARK)
    if found := foreign_format(content):
        raise DataError(f"{name}: found {found}, expected C-MAPSS text, CSV or Parquet")
    # bytes that are not UTF-8 do no harm in columns that are not read
    text = content.decode("utf-8", "backslashreplace")
    lines = _lines(text)
    first = next(lines, None)
    if first is None:
        raise DataError(f"{name}: the file is empty, expected rows of numbers")
    separator = _separator(first[1])
    if separator is None and _mostly_numbers(first[1].split()):
        rows = ((line, row.split()) for line, row in chain([first], lines))
        return rows, FILE_COLUMNS, False
    cells = _cells(text, separator, name)
    _, header = next(cells, (first[0], []))
    if not header:
        raise DataError(
            f"{name}, line {first[0]}: found only separators, expected a header with the names "
            "of the columns"
        )
    if _mostly_numbers(header):
        raise DataError(
            f"{name}, line {first[0]}: found numbers, expected a header with the names of the "
            "columns (text without a header has spaces between its 26 numbers)"
        )
    return cells, header, True


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines that are not blank, with their numbers."""
    stream = io.StringIO(text, newline=None)
    return ((number, line) for number, line in enumerate(stream, 1) if line.strip())


def _separator(header: str) -> str | None:
    """The character between the columns; None for white space."""
    counts = {character: header.count(character) for character in ",;"}
    best = max(counts, key=lambda character: counts[character])
    if counts[best]:
        return best
    return "\t" if "\t" in header and not _mostly_numbers(header.split()) else None


def _cells(text: str, separator: str | None, name: str) -> Iterator[NumberedRow]:
    """Cells of each row that is not blank, with its last line."""
    if separator is None:
        yield from ((line, row.split()) for line, row in _lines(text))
        return
    # strict: otherwise an unclosed quote would silently swallow the rows after it
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
    """Whether a line is a row, perhaps with an invalid cell, rather than a header."""
    return 2 * sum(map(is_number, cells)) >= len(cells)


def is_number(cell: str) -> bool:
    """Whether a cell holds a finite decimal number."""
    return bool(NUMBER.fullmatch(cell.strip().encode()))


def _parse_rows(
    rows: Iterator[NumberedRow],
    header: Sequence[str],
    name: str,
    request: ColumnRequest,
    *,
    has_header: bool,
) -> NumericTable:
    positions = find_columns(header, request, name)
    columns = _value_columns(request, positions)
    wanted = [positions[column] for column in columns]
    # without a header the engine must be a number, too; with one it may be any text
    checked = wanted if has_header else [positions[ENGINE], *wanted]
    engines: list[str] = []
    lines: list[int] = []
    parts: list[NDArray[np.float64]] = []
    while chunk := list(islice(rows, _CHUNK_ROWS)):
        for line, row in chunk:
            if len(row) != len(header):
                raise DataError(
                    f"{name}, line {line}: found {len(row)} column(s), expected {len(header)}"
                    + ("" if has_header else " (unit, cycle, 3 settings, 21 sensors)")
                )
        for _, row in chunk if request.flags else ():
            for column in request.flags:
                cell = row[positions[column]]
                row[positions[column]] = _FLAGS.get(cell.strip().lower(), cell)
        engines += [row[positions[ENGINE]].strip() for _, row in chunk]
        lines += [line for line, _ in chunk]
        parts.append(_parse_cells(chunk, checked, header, name)[:, -len(columns) :])
    if not parts:
        raise DataError(f"{name}: found a header and no rows under it, expected rows of numbers")
    names = _engine_names(engines, lines, name, "line")
    return NumericTable(name, names, np.concatenate(parts), columns, np.array(lines), "line")


def _value_columns(request: ColumnRequest, found: Collection[str]) -> tuple[str, ...]:
    """Names of the columns of numbers that were found, the cycle first."""
    requested = dict.fromkeys((*request.needed, *request.optional, *request.flags))
    return (CYCLE, *(column for column in requested if column in found))


def _engine_names(
    engines: Sequence[str], row_numbers: Sequence[int], name: str, row_unit: str
) -> NDArray[np.str_]:
    """[row], names of engines; NUL is refused: NumPy strips it from the end of a string."""
    for engine, number in zip(engines, row_numbers, strict=True):
        if "\0" in engine:
            raise DataError(
                f"{name}, {row_unit} {number}: found a NUL character in the engine's name "
                f"'{engine[:24]}', expected text"
            )
    return np.array(engines)


def _parse_cells(
    chunk: Sequence[NumberedRow], columns: Sequence[int], header: Sequence[str], name: str
) -> NDArray[np.float64]:
    """Parse some columns of some rows, [row, column]."""
    texts = [[row[i].strip() for i in columns] for _, row in chunk]
    # NumPy alone would also accept nan, infinities and underscores
    if _NUMBER_CHARACTERS.issuperset("".join(map("".join, texts))):
        try:
            numbers = np.array(texts).astype(np.float64)
        except ValueError:
            numbers = np.array(np.nan)
        if (np.abs(numbers) <= MAX_VALUE).all():  # false for NaN
            return numbers
    raise _invalid_cell(chunk, columns, header, name)


def _invalid_cell(
    chunk: Sequence[NumberedRow], columns: Sequence[int], header: Sequence[str], name: str
) -> DataError:
    """Name the first of the checked cells that is not a finite number of sensible size."""
    for line, row in chunk:
        for i in columns:
            if not is_number(row[i]) or abs(float(row[i])) > MAX_VALUE:
                found = f"'{row[i][:24]}'" if row[i].strip() else "nothing"
                return DataError(
                    f"{name}, line {line}: found {found} in column {i + 1} ({header[i]}), "
                    f"{_EXPECTED}"
                )
    raise AssertionError  # the caller has found one


def read_parquet(content: bytes, name: str) -> "pd.DataFrame":
    """Read a Parquet file, its index as columns.

    Raises:
        DataError: the file is not Parquet, or pyarrow is not installed.
    """
    import pandas as pd

    try:
        frame = pd.read_parquet(io.BytesIO(content), engine="pyarrow")
    except ImportError as error:
        raise DataError(
            f"{name}: reading Parquet needs pyarrow; pip install 'cmapss_rul[parquet]', "
            "or save the table as CSV"
        ) from error
    except (ValueError, OSError) as error:  # pyarrow's own errors are subclasses of these
        raise DataError(
            f"{name}: is not a complete Parquet file: {one_line(error)[:200]}"
        ) from error
    return _index_as_columns(frame)


def _index_as_columns(frame: "pd.DataFrame") -> "pd.DataFrame":
    """Add the named levels of the index as columns: unit and cycle are often there."""
    names = [name for name in frame.index.names if name is not None]
    return frame.reset_index([name for name in names if name not in frame.columns])


def _parse_frame(frame: "pd.DataFrame", name: str, request: ColumnRequest) -> NumericTable:
    import pandas as pd

    header = [str(column) for column in frame.columns]
    if header == [str(i) for i in range(len(FILE_COLUMNS))]:
        header = [*FILE_COLUMNS]
    positions = find_columns(header, request, name)
    columns = _value_columns(request, positions)
    if frame.empty:
        raise DataError(f"{name}: found no rows, expected rows of numbers")
    numbers = np.empty((len(frame), len(columns)))
    for i, column in enumerate(columns):
        position = positions[column]
        series = frame.iloc[:, position]
        if column in request.flags:
            series = series.map(lambda cell: _FLAGS.get(str(cell).strip().lower(), cell))
        numbers[:, i] = pd.to_numeric(series, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        invalid = np.flatnonzero(~(np.abs(numbers[:, i]) <= MAX_VALUE))
        if len(invalid):
            raise DataError(
                f"{name}, row {invalid[0] + 1}: found '{series.iloc[invalid[0]]}' in column "
                f"{position + 1} ({header[position]}), {_EXPECTED}"
            )
    engine = frame.iloc[:, positions[ENGINE]]
    if pd.api.types.is_float_dtype(engine) and _are_whole(engine.dropna().to_numpy(np.float64)):
        engine = engine.astype("Int64")  # pandas makes floats of whole numbers beside empty cells
    texts = np.where(engine.isna(), "", engine.astype(str).str.strip()).tolist()
    row_numbers = np.arange(1, len(frame) + 1)
    names = _engine_names(texts, row_numbers.tolist(), name, "row")
    return NumericTable(name, names, numbers, columns, row_numbers, "row")


def _are_whole(numbers: NDArray[np.float64]) -> bool:
    return bool(((numbers % 1 == 0) & (np.abs(numbers) < 2**53)).all())
