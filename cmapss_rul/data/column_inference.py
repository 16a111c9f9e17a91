"""Inference of engine, cycle, settings and sensors among the columns of a user's file."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import (
    CYCLE,
    ENGINE,
    SETTINGS,
    ColumnRequest,
    find_columns,
    is_label_name,
    resolve_alias,
)
from cmapss_rul.data.conditions import MAX_CONDITIONS, NoConditions
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.config_fields import MAX_COLUMNS
from cmapss_rul.data.events import EventColumn, find_event_column
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.leakage import describe_index, describe_label
from cmapss_rul.data.records import read_records
from cmapss_rul.data.split import SplitConfig
from cmapss_rul.data.table_text import TextTable, is_comma_number, is_number
from cmapss_rul.data.tables import open_table
from cmapss_rul.display.text import nearest
from cmapss_rul.system.errors import DataError, UsageError

_SAMPLE_ROWS = 200  # rows that decide whether a column is numeric
_MAX_NAME_LENGTH = 200
_GRID_TOLERANCE = 0.3  # deviation from a grid of levels, as a share of its step
_MAX_LEVELS = 10  # a setting with more levels is continuous
_MIN_CHANGES = 3  # *guess*: changes of a setting per engine, on average
_EXPLAINED = 0.9  # *guess*: share of the variance of a sensor's steps explained by a setting


@dataclass(frozen=True)
class NumericColumn:
    """A numeric column.

    Attributes:
        levels: number of discrete levels, if there are few; 1 for a continuous column.
    """

    name: str
    low: float
    high: float
    levels: int = 1

    @classmethod
    def from_values(cls, name: str, values: NDArray[np.float64]) -> "NumericColumn":
        """Summarise the values of a column, [row]."""
        levels = len(np.unique(np.round(values, _grid_decimals(values))))
        few = levels if levels <= _MAX_LEVELS else 1
        return cls(name, float(values.min()), float(values.max()), few)


@dataclass(frozen=True, eq=False)
class InferredColumns:
    """Inferred columns of a file.

    Attributes:
        engine: name of the engine column.
        cycle: name of the cycle column.
        lives: [engine], rows of each engine outside the default test set; all inferences below
            use only these engines.
        left_out: names of the other columns, each with the reason.
        decimals: decimals to which rounded settings form few conditions; empty if there are none.
        conditions: number of combinations of the rounded settings.
        cycle_from_order: whether the cycle column holds times, whose order defines the cycles.
        event: column that may be an event column, if there is one.
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
    cycle_from_order: bool = False
    event: EventColumn | None = None


def infer_columns(
    content: bytes,
    name: str,
    *,
    engine: str | None = None,
    cycle: str | None = None,
    cycle_from_order: bool = False,
    setting: Sequence[str] = (),
    sensor: Sequence[str] = (),
) -> InferredColumns:
    """Infer the columns of a file of run-to-failure records.

    Args:
        content: bytes of the file: C-MAPSS text, CSV with a header, or Parquet.
        name: name of the file in error messages.
        engine: name of the engine column; by default any alias.
        cycle: name of the cycle column; by default any alias.
        cycle_from_order: whether the cycle column holds times, whose order defines the cycles.
        setting: names of columns known to be settings.
        sensor: names of columns known to be sensors.

    Raises:
        DataError: the table is invalid, or has no numeric column of a given name.
        UsageError: engine or cycle is not given, and no column is an alias of it.
    """
    header, is_numeric = _read_header(content, name)
    engine, cycle = _find_keys(header, name, engine, cycle)
    columns, left_out = _candidates(header, is_numeric, {engine, cycle})
    _check_columns(columns, (*setting, *sensor), name)
    config = DataConfig(
        train=name,
        engine=engine,
        cycle=cycle,
        cycle_from_order=cycle_from_order,
        sensors=tuple(columns),
        conditions=NoConditions(),
    )
    taken = {engine, cycle, *setting, *sensor}
    event = find_event_column(content, config, header, columns, taken)
    if event is not None:
        columns = [column for column in columns if column != event.name]
        left_out = [entry for entry in left_out if entry[0] != event.name]
        left_out.append((event.name, "may mark which engines have failed: see data.event"))
    fleet = whole = read_records(content, name, config).fleet
    if len(whole.starts) > 2:  # inference from all engines would use the test set
        fleet = whole.select_engines(SplitConfig().hold_out_test(whole.engines)[0])
    settings, sensors, useless = _sort_columns(columns, fleet, setting, sensor)
    left_out += useless
    if not sensors:
        raise DataError(f"{name}: found no numeric column that varies, for sensors")
    decimals, conditions = _grid(fleet.column_values([column.name for column in settings]))
    return InferredColumns(
        engine, cycle, len(whole.starts), fleet.lengths, settings, sensors, left_out, decimals,
        conditions, cycle_from_order, event,
    )  # fmt: skip


