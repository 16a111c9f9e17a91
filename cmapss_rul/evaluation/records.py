"""A user's own file as a fleet, with what is unusual about it kept beside it."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import COLUMNS, SETTINGS
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.data.tables import Table, parse_table
from cmapss_rul.errors import DataError
from cmapss_rul.text import one_line, printable

_LATEST = 10**9
_WHOLE = re.compile(r"([+-]?[0-9]{1,18})(?:\.0*)?")


@dataclass(frozen=True, eq=False)
class Records:
    """Records of engines that still run, one after another, each by rising cycles.

    Attributes:
        fleet: engines numbered 1, 2, … as they first occur in the file, cycles as the file
            counts them.
        names: [engine], what the file calls each engine: whole numbers where all are.
        missing: [row], cycles that the engine's record lacks before the row, from its first
            row on.
        settings_told: whether the file has all three settings.
    """

    fleet: Fleet
    names: list[int] | list[str]
    missing: NDArray[np.int64]
    settings_told: bool


def read_records(
    content: bytes, name: str, preprocessor: Preprocessor, *, allow_gaps: bool = False
) -> Records:
    """Read the records that a model is to predict from.

    Needed are unit, cycle and the columns that the model uses: its inputs, and the settings
    where they tell its operating conditions apart. A model of a single condition does without
    settings.

    Args:
        content: bytes of the file: C-MAPSS text, CSV with a header, or Parquet.
        name: of the file, in error texts.
        preprocessor: of the model.
        allow_gaps: take records that lack cycles.

    Raises:
        DataError: one line with the place, what was found and what was expected.
    """
    several = len(preprocessor.conditions.table) > 1
    needed = {*preprocessor.columns, *(SETTINGS if several else ())}
    table = parse_table(content, printable(name), needed, optional=SETTINGS)
    names, number = _engines(table)
    cycle = _cycles(table)
    order = np.lexsort((cycle, number))
    table_line = table.line[order]
    fleet = Fleet.from_rows(number[order], cycle[order], _values(table, preprocessor)[order])
    missing = _gaps(fleet, names, table_line, table, allow_gaps)
    return Records(fleet, names, missing, settings_told=set(SETTINGS) <= set(table.columns))


def read_file(path: Path) -> bytes:
    """Read a file whole.

    Raises:
        DataError: naming the path and the reason.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{printable(path)}: cannot be read: {one_line(reason)}") from error


def _engines(table: Table) -> tuple[list[int] | list[str], NDArray[np.int64]]:
    """Names of the engines as they first occur, and for each row the number in that order."""
    unique, first, inverse = np.unique(table.engine, return_index=True, return_inverse=True)
    if unique[0] == "":
        row = first[0]
        raise DataError(
            f"{table.name}, {table.counts} {table.line[row]}: found no name of the engine, "
            "expected one in each row"
        )
    matches = [_WHOLE.fullmatch(str(text)) for text in unique]
    whole = all(match is not None for match in matches)
    keys = [int(match[1]) for match in matches if match] if whole else [str(t) for t in unique]
    # '1' and '1.0' are the same engine
    numbers: dict[int | str, int] = {}
    for i in np.argsort(first):
        numbers.setdefault(keys[i], len(numbers) + 1)
    number = np.array([numbers[key] for key in keys], dtype=np.int64)[inverse]
    return [*numbers], number  # type: ignore[return-value]


def _cycles(table: Table) -> NDArray[np.int64]:
    cycle = table.numbers[:, 0]
    bad = np.flatnonzero((cycle != np.floor(cycle)) | (cycle < 1) | (cycle > _LATEST))
    if len(bad):
        raise DataError(
            f"{table.name}, {table.counts} {table.line[bad[0]]}: found cycle "
            f"{cycle[bad[0]]:.15g}, expected a whole number from 1 on"
        )
    return cycle.astype(np.int64)


def _values(table: Table, preprocessor: Preprocessor) -> NDArray[np.float64]:
    """[row, 24]; settings that the file lacks are those of the model's only condition."""
    values = np.zeros((len(table.numbers), len(COLUMNS)))
    values[:, : len(SETTINGS)] = preprocessor.conditions.table[0]
    for i, column in enumerate(table.columns[1:], 1):
        values[:, COLUMNS.index(column)] = table.numbers[:, i]
    return values


def _gaps(
    fleet: Fleet,
    names: list[int] | list[str],
    line: NDArray[np.int64],
    table: Table,
    allowed: bool,
) -> NDArray[np.int64]:
    """[row], cycles missing so far; refuses repeats always, and gaps unless they are allowed."""
    step = np.diff(fleet.cycle, prepend=0)
    step[fleet.starts] = 1
    repeats = np.flatnonzero(step == 0)
    if len(repeats):
        row = repeats[0]
        raise DataError(
            f"{table.name}, {table.counts}s {line[row - 1]} and {line[row]}: found cycle "
            f"{fleet.cycle[row]} of engine {_shown(fleet, names, row)} twice, expected each "
            "cycle once"
        )
    gaps = np.flatnonzero(step > 1)
    if len(gaps) and not allowed:
        row = gaps[0]
        raise DataError(
            f"{table.name}, {table.counts} {line[row]}: found cycle {fleet.cycle[row]} of engine "
            f"{_shown(fleet, names, row)} after cycle {fleet.cycle[row - 1]}, expected no gap; "
            "--allow-gaps predicts all the same, and marks it"
        )
    total = np.cumsum(step - 1)
    return np.asarray(total - total[fleet.starts_of_rows])


def _shown(fleet: Fleet, names: list[int] | list[str], row: int) -> str:
    return printable(names[fleet.engine[row] - 1])
