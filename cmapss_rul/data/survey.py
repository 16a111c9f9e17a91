"""What a user's file seems to hold, as far as its header and its numbers tell: a first guess."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import CYCLE, ENGINE, SETTINGS, canonical, locate
from cmapss_rul.data.conditions import MOST_CONDITIONS, NoConditions
from cmapss_rul.data.config import MOST_COLUMNS, DataConfig
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.lines import PARQUET
from cmapss_rul.data.records import read_records
from cmapss_rul.data.split import SplitConfig
from cmapss_rul.data.tables import is_number, read_parquet, text_rows
from cmapss_rul.display.text import printable
from cmapss_rul.system.errors import DataError, UsageError

_LOOK = 200
"""Rows from which it is told whether a column holds numbers."""

_LONGEST_NAME = 200
_LABELS = {
    "rul", "ttf", "label", "target", "remainingusefullife", "remaininglife", "remainingcycles",
    "timetofailure", "cyclestofailure",
}  # fmt: skip
_CLOSE = 0.3
"""Settings are held to lie on a grid if none is further from it than this part of its step."""

_MOST_LEVELS = 10
"""A setting with more levels is taken for one that varies freely."""


@dataclass(frozen=True)
class NumericColumn:
    """A column of numbers.

    Attributes:
        name: in the file.
        low: least value.
        high: greatest value.
        levels: number of levels near which all values lie, where they are few; else 1.
    """

    name: str
    low: float
    high: float
    levels: int = 1

    @classmethod
    def of(cls, name: str, values: NDArray[np.float64]) -> "NumericColumn":
        """Look through the values of a column, [row]."""
        levels = len(np.unique(np.round(values, _decimals(values))))
        few = levels if levels <= _MOST_LEVELS else 1
        return cls(name, float(values.min()), float(values.max()), few)


@dataclass(frozen=True, eq=False)
class Survey:
    """What a file seems to hold.

    Attributes:
        engine: name of the column that tells the engines apart.
        cycle: name of the column that counts the cycles.
        engines: number of engines in the file.
        lives: [engine], rows of each engine that split.test, by its default, leaves to train;
            of these is all that follows.
        settings: what the engines are operated at.
        sensors: all other columns of numbers that vary.
        left_out: name of each other column, and why it is none of them.
        decimals: of the settings, after which they form few conditions; none where they do not.
        conditions: number of combinations of the settings so rounded.
    """

    engine: str
    cycle: str
    engines: int
    lives: NDArray[np.int64]
    settings: list[NumericColumn]
    sensors: list[NumericColumn]
    left_out: list[tuple[str, str]]
    decimals: list[int]
    conditions: int


def survey(
    content: bytes, name: str, *, engine: str | None = None, cycle: str | None = None
) -> Survey:
    """Look through a file of records until the failure.

    Args:
        content: bytes of the file: C-MAPSS text, CSV with a header, or Parquet.
        name: of the file, in error texts.
        engine: name of the column that tells the engines apart; one of the usual by default.
        cycle: name of the column that counts the cycles; one of the usual by default.

    Raises:
        DataError: it is no such table; one line with the place.
        UsageError: no column has the name of engine or cycle, and none was named.
    """
    header, holds_numbers = _header(content, printable(name))
    engine, cycle = _keys(header, printable(name), engine, cycle)
    columns, left_out = _candidates(header, holds_numbers, {engine, cycle})
    if not columns:
        raise DataError(f"{printable(name)}: found no column of numbers beside engine and cycle")
    if len(columns) > MOST_COLUMNS:
        raise DataError(
            f"{printable(name)}: found {len(columns)} columns of numbers, expected at most "
            f"{MOST_COLUMNS}; leave those out that are no measurements"
        )
    config = DataConfig(
        train=name, engine=engine, cycle=cycle, sensors=tuple(columns), conditions=NoConditions()
    )
    whole = read_records(content, name, config).fleet
    fleet = _seen(whole)
    settings: list[NumericColumn] = []
    sensors: list[NumericColumn] = []
    for column in columns:
        values = fleet.column_values([column])[:, 0]
        if reason := _useless(column, values, fleet):
            left_out.append((column, reason))
            continue
        kind = settings if _is_setting(column) else sensors
        kind.append(NumericColumn.of(column, values))
    if not sensors:
        raise DataError(f"{printable(name)}: found no column of numbers that varies, for sensors")
    decimals, conditions = _grid(fleet.column_values([column.name for column in settings]))
    return Survey(
        engine=engine,
        cycle=cycle,
        engines=len(whole.starts),
        lives=fleet.lengths,
        settings=settings,
        sensors=sensors,
        left_out=left_out,
        decimals=decimals,
        conditions=conditions,
    )


def _seen(fleet: Fleet) -> Fleet:
    """The engines that training would see: what is guessed for it must not know the others."""
    engines = fleet.engines
    return (
        fleet if len(engines) < 3 else fleet.select_engines(SplitConfig().hold_out_test(engines)[0])
    )


def _header(content: bytes, name: str) -> tuple[list[str], list[bool]]:
    """Names of the columns, and whether each holds numbers."""
    if content.startswith(PARQUET):
        from pandas.api.types import is_bool_dtype, is_numeric_dtype

        frame = read_parquet(content, name)
        kinds = [is_numeric_dtype(kind) and not is_bool_dtype(kind) for kind in frame.dtypes]
        return [str(column) for column in frame.columns], kinds
    rows, header, _ = text_rows(content, name)
    first = [row for _, row in islice(rows, _LOOK) if len(row) == len(header)]
    counts = [sum(is_number(row[i]) for row in first) for i in range(len(header))]
    return list(header), [2 * count > len(first) for count in counts]


def _keys(
    header: Sequence[str], name: str, engine: str | None, cycle: str | None
) -> tuple[str, str]:
    """Names of the columns of engine and cycle, as the header has them."""
    given = {ENGINE: engine, CYCLE: cycle}
    try:
        found = locate(
            header, (), name, given={k: word for k, word in given.items() if word is not None}
        )
    except DataError as error:
        raise UsageError(
            f"{error}; name the columns of engine and cycle with --engine and --cycle"
        ) from error
    return header[found[ENGINE]].strip(), header[found[CYCLE]].strip()


def _candidates(
    header: Sequence[str], holds_numbers: Sequence[bool], keys: set[str]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Columns of numbers with usable names, and the others with the reason."""
    columns: list[str] = []
    left_out: list[tuple[str, str]] = []
    names = [word.strip() for word in header]
    for word, numbers in zip(names, holds_numbers, strict=True):
        if word in keys:
            continue
        if not word or len(word) > _LONGEST_NAME or word in (ENGINE, CYCLE):
            left_out.append((word[:_LONGEST_NAME], "its name cannot be used; rename it"))
        elif names.count(word) > 1:
            left_out.append((word, "stands more than once in the header; rename it"))
        elif not numbers:
            left_out.append((word, "holds other things than numbers"))
        else:
            columns.append(word)
    return columns, left_out


