"""The test set: test records or held-out engines, with their true RUL."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import ENGINE, is_label_name, resolve_alias
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fleet import Fleet, Times
from cmapss_rul.data.flights import flight_provenance, read_flights
from cmapss_rul.data.labels import truncated_rul
from cmapss_rul.data.reader import MAX_RUL, parse_rul, read_fleet, read_rul
from cmapss_rul.data.records import Records, read_file, read_records
from cmapss_rul.data.sources import ensure_files
from cmapss_rul.data.split import SplitConfig
from cmapss_rul.data.table_text import NumberedRow, is_number, split_rows
from cmapss_rul.data.trainset import read_train_records
from cmapss_rul.data.verification import Provenance, provenance
from cmapss_rul.system.errors import DataError


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """Test records, their true RUL, and their provenance.

    Attributes:
        rul: [engine], true RUL at each record's last row, cycles; None if not requested.
        names: [engine], names in the file of engines 1, 2, … of the fleet.
        held_out: [engine], numbers of the engines held out from the training file; empty for a
            separate test file.
        whole: run-to-failure records of the held-out engines, not truncated; None for a separate
            test file.
        censored: records of held-out engines that have not failed, if there are any.
    """

    fleet: Fleet
    rul: Times | None
    names: list[int] | list[str]
    sources: list[Provenance]
    held_out: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    whole: Fleet | None = None
    censored: Fleet | None = None

    @property
    def engine_of_rows(self) -> NDArray[np.int64] | NDArray[np.str_]:
        """Name of each row's engine in the file, [row]."""
        if isinstance(self.names[0], int):
            return np.array(self.names, dtype=np.int64)[self.fleet.engine - 1]
        return np.array(self.names, dtype=np.str_)[self.fleet.engine - 1]


def read_test_set(
    config: DataConfig, split: SplitConfig, *, labels: bool = True, progress: bool = True
) -> EvaluationSet:
    """Read the test set of a configuration.

    Without `labels`, no RUL file is opened.

    Raises:
        DataError: a file is invalid, or missing and cannot be fetched.
    """
    if config.own and config.test is None:
        return _held_out_engines(config, split)
    if config.flights is not None:
        path = ensure_files(config, ["test"])["test"]
        flights = read_flights(
            path, "test", virtual=config.virtual_sensors, stride=config.stride, labels=labels
        )
        return EvaluationSet(
            flights.records.fleet,
            flights.rul if labels else None,
            flights.records.names,
            [flight_provenance(path)],
        )
    # without labels, no RUL file is opened, so that none can leak into a prediction
    has_rul_file = labels and (not config.own or config.rul_file is not None)
    paths = ensure_files(config, ("test", "RUL") if has_rul_file else ("test",), progress=progress)
    test, rul = paths["test"], None
    if config.own:
        column = config.rul_column if labels else None
        records = read_records(read_file(test), str(test), config, extra=column)
        fleet, names = records.fleet, records.names
        if has_rul_file:
            whole = config.counts_cycles
            rul = read_own_rul(paths["RUL"], names, config.engine, whole=whole)
        elif labels:
            rul = _rul_of_column(records, str(test), config)
    else:
        fleet = read_fleet(test)
        names = fleet.engines.tolist()
        rul = read_rul(paths["RUL"], len(fleet.starts)) if labels else None
    return EvaluationSet(fleet, rul, names, [provenance(path) for path in paths.values()])


def _held_out_engines(config: DataConfig, split: SplitConfig) -> EvaluationSet:
    """Return the engines held out from the training file, with failed ones truncated at random.

    Censored engines are kept separate, because their RUL is unknown.
    """
    path = ensure_files(config, ["train"])["train"]
    records, source = read_train_records(config, path)
    fleet = records.fleet
    _, held_out = split.hold_out_test(fleet.failed, fleet.censored)
    if not len(held_out):
        raise DataError(
            f"{path}: no engine was held out to test on, because split.test is 0; name a file of "
            "test records as data.test, or train again with split.test above 0"
        )
    # as in C-MAPSS's test files, records end at some cycle before the failure
    whole = fleet.select_engines(np.setdiff1d(held_out, fleet.censored))
    lengths = split.draw_cutoffs(whole.lengths, config.window)
    cut = whole.truncate(lengths)
    rul = whole.cycle[whole.last_rows] - cut.cycle[cut.last_rows]
    aside = np.intersect1d(held_out, fleet.censored)
    return EvaluationSet(
        cut,
        rul,
        records.names,
        [source],
        held_out,
        whole=whole,
        censored=fleet.select_engines(aside) if len(aside) else None,
    )


def _rul_of_column(records: Records, name: str, config: DataConfig) -> Times:
    """Return the RUL at each engine's last row, [engine], from a column of the test file.

    The other rows must be consistent with it: a row may state the RUL at its own cycle, capped or
    not, or the RUL at the engine's last cycle.
    """
    fleet, stated = records.fleet, records.extra
    assert stated is not None
    last = stated[fleet.last_rows]
    # clipped for now; invalid values are refused below
    rul: Times = np.clip(last, 0, MAX_RUL)
    whole = np.floor(stated) if config.counts_cycles else stated
    if config.counts_cycles:
        rul = np.floor(rul).astype(np.int64)
    # valid are values from the RUL at the last cycle up to the RUL at the row's own cycle
    low, high = np.repeat(rul, fleet.lengths), truncated_rul(fleet, rul)
    slack = 1e-9 * (1 + high)  # differences of decimal times are rounded
    wrong = np.flatnonzero((stated != whole) | (stated < low - slack) | (stated > high + slack))
    if len(wrong):
        row = wrong[0]
        raise DataError(
            f"{name}: found {stated[row]:.15g} in column {config.rul_column} at "
            f"{config.unit.removesuffix('s')} {fleet.cycle[row]:.15g} of engine "
            f"{records.name_at(row)}, expected a {'whole ' if config.counts_cycles else ''}number "
            f"of {config.unit}, 0 or more, that agrees with the one at the end of its record"
        )
    return rul


