"""The test set: records that end before the failure, with their true RUL.

C-MAPSS has files of them, and a user may have one. Otherwise whole engines of the user's
training file are held out, and the record of each is truncated once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fleet import Fleet, Times
from cmapss_rul.data.flights import flight_provenance, read_flights
from cmapss_rul.data.labels import truncated_rul
from cmapss_rul.data.reader import MAX_RUL, read_fleet, read_rul
from cmapss_rul.data.records import Records, read_file, read_records
from cmapss_rul.data.rul_table import read_own_rul
from cmapss_rul.data.sources import ensure_files
from cmapss_rul.data.split import SplitConfig
from cmapss_rul.data.trainset import read_train_records
from cmapss_rul.data.verification import Provenance, provenance
from cmapss_rul.system.errors import DataError


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """Engines to test on, and where they come from.

    Attributes:
        rul: [engine], true RUL at each record's last row, cycles; None where not requested.
        names: [engine], names in the file, of engines 1, 2, … of the fleet.
        held_out: [engine], numbers of the engines held out from the training file; empty where
            they come from a file of their own.
        whole: the records of those that failed, not truncated; None for a file of their own.
        censored: the records of those that have not failed, if there are any.
    """

    fleet: Fleet
    rul: Times | None
    names: list[int] | list[str]
    sources: list[Provenance]
    held_out: NDArray[np.int64]
    whole: Fleet | None = None
    censored: Fleet | None = None

    @property
    def engine_of_rows(self) -> NDArray[np.int64] | NDArray[np.str_]:
        """[row], name of each row's engine in the file."""
        if isinstance(self.names[0], int):
            return np.array(self.names, dtype=np.int64)[self.fleet.engine - 1]
        return np.array(self.names, dtype=np.str_)[self.fleet.engine - 1]


def read_test_set(
    config: DataConfig, split: SplitConfig, *, labels: bool = True, progress: bool = True
) -> EvaluationSet:
    """Read the engines that a network of this configuration is tested on.

    Without `labels` no RUL file is opened.

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
            np.zeros(0, dtype=np.int64),
        )
    # without labels no RUL file is opened, so that nothing of it can enter a prediction
    has_rul_file = labels and (not config.own or config.rul_file is not None)
    paths = ensure_files(config, ("test", "RUL") if has_rul_file else ("test",), progress=progress)
    records = None
    if config.own:
        column = config.rul_column if labels else None
        content, name = read_file(paths["test"]), str(paths["test"])
        records = read_records(content, name, config, extra=column)
    fleet = read_fleet(paths["test"]) if records is None else records.fleet
    names = fleet.engines.tolist() if records is None else records.names
    rul = None
    if has_rul_file:
        whole = config.counts_cycles
        rul = (
            read_rul(paths["RUL"], len(fleet.starts))
            if records is None
            else read_own_rul(paths["RUL"], records.names, config.engine, whole=whole)
        )
    elif labels and records is not None:
        rul = _rul_of_column(records, str(paths["test"]), config)
    sources = [provenance(path) for path in paths.values()]
    return EvaluationSet(fleet, rul, names, sources, np.zeros(0, dtype=np.int64))


def _held_out_engines(config: DataConfig, split: SplitConfig) -> EvaluationSet:
    """The engines of the training file held out from training; those that failed, truncated once.

    The RUL of a censored one is unknown, so it is in none of the usual metrics.
    """
    path = ensure_files(config, ["train"])["train"]
    records, source = read_train_records(config, path)
    fleet = records.fleet
    _, held_out = split.hold_out_test(fleet.failed, fleet.censored)
    if not len(held_out):
        raise DataError(
            f"{path}: no engine was held out to test on, because split.test is 0; name a file of "
            "test records as data.test, or train anew with split.test above 0"
        )
    # as in C-MAPSS's test files, a record ends somewhere before the failure
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
    """[engine], RUL at the last row, from a column that agrees with it in the other rows.

    A row may state the RUL at its own cycle, capped or not, or that at the engine's last one.
    """
    fleet, stated = records.fleet, records.extra
    assert stated is not None
    last = stated[fleet.last_rows]
    # made valid for now; a negative or broken value is refused below
    rul: Times = np.clip(last, 0, MAX_RUL)
    whole = np.floor(stated) if config.counts_cycles else stated
    if config.counts_cycles:
        rul = np.floor(rul).astype(np.int64)
    # a row may have any value from the engine's last one up to the RUL at its own cycle
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