def _check_columns(columns: Sequence[str], named: Sequence[str], name: str) -> None:
    """Check that there are numeric columns, not too many, and all given names among them."""
    for column in named:
        if column not in columns:
            near = nearest(column, columns)
            hint = "" if near is None else f"; the nearest is '{near}'"
            raise DataError(f"{name}: found no numeric column '{column}'{hint}")
    if not columns:
        raise DataError(f"{name}: found no numeric column besides engine and cycle")
    if len(columns) > MAX_COLUMNS:
        raise DataError(
            f"{name}: found {len(columns)} numeric columns, expected at most {MAX_COLUMNS}; "
            "remove those that are no measurements"
        )


def _sort_columns(
    columns: Sequence[str], fleet: Fleet, setting: Sequence[str], sensor: Sequence[str]
) -> tuple[list[NumericColumn], list[NumericColumn], list[tuple[str, str]]]:
    """Classify columns as settings, sensors, or left out, with the reason."""
    settings: list[NumericColumn] = []
    sensors: list[NumericColumn] = []
    left_out: list[tuple[str, str]] = []
    for column in columns:
        values = fleet.column_values([column])[:, 0]
        named = column in setting or column in sensor
        if not named and (reason := _reason_to_leave_out(column, values, fleet)):
            left_out.append((column, reason))
            continue
        is_setting = column in setting or (column not in sensor and _is_setting(column))
        target = settings if is_setting else sensors
        target.append(NumericColumn.from_values(column, values))
    for found in [found for found in sensors if found.name not in sensor]:
        others = [other.name for other in sensors if other.levels == 1]
        if found.levels > 1 and _switches_others(found.name, others, fleet):
            sensors.remove(found)
            settings.append(found)
    return settings, sensors, left_out


def _read_header(content: bytes, name: str) -> tuple[list[str], list[bool]]:
    """Return the names of the columns, and whether each is numeric."""
    opened = open_table(content, name)
    if not isinstance(opened, TextTable):
        from pandas.api.types import is_bool_dtype, is_numeric_dtype

        kinds = [is_numeric_dtype(kind) and not is_bool_dtype(kind) for kind in opened.dtypes]
        return [str(column) for column in opened.columns], kinds
    header, count = opened.header, len(opened.header)
    sample = [row for _, row in islice(opened.rows, _SAMPLE_ROWS) if len(row) == count]
    # decimal commas count, even if they are refused later with a message about them
    counts = [sum(is_number(row[i]) or is_comma_number(row[i]) for row in sample)
              for i in range(count)]  # fmt: skip
    return list(header), [2 * count > len(sample) for count in counts]


def _find_keys(
    header: Sequence[str], name: str, engine: str | None, cycle: str | None
) -> tuple[str, str]:
    """Return the names of the engine and the cycle column, as in the header."""
    named = {key: own for key, own in ((ENGINE, engine), (CYCLE, cycle)) if own is not None}
    try:
        found = find_columns(header, ColumnRequest(key_columns=named), name)
    except DataError as error:
        hint = "; name the columns of engine and cycle with --engine and --cycle"
        # for two columns with the same meaning, the error already contains advice
        raise UsageError(f"{error}{'' if ', or choose with' in str(error) else hint}") from error
    return header[found[ENGINE]].strip(), header[found[CYCLE]].strip()