def _useless(column: str, values: NDArray[np.float64], fleet: Fleet) -> str:
    """Why a column of numbers is no input, if it is none."""
    if values.min() == values.max():
        return f"is always {values[0]:.6g}"
    if re.sub(r"[^a-z]", "", column.lower()) in _LABELS or _counts_down(values, fleet):
        return "seems to be the label, which would leave nothing to learn"
    return ""


def _counts_down(values: NDArray[np.float64], fleet: Fleet) -> bool:
    """Whether a column falls by 1 a cycle, or stays, and ends alike for all engines."""
    step = np.delete(np.diff(values), fleet.last_rows[:-1])
    ends = values[fleet.last_rows]
    return bool(len(step) and np.isin(step, (0, -1)).all() and (ends == ends[0]).all())


def _is_setting(column: str) -> bool:
    first = re.split(r"[\s_-]", column)[0]  # 'altitude ft'
    return bool({canonical(column), canonical(first)} & {*SETTINGS}) or "setting" in column.lower()


def _grid(settings: NDArray[np.float64]) -> tuple[list[int], int]:
    """Decimals that round settings to a grid near which all of them lie, and its points in use."""
    if not settings.shape[1]:
        return [], 1
    decimals = [_decimals(column) for column in settings.T]
    rounded = [np.round(c, places) for c, places in zip(settings.T, decimals, strict=True)]
    count = len(np.unique(np.stack(rounded, axis=1) + 0.0, axis=0))
    return (decimals, count) if count <= MOST_CONDITIONS else ([], count)


def _decimals(values: NDArray[np.float64]) -> int:
    """Decimals that leave few levels, or a single one of a setting that varies freely."""
    # beyond nine decimals none is taken, and a range may be too small for its logarithm
    finest = round(-np.log10(max(np.ptp(values) / MOST_CONDITIONS, 1e-9)))
    for places in range(max(finest, -9), -9, -1):
        rounded = np.round(values, places)
        close = np.abs(values - rounded).max() <= _CLOSE * 10.0**-places
        if close and len(np.unique(rounded)) <= _MOST_LEVELS:
            return places
    return -9
