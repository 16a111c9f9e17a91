"""Records that end before the failure, with their RUL: what a trained network is tested on.

C-MAPSS has files of them, and a user may have; else whole engines of the user's training file
are set aside, and each is cut once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.labels import truncated_rul
from cmapss_rul.data.reader import read_fleet, read_rul
from cmapss_rul.data.records import Records, read_file, read_records
from cmapss_rul.data.sources import ensure_files
from cmapss_rul.data.split import SplitConfig
from cmapss_rul.data.trainset import read_train_records
from cmapss_rul.data.verification import Provenance, provenance
from cmapss_rul.display.text import printable
from cmapss_rul.system.errors import DataError

_LONGEST_RUL = 10**9


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """Engines to test on, and where they come from.

    Attributes:
        fleet: the records, cut before the failure.
        rul: [engine], true RUL at each record's last row, cycles; None where none was asked for.
        names: what the file calls engines 1, 2, … of the fleet's numbers.
        sources: the files that were read.
        held_out: [engine], numbers of the engines that were set aside in the training file;
            empty where they come from a file of their own.
    """

    fleet: Fleet
    rul: NDArray[np.int64] | None
    names: list[int] | list[str]
    sources: list[Provenance]
    held_out: NDArray[np.int64]

    @property
    def engine_of_rows(self) -> NDArray[np.int64] | NDArray[np.str_]:
        """[row], what the file calls each row's engine."""
        if isinstance(self.names[0], int):
            return np.array(self.names, dtype=np.int64)[self.fleet.engine - 1]
        return np.array(self.names, dtype=np.str_)[self.fleet.engine - 1]


def read_test_set(
    config: DataConfig, split: SplitConfig, *, labels: bool = True, progress: bool = True
) -> EvaluationSet:
    """Read the engines that a network of this configuration is tested on.

    Args:
        config: which files.
        split: how engines are set aside where a user has no test file.
        labels: whether the RUL is asked for, too; else a RUL file is not opened.
        progress: whether a download shows how far it is, on stderr.

    Raises:
        DataError: a file is not to be had, or is not as it should be.
    """
    if config.own and config.test is None:
        return _held_out(config, split)
    wants_file = labels and (not config.own or config.rul_file is not None)
    paths = ensure_files(config, ("test", "RUL") if wants_file else ("test",), progress=progress)
    if config.own:
        records = read_records(
            read_file(paths["test"]),
            str(paths["test"]),
            config,
            extra=config.rul_column if labels else None,
        )
        fleet, names = records.fleet, records.names
    else:
        fleet = read_fleet(paths["test"])
        names = [int(number) for number in fleet.engines]
    rul = None
    if wants_file:
        rul = read_rul(paths["RUL"], len(fleet.starts))
    elif labels:
        rul = _rul_of_column(records, str(paths["test"]), config.rul_column)
    sources = [provenance(path) for path in paths.values()]
    return EvaluationSet(fleet, rul, names, sources, np.zeros(0, dtype=np.int64))


def _held_out(config: DataConfig, split: SplitConfig) -> EvaluationSet:
    """The engines of the training file that no training has seen, each cut once."""
    path = ensure_files(config, ["train"])["train"]
    source = provenance(path)
    records = read_train_records(config, path, source.sha256)
    _, aside = split.hold_out_test(records.fleet.engines)
    if not len(aside):
        raise DataError(
            f"{printable(path)}: no engine was set aside to test on, because split.test is 0; "
            "name a file of test records as data.test, or train anew with split.test above 0"
        )
    whole = records.fleet.select_engines(aside)
    lengths = split.draw_cutoffs(whole.lengths, config.window)
    return EvaluationSet(
        whole.truncate(lengths), whole.lengths - lengths, records.names, [source], aside
    )


def _rul_of_column(records: Records, name: str, column: str | None) -> NDArray[np.int64]:
    """[engine], RUL at the last row, from a column that agrees with it in the other rows.

    A row may tell the RUL of its own cycle, capped or not, or that of the engine's last one.
    """
    fleet, told = records.fleet, records.extra
    assert told is not None
    rul = told[fleet.starts + fleet.lengths - 1]
    whole: NDArray[np.int64] = np.clip(np.floor(rul), 0, _LONGEST_RUL).astype(np.int64)
    least, most = np.repeat(whole, fleet.lengths), truncated_rul(fleet, whole)
    wrong = (told != np.floor(told)) | (told < least) | (told > most)
    rows = np.flatnonzero(wrong)
    if len(rows):
        row = rows[0]
        engine = printable(records.names[fleet.engine[row] - 1])
        raise DataError(
            f"{printable(name)}: found {told[row]:.15g} in column {printable(column)} at cycle "
            f"{fleet.cycle[row]} of engine {engine}, expected a whole number of cycles, 0 or "
            "more, that fits the one at the end of its record"
        )
    return whole