_TABLE = "give the RUL file two columns, the engine's name and its RUL"


def read_own_rul(
    path: Path, names: Sequence[int] | Sequence[str], engine: str | None, *, whole: bool = True
) -> Times:
    """Read a user's RUL file: [engine], in the order of the names.

    A file without names must be in the order of the test file, whose engines must then ascend: a
    table sorted as text (1, 10, 2) would mix up the engines.

    Args:
        path: the file, text with or without a header.
        names: names of the engines, in the order of the test file.
        engine: name of the engine column; None for its aliases.
        whole: whether RULs are whole numbers of cycles.

    Raises:
        DataError: one line with the position, what was found and what was expected.
    """
    name = str(path)
    content = read_file(path)
    rows = split_rows(content, name)
    header, values = rows[0][1], [row for _, row in rows[1:]]
    has_header = not any(map(is_number, header))
    # the header of a single column may contain spaces
    if len(header) > 1 and not (has_header and values and all(len(row) == 1 for row in values)):
        rul = _by_name(rows, name, [str(one) for one in names], engine, whole)
        return rul.astype(np.int64) if whole else rul
    _check_order(names, name)
    if not has_header:
        return parse_rul(io.BytesIO(content), name, len(names), whole=whole)
    if len(values) != len(names):
        raise DataError(
            f"{name}: found {len(values)} row(s) under the header, expected {len(names)}, one for "
            "each engine of the test file"
        )
    rul = np.array([_rul(row[0], f"{name}, line {line}", whole) for line, row in rows[1:]])
    return rul.astype(np.int64) if whole else rul


def _check_order(names: Sequence[int] | Sequence[str], table: str) -> None:
    keys = [[(int(part), "") if part.isdecimal() else (-1, part)
             for part in re.split(r"([0-9]+)", str(name))] for name in names]  # fmt: skip
    if isinstance(names[0], int):
        keys = [[(int(name), "")] for name in names]
    for i in range(1, len(names)):
        if not keys[i - 1] < keys[i]:
            raise DataError(
                f"{table}: found no names of engines, but engine {names[i]} follows "
                f"{names[i - 1]} in the test file, so the order of the RUL is not known for "
                f"certain; {_TABLE}, or sort the test file by engine"
            )


def _by_name(
    rows: Sequence[NumberedRow], table: str, names: Sequence[str], engine: str | None, whole: bool
) -> NDArray[np.float64]:
    (line, first), width = rows[0], len(rows[0][1])
    at, of = 0, 1
    if not is_number(first[-1]):
        at, of = _positions(first, f"{table}, line {line}", engine)
        rows = rows[1:]
    elif width != 2:
        raise DataError(f"{table}, line {line}: found {width} columns without a header; {_TABLE}")
    found: dict[str, float] = {}
    for line, row in rows:
        where = f"{table}, line {line}"
        if len(row) != width:
            raise DataError(f"{where}: found {len(row)} column(s), expected {width}")
        one = row[at].strip()
        if one in found or one not in names:
            known = "a second RUL" if one in found else "no such engine in the test file"
            raise DataError(f"{where}: found engine '{one[:24]}', {known}; expected each one once")
        found[one] = _rul(row[of], where, whole)
    missing = [one for one in names if one not in found]
    if missing:
        raise DataError(
            f"{table}: found no RUL of engine {missing[0]}"
            + (f" and {len(missing) - 1} more" if missing[1:] else "")
            + ", expected one for each engine of the test file"
        )
    return np.array([found[one] for one in names], dtype=np.float64)


def _positions(header: Sequence[str], where: str, engine: str | None) -> tuple[int, int]:
    """Return the positions of the engine column and the RUL column."""
    names = [name.strip() for name in header]
    engines = [i for i, name in enumerate(names) if name == engine]
    engines = engines or [i for i, name in enumerate(names) if resolve_alias(name) == ENGINE]
    labels = [i for i, name in enumerate(names) if is_label_name(name)]
    if len(names) == 2 and len(engines) + len(labels) == 1:
        # of two columns with one identified, the other one is known
        engines, labels = (engines or [1 - labels[0]]), (labels or [1 - engines[0]])
    if len(engines) != 1 or len(labels) != 1:
        shown = ", ".join(f"'{name[:24]}'" for name in names[:6])
        raise DataError(
            f"{where}: found the columns {shown}, expected one of engines and one of RUL, with a "
            f"header such as unit,RUL"
        )
    return engines[0], labels[0]


def _rul(cell: str, where: str, whole: bool) -> float:
    value = float(cell) if is_number(cell) else float("nan")
    if not 0 <= value <= MAX_RUL or (whole and value != int(value)):
        expected = "a whole number of cycles" if whole else "a number"
        raise DataError(
            f"{where}: found '{cell.strip()[:24]}', expected a RUL: {expected}, 0 or more"
        )
    return value
