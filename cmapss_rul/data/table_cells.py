"""Parsing of text cells as numbers and times."""

import re
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.table_text import NumberedRow, is_comma_number, is_number
from cmapss_rul.system.errors import DataError

MAX_VALUE = 1e30
"""Larger numbers are not measurements, and may overflow in float32."""

FROM_ORDER = (
    "--cycle-from-order (data.cycle_from_order) takes the rows of an engine in the order of their "
    "times as its cycles"
)
"""Advice if the cycle column holds times."""

HOLD = "; training with data.missing=hold repeats the engine's last value"
"""Advice if a cell is empty."""

EMPTY = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "-"})
"""Cells, in lower case, that mean a missing value, as written by pandas, R, SQL and Excel."""

_NUMBER_CHARACTERS = frozenset("0123456789+-.eE")
_GROUPED = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_TIME = re.compile(r"[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}.*|[0-9]{1,2}:[0-9]{2}.*")


class CellParser:
    """Parses some columns of a text table, chunk by chunk.

    Args:
        name: name of the table in error messages.
        header: names of all columns.
        columns: positions of the columns to parse.
        cycle: position of the cycle column.
        gappy: positions of the columns whose cells may be empty, read as NaN.
        decimal_comma: whether a comma may be a decimal sign.
    """

    def __init__(
        self,
        name: str,
        header: Sequence[str],
        columns: Sequence[int],
        cycle: int,
        gappy: Collection[int] = (),
        *,
        decimal_comma: bool,
    ) -> None:
        self._name, self._header, self._columns, self._cycle = name, header, columns, cycle
        self._decimal_comma = decimal_comma
        self._gappy = np.isin(columns, [*gappy])
        # state over all chunks: the first cell with each decimal sign, and columns by kind of cell
        self._signs: dict[str, str] = {}
        self._grouped: dict[int, str] = {}
        self._decimal: set[int] = set()
        self._plain: set[int] = set()

    def parse(self, chunk: Sequence[NumberedRow]) -> NDArray[np.float64]:
        """Parse the columns of some rows: [row, column].

        Raises:
            DataError: names the first cell that is not a finite number up to `MAX_VALUE`.
        """
        texts = [[row[i].strip() for i in self._columns] for _, row in chunk]
        for row in texts if self._gappy.any() else ():
            for place in np.flatnonzero(self._gappy):
                row[place] = "" if row[place].lower() in EMPTY else row[place]
        if self._decimal_comma:
            self._replace_commas(chunk, texts)
        # NumPy would also accept nan, infinities and underscores
        if _NUMBER_CHARACTERS.issuperset("".join(map("".join, texts))):
            cells = np.array(texts)
            empty = (cells == "") & self._gappy
            try:
                numbers = np.where(empty, "nan", cells).astype(np.float64)
            except ValueError:
                numbers = np.array(np.nan)
            if ((np.abs(numbers) <= MAX_VALUE) | empty).all():  # false for NaN
                return numbers
        raise self._invalid(chunk, texts)

    def check_decimal_signs(self) -> None:
        """Refuse a table in which commas may be something else than decimal signs.

        Raises:
            DataError: both signs occur, or the commas of a column may group thousands.
        """
        if len(self._signs) == 2:
            raise DataError(
                f"{self._name}: found {self._signs[',']} and {self._signs['.']}, expected either "
                "decimal commas or decimal points"
            )
        for i in self._plain & self._grouped.keys() - self._decimal:
            raise DataError(
                f"{self._name}: found {self._grouped[i]} beside numbers without a comma, which may "
                "be a decimal comma or group thousands; save the table with decimal points"
            )

    def _replace_commas(self, chunk: Sequence[NumberedRow], texts: list[list[str]]) -> None:
        """Replace decimal commas with points in `texts` [row][column], in place."""
        for place, i in enumerate(self._columns):
            for (line, _), row in zip(chunk, texts, strict=True):
                cell = row[place]
                if "," not in cell:
                    self._plain.add(i)
                    if "." in cell and "." not in self._signs:
                        self._signs["."] = self._quote(line, cell)
                elif is_comma_number(cell):
                    self._signs.setdefault(",", self._quote(line, cell))
                    if _GROUPED.fullmatch(cell):
                        self._grouped.setdefault(i, self._quote(line, cell))
                    else:
                        self._decimal.add(i)
                    row[place] = cell.replace(",", ".")

    @staticmethod
    def _quote(line: int, cell: str) -> str:
        return f"'{cell[:24]}' in line {line}"

    def _invalid(self, chunk: Sequence[NumberedRow], texts: Sequence[Sequence[str]]) -> DataError:
        """Return the error about the first cell that is not a finite number up to `MAX_VALUE`."""
        for (line, row), cells in zip(chunk, texts, strict=True):
            for i, cell, gappy in zip(self._columns, cells, self._gappy, strict=True):
                if gappy and not cell:
                    continue
                if not is_number(cell) or abs(float(cell)) > MAX_VALUE:
                    found = f"'{row[i][:24]}'" if row[i].strip() else "nothing"
                    return DataError(
                        f"{self._name}, line {line}: found {found} in column {i + 1} "
                        f"({self._header[i]}), {expected_number(cell, cycle=i == self._cycle)}"
                        + (HOLD if cell.lower() in EMPTY and i != self._cycle else "")
                    )
        raise AssertionError  # unreachable: the caller has found an invalid cell


def expected_number(cell: str, *, cycle: bool = False) -> str:
    """Describe what was expected instead of a cell, with advice about times and commas."""
    expected = f"expected a finite number (of at most {MAX_VALUE:g})"
    if cycle and _TIME.fullmatch(cell.strip()):
        return f"expected a count of cycles, not a time; {FROM_ORDER}"
    if is_comma_number(cell):
        return f"{expected}; decimal commas are read where ; or tabs separate the columns"
    return expected


def parse_times(
    cells: Sequence[str], row_numbers: Sequence[int], name: str, row_unit: str
) -> NDArray[np.float64]:
    """Parse times [row]: numbers as they are, ISO 8601 as seconds since the earliest one.

    Raises:
        DataError: a cell is neither.
    """
    import pandas as pd

    texts = pd.Series([cell.strip() for cell in cells])
    numbers = pd.to_numeric(texts, errors="coerce").to_numpy(np.float64)
    if np.isfinite(numbers).all():
        return numbers.astype(np.float64)
    # other formats are ambiguous: 03/04/2024 may be in March or in April
    times = pd.to_datetime(texts, errors="coerce", format="ISO8601", utc=True)
    invalid = np.flatnonzero(times.isna())
    if len(invalid):
        row = invalid[0]
        raise DataError(
            f"{name}, {row_unit} {row_numbers[row]}: found '{texts.iloc[row][:24]}' as a time, "
            "expected a number, or a date and time as in 2024-03-31 12:00:00"
        )
    return (times - times.min()).dt.total_seconds().to_numpy().astype(np.float64)
