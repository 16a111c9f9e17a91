"""Reader of a user's tables: C-MAPSS text, CSV with a header, Parquet, pandas data frames.

Less strict than the reader of the official files: rows and columns may have any order, engines
any names, and further columns are ignored. A requested cell that is not a finite number is an
error with its position.
"""

import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import CYCLE, ENGINE, FILE_COLUMNS, ColumnRequest, find_columns
from cmapss_rul.data.lines import PARQUET_MAGIC
from cmapss_rul.data.table_cells import (
    EMPTY,
    HOLD,
    MAX_VALUE,
    CellParser,
    expected_number,
    parse_times,
)
from cmapss_rul.data.table_text import NumberedRow, TextTable, open_text, unwrap
from cmapss_rul.system.errors import DataError, one_line

if TYPE_CHECKING:
    import pandas as pd

_CHUNK_ROWS = 8192  # bounds the memory of string cells
_FLAGS = {"true": "1", "yes": "1", "false": "0", "no": "0"}


@dataclass(frozen=True, eq=False)
class NumericTable:
    """The requested columns of a table, in the order of its rows.

    Attributes:
        engine: [row], name of each row's engine, as text.
        numbers: [row, column], finite, at most 1e30; NaN for an empty cell, if allowed.
        columns: names of the columns of `numbers`, as requested; the cycle is the first.
        row_numbers: [row], line of a text file, or row of a Parquet file or data frame, from 1.
        row_unit: unit of `row_numbers`: 'line' or 'row'.
        engine_candidates: names of other possible engine columns, if `engine` seems to number the
            rows: within each of their values, cycles increase by 1.
    """

    name: str
    engine: NDArray[np.str_]
    numbers: NDArray[np.float64]
    columns: tuple[str, ...]
    row_numbers: NDArray[np.int64]
    row_unit: str
    engine_candidates: Sequence[str] = ()

    def error(self, row_number: int, text: str) -> DataError:
        """Return an error about a row, given its number in `row_numbers`."""
        return DataError(f"{self.name}, {self.row_unit} {row_number}: {text}")


def parse_table(content: "bytes | pd.DataFrame", name: str, request: ColumnRequest) -> NumericTable:
    """Parse a data frame, or a file whose format is recognised by its bytes.

    The columns of a data frame may be numbered from 0, as pandas does for a file without a header;
    they are then those of C-MAPSS text. `name` is for error messages.

    Raises:
        DataError: one line with the position, the found and the expected content.
    """
    opened = open_table(content, name)
    if isinstance(opened, TextTable):
        return _parse_text(opened, name, request)
    return _parse_frame(opened, name, request)


def open_table(content: "bytes | pd.DataFrame", name: str) -> "TextTable | pd.DataFrame":
    """Open a data frame, or a file whose format is recognised by its bytes.

    Raises:
        DataError: the file is no table.
    """
    if isinstance(content, bytes):
        content = unwrap(content, name)
    if not isinstance(content, bytes):
        return _index_as_columns(content)
    if content.startswith(PARQUET_MAGIC):
        return read_parquet(content, name)
    return open_text(content, name)


def _parse_text(table: TextTable, name: str, request: ColumnRequest) -> NumericTable:
    header = table.header
    positions = find_columns(header, request, name)
    columns = _value_columns(request, positions)
    wanted = [positions[column] for column in columns]
    # without a header, the engine must be a number; with a header, it may be any text
    checked = wanted if table.has_header else [positions[ENGINE], *wanted]
    gappy = {positions[column] for column in request.gappy if column in positions}
    parser = CellParser(
        name, header, checked, positions[CYCLE], gappy, decimal_comma=table.decimal_comma
    )
    engines: list[str] = []
    lines: list[int] = []
    times: list[str] = []
    sample: list[list[str]] = []
    parts: list[NDArray[np.float64]] = []
    flags = [positions[column] for column in request.flags]
    while chunk := list(islice(table.rows, _CHUNK_ROWS)):
        _check_widths(chunk, table, name)
        for place in flags:
            for _, row in chunk:
                row[place] = _FLAGS.get(row[place].strip().lower(), row[place])
        sample = sample or [row for _, row in chunk]
        engines += [row[positions[ENGINE]].strip() for _, row in chunk]
        lines += [line for line, _ in chunk]
        if request.times:
            for _, row in chunk:
                times.append(row[positions[CYCLE]])
                # placeholder: the whole column is parsed at the end, as numbers or as dates
                row[positions[CYCLE]] = "0"
        # without a header, the engine was parsed as the first column
        parts.append(parser.parse(chunk)[:, -len(columns) :])
    if not parts:
        raise DataError(f"{name}: found a header and no rows under it, expected rows of numbers")
    parser.check_decimal_signs()
    numbers = np.concatenate(parts)
    if request.times:
        numbers[:, 0] = parse_times(times, lines, name, "line")
    names = _engine_names(engines, lines, name, "line")
    engine_candidates = []
    if _mostly_unique(engines):
        cells = [*zip(*sample, strict=True)]
        engine_candidates = _engine_candidates(header, cells, positions, numbers[: len(sample), 0])
    return NumericTable(name, names, numbers, columns, np.array(lines), "line", engine_candidates)


