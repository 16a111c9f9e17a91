"""Reader of the records in a user's file, whose rows may have any order."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import CYCLE, ENGINE, ColumnRequest
from cmapss_rul.data.conditions import Conditions
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fleet import Fleet, Times, hold_last
from cmapss_rul.data.table_cells import FROM_ORDER
from cmapss_rul.data.tables import NumericTable, parse_table
from cmapss_rul.system.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_MAX_CYCLE = 10**9
# *guess*: if 90 % of at least 20 engines have a single row, the column numbers the rows
_MIN_ROWS, _SINGLE = 20, 0.9
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")  # as printed by Python; not '07', '+7', '7.0'

ALLOW_GAPS = "use --allow-gaps (allow_gaps=True in Python) to predict anyway; the result is marked"
NO_GAPS = (
    "fill the gap, leave the engine out, or set data.gaps to keep, so that the RUL follows the "
    "cycle numbers"
)


@dataclass(frozen=True, eq=False)
class Records:
    """Records of engines, one after another, each by ascending cycles.

    Attributes:
        fleet: engines renumbered 1, 2, … in the order of their first rows in the file, with the
            cycles of the file.
        names: [engine], names in the file; integers if every name is one in canonical form.
        missing_cycles: [row], number of cycles missing in the engine's record before the row.
        has_condition_columns: whether the file has all columns of the operating conditions.
        extra: [row], an additional requested column, or None.
    """

    fleet: Fleet
    names: list[int] | list[str]
    missing_cycles: NDArray[np.int64]
    has_condition_columns: bool
    extra: NDArray[np.float64] | None = None

    def name_at(self, row: int) -> int | str:
        """Name of the engine of a row."""
        return self.names[int(self.fleet.engine[row]) - 1]


def read_records(
    content: "bytes | pd.DataFrame",
    name: str,
    config: DataConfig,
    conditions: Conditions | None = None,
    *,
    extra: str | None = None,
    event: str | None = None,
    gaps: str | None = NO_GAPS,
) -> Records:
    """Read and sort the records of engines from a table.

    Required columns are unit, cycle, the network's inputs, and the keys of the operating
    conditions, except for a model with a single condition.

    Args:
        content: a data frame, or the bytes of a file: C-MAPSS text, CSV with a header, or Parquet.
        name: name of the table in error messages.
        config: columns, and their names.
        conditions: conditions of a trained model; None if they will be fitted to these records.
        extra: name of an additional, required column.
        event: name of a required event column: 1 if the record ends with the failure.
        gaps: advice in the error message about missing cycles; None accepts them, as does
            `gaps: keep` in the configuration.

    Raises:
        DataError: one line with the position, what was found and what was expected.
    """
    single = conditions is not None and len(conditions.table) == 1
    key_columns = {ENGINE: config.engine, CYCLE: config.cycle}
    request = ColumnRequest(
        needed=[
            *(() if single else config.condition_keys),
            *config.columns,
            *([] if extra is None else [extra]),
        ],
        optional=config.condition_keys,
        flags=() if event is None else (event,),
        times=config.cycle_from_order,
        key_columns={key: own for key, own in key_columns.items() if own is not None},
        gappy=config.input_columns if config.missing == "hold" else (),
    )
    table = parse_table(content, name, request)
    names, engine = _number_engines(table)
    _check_engine_column(table, engine)
    if config.cycle_from_order:
        cycle: Times = _cycles_from_order(table, engine)
    else:
        cycle = _whole_cycles(table) if config.counts_cycles else _times(table, config.unit)
    order = np.lexsort((cycle, engine))  # by engine, then cycle
    values = _raw_values(table, config, conditions)[order]
    fleet = Fleet.from_rows(engine[order], cycle[order], values, config.raw_columns)
    if event is not None:
        column = table.numbers[:, table.columns.index(event)]
        fleet = replace(fleet, censored=_censored(table, event, column, engine))
    records = Records(
        fleet,
        names,
        _count_missing(fleet) if config.counts_cycles else np.zeros(fleet.rows, dtype=np.int64),
        has_condition_columns=set(config.condition_keys) <= set(table.columns),
        extra=None if extra is None else table.numbers[order, table.columns.index(extra)],
    )
    gaps = gaps if config.consecutive else None
    _check_steps(records, table, table.row_numbers[order], gaps, config.unit.removesuffix("s"))
    if config.missing == "hold":
        held = _hold(records, table, table.row_numbers[order], config)
        return replace(records, fleet=replace(fleet, held=held))
    return records


def read_file(path: Path) -> bytes:
    """Read a whole file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from error


