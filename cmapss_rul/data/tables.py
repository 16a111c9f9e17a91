"""Other people's tables: C-MAPSS text, CSV with a header, Parquet.

Looser than the reader of the official files: rows and columns may stand in any order, engines
may have any name, and only the columns asked for are looked at. What is looked at is strict:
a cell that is no finite number is an error that names its place.
"""

import csv
import io
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import CYCLE, ENGINE, OURS, locate
from cmapss_rul.data.lines import NUMBER, PARQUET, foreign_kind
from cmapss_rul.display.text import one_line, printable
from cmapss_rul.system.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_CHUNK = 8192  # rows at a time: bounds what the cells of a large file need as texts
_PLAIN = frozenset("0123456789+-.eE")
_LARGEST = 1e30  # larger numbers are no measurements, and overflow later on
_EXPECTED = f"expected a finite number (of at most {_LARGEST:g})"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, eq=False)
class NumericTable:
    """The columns of a file that were asked for, row by row as they stand in it.

    Attributes:
        name: of the file, in error texts.
        engine: [row], name of each row's engine, as text.
        numbers: [row, column], finite, at most 1e30.
        columns: names of the columns of `numbers`, as they were asked for; the cycle is the first.
        line: [row], line of the file, or row of a Parquet file, from 1.
        counts: what `line` counts: 'line' or 'row'.
    """

    name: str
    engine: NDArray[np.str_]
    numbers: NDArray[np.float64]
    columns: tuple[str, ...]
    line: NDArray[np.int64]
    counts: str


@dataclass(frozen=True)
class ColumnRequest:
    """Columns to look for: by our names, whose usual spellings count, or by a user's own.

    Attributes:
        needed: must be there, besides unit and cycle.
        optional: are read where they are there.
        given: the user's own names of unit and cycle.
    """

    needed: Sequence[str]
    optional: Sequence[str] = ()
    given: Mapping[str, str] = field(default_factory=dict)

    def find(self, header: Sequence[str], name: str) -> dict[str, int]:
        """Position of each column that is there; one that must be and is not is an error."""
        return locate(header, self.needed, name, self.optional, self.given)

    def there(self, place: Collection[str]) -> tuple[str, ...]:
        """Names of the columns that were found, the cycle first."""
        asked = dict.fromkeys((*self.needed, *self.optional))
        return (CYCLE, *(column for column in asked if column in place))


def parse_table(content: bytes, name: str, asked: ColumnRequest) -> NumericTable:
    """Read a table from the bytes of a file, whose kind the bytes tell.

    Args:
        content: of the file.
        name: of the file, in error texts.
        asked: the columns to read.

    Raises:
        DataError: one line with the place, what was found and what was expected.
    """
    if content.startswith(PARQUET):
        return _parquet(content, name, asked)
    rows, header, numbered = text_rows(content, name)
    return _rows_to_table(rows, header, name, asked, numbered=numbered)


def text_rows(
    content: bytes, name: str
) -> tuple[Iterator[tuple[int, list[str]]], Sequence[str], bool]:
    """Open a table of text.

    Returns:
        Rows of texts with their lines; names of the columns; and whether these are not in the
        file, which is C-MAPSS text then.

    Raises:
        DataError: it is no table.
    """
    content = content.removeprefix(_BYTE_ORDER_MARK)
    if kind := foreign_kind(content):
        raise DataError(f"{name}: found {kind}, expected C-MAPSS text, CSV or Parquet")
    # bytes that are no UTF-8 harm nobody in a column that is not looked at
    text = content.decode("utf-8", "backslashreplace")
    lines = _lines(text)
    first = next(lines, None)
    if first is None:
        raise DataError(f"{name}: the file is empty, expected rows of numbers")
    separator = _separator(first[1])
    if separator is None and _mostly_numbers(first[1].split()):
        rows = ((line, row.split()) for line, row in chain([first], lines))
        return rows, OURS, True
    cells = _cells(text, separator, name)
    _, header = next(cells, (first[0], []))
    if not header:
        raise DataError(
            f"{name}, line {first[0]}: found separators alone, expected a header with the names "
            "of the columns"
        )
    if _mostly_numbers(header):
        raise DataError(
            f"{name}, line {first[0]}: found numbers, expected a header with the names of the "
            "columns (text without a header has spaces between its 26 numbers)"
        )
    return cells, header, False


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
    words = header.split()
    return "\t" if "\t" in header and not _mostly_numbers(words) else None


def _cells(text: str, separator: str | None, name: str) -> Iterator[tuple[int, list[str]]]:
    """Cells of each row that is not blank, with its last line."""
    if separator is None:
        yield from ((line, row.split()) for line, row in _lines(text))
        return
    # strict: a quote that is left open would swallow the rows after it
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield reader.line_num, row
    except csv.Error as error:
        raise DataError(
            f"{name}, line {reader.line_num}: found no row ({one_line(error)}), expected cells "
            "with each quote closed at the cell's end"
        ) from error


def _mostly_numbers(cells: Sequence[str]) -> bool:
    """Whether a line is a row, with a wrong cell perhaps, rather than a header."""
    return 2 * sum(map(is_number, cells)) >= len(cells)


def is_number(cell: str) -> bool:
    """Whether a cell holds a finite decimal number."""
    return bool(NUMBER.fullmatch(cell.strip().encode()))