def _check_widths(chunk: Sequence[NumberedRow], table: TextTable, name: str) -> None:
    width = len(table.header)
    for line, row in chunk:
        if len(row) != width:
            raise DataError(
                f"{name}, line {line}: found {len(row)} column(s), expected {width}"
                + ("" if table.has_header else " (unit, cycle, 3 settings, 21 sensors)")
            )


def _value_columns(request: ColumnRequest, found: Collection[str]) -> tuple[str, ...]:
    """Return the names of the numeric columns that were found, the cycle first."""
    requested = dict.fromkeys((*request.needed, *request.optional, *request.flags))
    return (CYCLE, *(column for column in requested if column in found))


def _engine_names(
    engines: Sequence[str], row_numbers: Sequence[int], name: str, row_unit: str
) -> NDArray[np.str_]:
    """Return the names [row]; refuse NUL, which NumPy strips from the end of a string."""
    for engine, number in zip(engines, row_numbers, strict=True):
        if "\0" in engine:
            raise DataError(
                f"{name}, {row_unit} {number}: found a NUL character in the engine's name "
                f"'{engine[:24]}', expected text"
            )
    return np.array(engines)


def read_parquet(content: bytes, name: str) -> "pd.DataFrame":
    """Read a Parquet file, with its index as columns.

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
    """Convert named index levels to columns: unit and cycle are often among them."""
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
    row_numbers = np.arange(1, len(frame) + 1)
    numbers = np.empty((len(frame), len(columns)))
    for i, column in enumerate(columns):
        series = frame.iloc[:, positions[column]]
        where = f"in column {positions[column] + 1} ({header[positions[column]]})"
        if series.dtype == np.float16:
            raise DataError(
                f"{name}: found half precision (float16) {where}, which rounds to 3 digits; save "
                "it as float32 or float64"
            )
        if request.times and column == CYCLE:
            cells = series.astype(str).tolist()
            numbers[:, i] = parse_times(cells, row_numbers.tolist(), name, "row")
            continue
        if column in request.flags:
            series = series.map(lambda cell: _FLAGS.get(str(cell).strip().lower(), cell))
        gappy, cycle = column in request.gappy, column == CYCLE
        numbers[:, i] = _parse_series(series, name, where, gappy=gappy, cycle=cycle)
    engine = frame.iloc[:, positions[ENGINE]]
    if pd.api.types.is_float_dtype(engine) and _are_integers(engine.dropna().to_numpy(np.float64)):
        engine = engine.astype("Int64")  # a column of integers with empty cells is read as floats
    texts = np.where(engine.isna(), "", engine.astype(str).str.strip()).tolist()
    names = _engine_names(texts, row_numbers.tolist(), name, "row")
    engine_candidates = []
    if _mostly_unique(texts):
        few = frame.head(_CHUNK_ROWS)
        sample = [few.iloc[:, i].astype(str).tolist() for i in range(len(header))]
        engine_candidates = _engine_candidates(header, sample, positions, numbers[: len(few), 0])
    return NumericTable(name, names, numbers, columns, row_numbers, "row", engine_candidates)


def _parse_series(
    series: "pd.Series[Any]", name: str, where: str, *, gappy: bool, cycle: bool
) -> NDArray[np.float64]:
    """Parse a column of a data frame; with `gappy`, empty cells are NaN."""
    import pandas as pd

    # coerce: text becomes NaN here, and an error with its row below
    numbers = pd.to_numeric(series, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    invalid = np.flatnonzero(~(np.abs(numbers) <= MAX_VALUE))
    odd = series.iloc[invalid]
    empty = (odd.isna() | odd.astype(str).str.strip().str.lower().isin(EMPTY)).to_numpy()
    if gappy:
        invalid, empty = invalid[~empty], empty[~empty]
    if len(invalid):
        found = str(series.iloc[invalid[0]])
        raise DataError(
            f"{name}, row {invalid[0] + 1}: found '{found}' {where}, "
            + expected_number(found, cycle=cycle)
            + (HOLD if empty[0] and not cycle else "")
        )
    return numbers


def _mostly_unique(engines: Sequence[str]) -> bool:
    """Whether an engine column may number the rows."""
    return 2 * len(set(engines)) > len(engines)


def _engine_candidates(
    header: Sequence[str],
    sample: Sequence[Sequence[str]],
    found: Mapping[str, int],
    cycle: NDArray[np.float64],
) -> list[str]:
    """Return the columns that could name the engines, judged by some rows, `sample`."""
    names = []
    for i in set(range(len(header))) - {found[ENGINE], found[CYCLE]}:
        numbers = np.unique(np.array(sample[i]), return_inverse=True)[1]
        if i in found.values() and not numbers.any():
            continue  # a constant requested column is a setting, rather than a single engine
        order = np.lexsort((cycle, numbers))
        steps = np.diff(cycle[order])[np.diff(numbers[order]) == 0]
        if len(steps) > len(cycle) / 2 and (steps == 1).all():
            names.append(header[i])
    return sorted(names)


def _are_integers(numbers: NDArray[np.float64]) -> bool:
    # above 2**53 floats cannot represent all integers, so an id may have been rounded
    return bool(((numbers % 1 == 0) & (np.abs(numbers) < 2**53)).all())