def _candidates(
    header: Sequence[str], is_numeric: Sequence[bool], keys: set[str]
) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the numeric columns with usable names, and the other columns with the reason."""
    columns: list[str] = []
    left_out: list[tuple[str, str]] = []
    names = [name.strip() for name in header]
    for name, numeric in zip(names, is_numeric, strict=True):
        if name in keys:
            continue
        if not name or len(name) > _MAX_NAME_LENGTH or name in (ENGINE, CYCLE):
            left_out.append((name[:_MAX_NAME_LENGTH], "its name cannot be used; rename it"))
        elif names.count(name) > 1:
            left_out.append((name, "occurs more than once in the header; rename it"))
        elif (base := name.rpartition(".")) and base[0] in names and base[2].isdecimal():
            left_out.append((name, f"seems to be a second column '{base[0]}', renamed by pandas"))
        elif not numeric:
            left_out.append((name, "has values other than numbers"))
        else:
            columns.append(name)
    return columns, left_out


def _reason_to_leave_out(column: str, values: NDArray[np.float64], fleet: Fleet) -> str:
    """Return why a numeric column is not an input; empty if it is."""
    if values.min() == values.max():
        return f"is always {values[0]:.6g}"
    if is_label_name(column) or _counts_down(values, fleet):
        return "seems to be the label, which would leave nothing to learn"
    if reason := describe_label(values, fleet):
        return f"is a label: {reason}"
    return describe_index(values, fleet)


def _counts_down(values: NDArray[np.float64], fleet: Fleet) -> bool:
    """Whether a column decreases by 1 or 0 per cycle, to the same last value in all engines."""
    # without the steps between engines
    step = np.delete(np.diff(values), fleet.last_rows[:-1])
    last = values[fleet.last_rows]
    return bool(len(step) and np.isin(step, (0, -1)).all() and (last == last[0]).all())


def _is_setting(column: str) -> bool:
    first_word = re.split(r"[\s_-]", column)[0]  # 'altitude ft'
    names = {resolve_alias(column), resolve_alias(first_word)}
    return bool(names & {*SETTINGS}) or "setting" in column.lower()


def _switches_others(column: str, others: Sequence[str], fleet: Fleet) -> bool:
    """Whether another sensor jumps whenever a column changes its level.

    This is typical of a setting, such as the speed of a two-speed machine. An alarm switches once,
    near the failure; an attribute of an engine never changes. Differences between consecutive
    rows are used, because they exclude wear.
    """
    values = fleet.column_values([column])[:, 0]
    _, level = np.unique(np.round(values, _grid_decimals(values)), return_inverse=True)
    inside = np.delete(np.arange(1, fleet.rows), fleet.last_rows[:-1])  # not from engine to engine
    if (level[inside] != level[inside - 1]).sum() < _MIN_CHANGES * len(fleet.starts):
        return False
    _, kind = np.unique(level[inside - 1] * (level.max() + 1) + level[inside], return_inverse=True)
    for other in fleet.column_values(others).T:
        step = other[inside] - other[inside - 1]
        within = step - (np.bincount(kind, step) / np.bincount(kind))[kind]
        # 1 − η²: the share of the steps' variance within the kinds of level changes
        if (within**2).sum() < (1 - _EXPLAINED) * ((step - step.mean()) ** 2).sum():
            return True
    return False


def _grid(settings: NDArray[np.float64]) -> tuple[list[int], int]:
    """Return decimals that round settings to few combinations, and the number of those."""
    if not settings.shape[1]:
        return [], 1
    decimals = [_grid_decimals(column) for column in settings.T]
    rounded = [np.round(c, places) for c, places in zip(settings.T, decimals, strict=True)]
    count = len(np.unique(np.stack(rounded, axis=1) + 0.0, axis=0))
    return (decimals, count) if count <= MAX_CONDITIONS else ([], count)


def _grid_decimals(values: NDArray[np.float64]) -> int:
    """Return decimals that round values to few levels, or to one if they are continuous."""
    # at most nine decimals are allowed; the maximum avoids the logarithm of 0
    finest = round(-np.log10(max(np.ptp(values) / MAX_CONDITIONS, 1e-9)))
    for places in range(max(finest, -9), -9, -1):
        rounded = np.round(values, places)
        close = np.abs(values - rounded).max() <= _GRID_TOLERANCE * 10.0**-places
        if close and len(np.unique(rounded)) <= _MAX_LEVELS:
            return places
    return -9