def _rows_to_table(
    rows: Iterator[tuple[int, list[str]]],
    header: Sequence[str],
    name: str,
    asked: ColumnRequest,
    *,
    numbered: bool,
) -> NumericTable:
    """Read rows of texts; `numbered`: without a header, where the engine is a number too."""
    place = asked.find(header, name)
    columns = asked.there(place)
    picked = [place[column] for column in columns]
    checked = [place[ENGINE], *picked] if numbered else picked
    engines: list[str] = []
    lines: list[int] = []
    parts: list[NDArray[np.float64]] = []
    while chunk := list(islice(rows, _CHUNK)):
        for line, row in chunk:
            if len(row) != len(header):
                raise DataError(
                    f"{name}, line {line}: found {len(row)} column(s), expected {len(header)}"
                    + (" (unit, cycle, 3 settings, 21 sensors)" if numbered else "")
                )
        engines += [row[place[ENGINE]].strip() for _, row in chunk]
        lines += [line for line, _ in chunk]
        numbers = _numbers(chunk, checked, header, name)
        parts.append(numbers[:, -len(columns) :])
    if not parts:
        raise DataError(f"{name}: found a header and no rows under it, expected rows of numbers")
    names = _names(engines, lines, name, "line")
    return NumericTable(name, names, np.concatenate(parts), columns, np.array(lines), counts="line")


def _names(
    engines: Sequence[str], lines: Sequence[int], name: str, counts: str
) -> NDArray[np.str_]:
    """[row], names of engines; numpy would take one that ends with NUL for another one."""
    for engine, line in zip(engines, lines, strict=True):
        if "\0" in engine:
            raise DataError(
                f"{name}, {counts} {line}: found a NUL character in the engine's name "
                f"'{printable(engine[:24])}', expected text"
            )
    return np.array(engines)


def _numbers(
    chunk: Sequence[tuple[int, list[str]]], picked: Sequence[int], header: Sequence[str], name: str
) -> NDArray[np.float64]:
    """Turn the picked cells of some rows into numbers, [row, picked]."""
    texts = [[row[i].strip() for i in picked] for _, row in chunk]
    if _PLAIN.issuperset("".join(map("".join, texts))):
        try:
            numbers = np.array(texts).astype(np.float64)
        except ValueError:
            numbers = np.array(np.nan)
        if (np.abs(numbers) <= _LARGEST).all():  # NaN is not
            return numbers
    raise _bad_cell(chunk, picked, header, name)


def _bad_cell(
    chunk: Sequence[tuple[int, list[str]]], picked: Sequence[int], header: Sequence[str], name: str
) -> DataError:
    """Say which cell of the picked ones is the first that is no number within reason."""
    for line, row in chunk:
        for i in picked:
            if not is_number(row[i]) or abs(float(row[i])) > _LARGEST:
                found = f"'{printable(row[i][:24])}'" if row[i].strip() else "nothing"
                return DataError(
                    f"{name}, line {line}: found {found} in column {i + 1} "
                    f"({printable(header[i])}), {_EXPECTED}"
                )
    raise AssertionError  # the caller has found one


def read_parquet(content: bytes, name: str) -> "pd.DataFrame":
    """Read a Parquet file, its index as columns.

    Raises:
        DataError: it is none, holds no row, or pyarrow is missing.
    """
    import pandas as pd

    try:
        frame = pd.read_parquet(io.BytesIO(content), engine="pyarrow")
    except ImportError as error:
        raise DataError(
            f"{name}: reading Parquet needs pyarrow; pip install 'cmapss_rul[parquet]', "
            "or save the table as CSV"
        ) from error
    except (ValueError, OSError) as error:  # pyarrow's own errors are of these kinds
        raise DataError(f"{name}: is no whole Parquet file: {one_line(error)[:200]}") from error
    if any(level is not None for level in frame.index.names):
        frame = frame.reset_index()  # unit and cycle are often the index
    return frame


def _parquet(content: bytes, name: str, asked: ColumnRequest) -> NumericTable:
    import pandas as pd

    frame = read_parquet(content, name)
    header = [str(column) for column in frame.columns]
    place = asked.find(header, name)
    columns = asked.there(place)
    if frame.empty:
        raise DataError(f"{name}: found no rows, expected rows of numbers")
    numbers = np.empty((len(frame), len(columns)))
    for i, column in enumerate(columns):
        series = frame.iloc[:, place[column]]
        numbers[:, i] = pd.to_numeric(series, errors="coerce").to_numpy(np.float64, na_value=np.nan)
        bad = np.flatnonzero(~(np.abs(numbers[:, i]) <= _LARGEST))
        if len(bad):
            raise DataError(
                f"{name}, row {bad[0] + 1}: found '{printable(series.iloc[bad[0]])}' in column "
                f"{place[column] + 1} ({printable(header[place[column]])}), {_EXPECTED}"
            )
    engine = frame.iloc[:, place[ENGINE]]
    texts = np.where(engine.isna(), "", engine.astype(str).str.strip()).tolist()
    lines = np.arange(1, len(frame) + 1)
    return NumericTable(
        name, _names(texts, lines.tolist(), name, "row"), numbers, columns, lines, "row"
    )