def _number_engines(table: NumericTable) -> tuple[list[int] | list[str], NDArray[np.int64]]:
    """Return the engines' names in the order of their first rows, and each row's number from 1."""
    unique, first, inverse = np.unique(table.engine, return_index=True, return_inverse=True)
    if unique[0] == "":
        number = table.row_numbers[first[0]]
        raise table.error(number, "found no name of the engine, expected one in each row")
    order = np.argsort(first)  # np.unique sorts by name, but RUL files follow the file's order
    names = [str(text) for text in unique[order]]
    engine = np.argsort(order)[inverse] + 1
    # all or none, so that the names have one type; a name such as 07 must not change
    if all(map(_INTEGER.fullmatch, names)):
        return [int(name) for name in names], engine
    return names, engine


def _censored(
    table: NumericTable, event: str, failed: NDArray[np.float64], engine: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the numbers of the engines whose event column, `failed` [row], is 0.

    Raises:
        DataError: a value other than 0 and 1, or two values of one engine.
    """
    odd = np.flatnonzero(~np.isin(failed, (0, 1)))
    if len(odd):
        raise table.error(
            table.row_numbers[odd[0]],
            f"found {failed[odd[0]]:.15g} in column {event}, expected 1 (true) where the engine's "
            "record ends with its failure, else 0 (false)",
        )
    numbers, first = np.unique(engine, return_index=True)
    other = np.flatnonzero(failed != failed[first][engine - 1])
    if len(other):
        row = other[0]
        raise table.error(
            table.row_numbers[row],
            f"found {failed[row]:g} in column {event} for engine {table.engine[row]}, which has "
            f"{1 - failed[row]:g} before, expected one value in all rows of an engine: 1 where its "
            "record ends with the failure, else 0",
        )
    return np.asarray(numbers[failed[first] == 0])


def _check_engine_column(table: NumericTable, engine: NDArray[np.int64]) -> None:
    """Refuse an engine column that numbers the rows, if another column may name the engines."""
    counts = np.bincount(engine)[1:]
    if table.engine_candidates and len(engine) >= _MIN_ROWS and (counts == 1).mean() >= _SINGLE:
        names = " or ".join(f"'{name}'" for name in table.engine_candidates[:5])
        raise DataError(
            f"{table.name}: found a single row of nearly every engine in the column of engines; "
            f"perhaps {names} names the engines: choose one with --engine (data.engine)"
        )


def _cycles_from_order(table: NumericTable, engine: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rank of each row among its engine's rows by time, [row], from 1."""
    time = table.numbers[:, 0]
    order = np.lexsort((time, engine))
    same = np.flatnonzero((np.diff(time[order]) == 0) & (np.diff(engine[order]) == 0))
    # the order of rows with equal times would depend on the order in the file
    if len(same):
        one, other = table.row_numbers[order[same[0] : same[0] + 2]]
        raise DataError(
            f"{table.name}, {table.row_unit}s {one} and {other}: found the same time of engine "
            f"{table.engine[order[same[0]]]} twice, expected each time once"
        )
    starts = np.flatnonzero(np.diff(engine[order], prepend=0))
    place = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
    cycle = np.empty(len(order), dtype=np.int64)
    cycle[order] = place + 1
    return cycle


def _whole_cycles(table: NumericTable) -> NDArray[np.int64]:
    cycle = table.numbers[:, 0]
    invalid = np.flatnonzero((cycle != np.floor(cycle)) | (cycle < 1) | (cycle > _MAX_CYCLE))
    if len(invalid):
        row = invalid[0]
        raise table.error(
            table.row_numbers[row],
            f"found cycle {cycle[row]:.15g}, expected a whole number from 1 on; for running hours "
            f"set data.unit to hours, or {FROM_ORDER}",
        )
    return cycle.astype(np.int64)


def _times(table: NumericTable, unit: str) -> NDArray[np.float64]:
    """Return the times [row] in the user's unit."""
    time = table.numbers[:, 0]
    invalid = np.flatnonzero((time < 0) | (time > _MAX_CYCLE))
    if len(invalid):
        row = invalid[0]
        raise table.error(
            table.row_numbers[row],
            f"found {time[row]:.15g} {unit}, expected 0 to {_MAX_CYCLE:,} {unit} since the start "
            "of the engine's life",
        )
    return time


def _hold(
    records: Records, table: NumericTable, row_numbers: NDArray[np.int64], config: DataConfig
) -> NDArray[np.bool_]:
    """Fill empty cells in place; return [row, column], whether the cell was filled.

    Raises:
        DataError: the engine has no earlier value, or it is too many rows back.
    """
    fleet = records.fleet
    # the records are sorted: the last value is that of the previous cycle, not of the row above
    held = hold_last(fleet, config.max_hold)
    left = np.argwhere(np.isnan(fleet.values))
    if len(left):
        row, column = left[0]
        raise table.error(
            row_numbers[row],
            f"found nothing in column {fleet.columns[column]} of engine {records.name_at(row)}, "
            f"expected a value there or in one of the {config.max_hold} rows before "
            "(data.max_hold); fill it, leave these rows out, or train with a larger data.max_hold",
        )
    return held


def _raw_values(
    table: NumericTable, config: DataConfig, conditions: Conditions | None
) -> NDArray[np.float64]:
    """Return the values [row, column]; missing condition keys get those of the first condition.

    They may be missing only if the model has a single condition.
    """
    index = {name: i for i, name in enumerate(config.raw_columns)}
    # 0 remains only in columns that are neither condition keys nor inputs
    values = np.zeros((len(table.numbers), len(index)))
    if conditions is not None:
        values[:, [index[key] for key in config.condition_keys]] = conditions.table[0]
    for i, column in enumerate(table.columns):
        if column in index:
            values[:, index[column]] = table.numbers[:, i]
    return values


def _cycle_steps(fleet: Fleet) -> NDArray[np.int64]:
    """Return the cycles since the engine's previous row, [row]; 1 for its first row."""
    step = np.diff(fleet.cycle, prepend=fleet.cycle.dtype.type(0))
    step[fleet.starts] = 1  # a record may begin after cycle 1, which is not a gap
    return step


def _count_missing(fleet: Fleet) -> NDArray[np.int64]:
    total = np.cumsum(_cycle_steps(fleet) - 1)  # over all engines, so subtract the start value
    return np.asarray(total - total[fleet.row_starts])


def _check_steps(
    records: Records,
    table: NumericTable,
    row_numbers: NDArray[np.int64],
    hint: str | None,
    unit: str = "cycle",
) -> None:
    """Refuse repeated cycles; also gaps, if there is a hint for the message.

    `row_numbers` [row] are the positions of the sorted rows in the file.
    """
    cycle, step = records.fleet.cycle, _cycle_steps(records.fleet)
    repeats, gaps = np.flatnonzero(step == 0), np.flatnonzero(step > 1)
    if len(repeats):
        row = repeats[0]
        raise DataError(
            f"{table.name}, {table.row_unit}s {row_numbers[row - 1]} and {row_numbers[row]}: found "
            f"{unit} {cycle[row]:.15g} of engine {records.name_at(row)} twice, expected each "
            f"{unit} once"
        )
    if len(gaps) and hint is not None:
        row = gaps[0]
        raise table.error(
            row_numbers[row],
            f"found cycle {cycle[row]} of engine {records.name_at(row)} after cycle "
            f"{cycle[row - 1]}, expected no gap; {hint}",
        )
