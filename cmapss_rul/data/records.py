"""A user's own file as a fleet, with what is unusual about it kept beside it."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import CYCLE, ENGINE
from cmapss_rul.data.conditions import Conditions
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.tables import ColumnRequest, NumericTable, parse_table
from cmapss_rul.display.text import one_line, printable
from cmapss_rul.system.errors import DataError

_LATEST = 10**9
_WHOLE = re.compile(r"([+-]?[0-9]{1,18})(?:\.0*)?")

ALLOW_GAPS = "--allow-gaps predicts all the same, and marks it"
NO_GAPS = "without every cycle the RUL of the others is not known; fill the gap, or leave it out"


@dataclass(frozen=True, eq=False)
class Records:
    """Records of engines, one after another, each by rising cycles.

    Attributes:
        fleet: engines numbered 1, 2, … as they first occur in the file, cycles as the file
            counts them.
        names: [engine], what the file calls each engine: whole numbers where all are.
        missing_cycles: [row], cycles that the engine's record lacks before the row, from its first
            row on.
        has_condition_columns: whether the file has every column of the conditions.
        extra: [row], a further column that was asked for; None without one.
    """

    fleet: Fleet
    names: list[int] | list[str]
    missing_cycles: NDArray[np.int64]
    has_condition_columns: bool
    extra: NDArray[np.float64] | None = None


def read_records(
    content: bytes,
    name: str,
    config: DataConfig,
    known: Conditions | None = None,
    *,
    extra: str | None = None,
    gaps: str | None = NO_GAPS,
) -> Records:
    """Read records of engines, whatever their order in the file.

    Needed are unit, cycle and the columns that the network sees, and those that tell operating
    conditions apart. A model that knows a single condition does without the latter.

    Args:
        content: bytes of the file: C-MAPSS text, CSV with a header, or Parquet.
        name: of the file, in error texts.
        config: which columns, under which names.
        known: the conditions of a trained model; None where they are to be found out.
        extra: name of a further column that must be there.
        gaps: what to do about records that lack cycles, for the error; None takes them.

    Raises:
        DataError: one line with the place, what was found and what was expected.
    """
    single = known is not None and len(known.table) == 1
    keys = () if single else config.condition_keys
    own = {ENGINE: config.engine, CYCLE: config.cycle}
    asked = ColumnRequest(
        needed=[*keys, *config.columns, *([] if extra is None else [extra])],
        optional=config.condition_keys,
        given={word: given for word, given in own.items() if given is not None},
    )
    table = parse_table(content, printable(name), asked)
    names, number = _engines(table)
    cycle = _cycles(table)
    order = np.lexsort((cycle, number))
    values = _values(table, config, known)[order]
    fleet = Fleet.from_rows(number[order], cycle[order], values, config.raw_columns)
    return Records(
        fleet,
        names,
        _missing(fleet, names, table.line[order], table, gaps),
        has_condition_columns=set(config.condition_keys) <= set(table.columns),
        extra=None if extra is None else table.numbers[order, table.columns.index(extra)],
    )


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


def _engines(table: NumericTable) -> tuple[list[int] | list[str], NDArray[np.int64]]:
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


def _cycles(table: NumericTable) -> NDArray[np.int64]:
    cycle = table.numbers[:, 0]
    bad = np.flatnonzero((cycle != np.floor(cycle)) | (cycle < 1) | (cycle > _LATEST))
    if len(bad):
        raise DataError(
            f"{table.name}, {table.counts} {table.line[bad[0]]}: found cycle "
            f"{cycle[bad[0]]:.15g}, expected a whole number from 1 on"
        )
    return cycle.astype(np.int64)


def _values(
    table: NumericTable, config: DataConfig, known: Conditions | None
) -> NDArray[np.float64]:
    """[row, column]; where the file does not tell the condition, it is the model's only one."""
    columns = {name: i for i, name in enumerate(config.raw_columns)}
    values = np.zeros((len(table.numbers), len(columns)))
    if known is not None:
        values[:, [columns[key] for key in config.condition_keys]] = known.table[0]
    for i, column in enumerate(table.columns):
        if column in columns:
            values[:, columns[column]] = table.numbers[:, i]
    return values


def _missing(
    fleet: Fleet,
    names: list[int] | list[str],
    line: NDArray[np.int64],
    table: NumericTable,
    hint: str | None,
) -> NDArray[np.int64]:
    """[row], cycles missing so far; refuses repeats always, and gaps where there is a hint."""
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
    if len(gaps) and hint is not None:
        row = gaps[0]
        raise DataError(
            f"{table.name}, {table.counts} {line[row]}: found cycle {fleet.cycle[row]} of engine "
            f"{_shown(fleet, names, row)} after cycle {fleet.cycle[row - 1]}, expected no gap; "
            f"{hint}"
        )
    total = np.cumsum(step - 1)
    return np.asarray(total - total[fleet.row_starts])


def _shown(fleet: Fleet, names: list[int] | list[str], row: int) -> str:
    return printable(names[fleet.engine[row] - 1])
