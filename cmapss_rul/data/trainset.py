"""The training set: from training files to labelled windows.

training file → records → split by engine → capped RUL and health class of each row
→ conditions and scaling, fitted on training engines → windows
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cmapss_rul.data.cache import read_cached_train
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.labels import cap_rul, health_classes, run_to_failure_rul
from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.data.records import Records, read_file, read_records
from cmapss_rul.data.split import Partition, SplitConfig
from cmapss_rul.data.windows import LabelledWindows, Windows
from cmapss_rul.system.errors import DataError


def read_train_records(config: DataConfig, file: Path, sha256: str) -> Records:
    """Read a training file with this digest; each record is assumed to end with the failure.

    A user's own file is not cached: it may contain the engines held out as test set.

    Raises:
        DataError: the file is invalid.
    """
    if not config.own:
        fleet = read_cached_train(file, sha256)
        no_gaps = np.zeros(fleet.rows, dtype=np.int64)
        return Records(fleet, fleet.engines.tolist(), no_gaps, has_condition_columns=True)
    records = read_records(read_file(file), str(file), config)
    short = np.flatnonzero(records.fleet.lengths < 2)
    if len(short):
        raise DataError(
            f"{file}: found a single cycle of engine {records.names[short[0]]}, expected its "
            "record until the failure; leave the engine out"
        )
    return records


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Everything that training uses of the training file, and of auxiliary ones.

    Attributes:
        training: windows at every cycle of the training engines (split by windows: those not
            drawn for validation), and then those of every engine of the auxiliary fleets.
        validation: windows at every cycle of the validation engines, or those drawn.
        calibration: windows at every cycle of the engines held out for the intervals; usually
            none.
        preprocessor: fitted on the training engines.
        engines: numbers of the engines in each part.
        mean_label: mean of the capped labels over every row of the file, cycles, whatever
            the split: the constant that a baseline without knowledge of the test set predicts.
        auxiliary: how many of the windows of training, the last ones, are of auxiliary fleets.
    """

    training: LabelledWindows
    validation: LabelledWindows
    calibration: LabelledWindows
    preprocessor: Preprocessor
    engines: Partition
    mean_label: float
    auxiliary: int = 0

    def to(self, device: torch.device) -> "TrainingData":
        """Return the windows on another device."""
        return replace(
            self,
            training=self.training.to(device),
            validation=self.validation.to(device),
            calibration=self.calibration.to(device),
        )


def prepare_training_data(
    fleet: Fleet,
    data: DataConfig,
    split: SplitConfig,
    boundaries: Sequence[int],
    seed: int,
    auxiliary: Sequence[Fleet] = (),
) -> TrainingData:
    """Split, scale and label a fleet that ran to failure.

    Auxiliary fleets add windows to the training ones. Each is scaled by the statistics of all
    its own engines, since none of them validates.

    Args:
        fleet: the records of the training file.
        data: columns, window and cap.
        split: how validation and calibration engines are drawn.
        boundaries: of the health classes, descending, cycles.
        seed: the run's seed, for a split without one of its own.
        auxiliary: records of other training files.

    Raises:
        DataError: there are too few engines, or too many operating conditions.
    """
    engines = split.split_engines(fleet.engines, seed)
    rows = split.split_rows(fleet, engines, seed)
    # scaling statistics of validation engines would leak into training
    preprocessor = Preprocessor.fit(fleet, data, engines.training)
    rul = cap_rul(run_to_failure_rul(fleet), data.cap)
    training, validation, calibration = _label(fleet, rul, preprocessor, data, boundaries, rows)
    sets = [training]
    for other in auxiliary:
        # of their own statistics: other subsets have other levels of the same sensors
        other_rul = cap_rul(run_to_failure_rul(other), data.cap)
        other_preprocessor, all_rows = Preprocessor.fit(other, data), np.arange(other.rows)
        sets += _label(other, other_rul, other_preprocessor, data, boundaries, [all_rows])
    return TrainingData(
        training=LabelledWindows.concatenate(sets),
        validation=validation,
        calibration=calibration,
        preprocessor=preprocessor,
        engines=engines,
        mean_label=float(rul.mean()),
        auxiliary=sum(other.rows for other in auxiliary),
    )


def _label(
    fleet: Fleet,
    rul: NDArray[np.int64],
    preprocessor: Preprocessor,
    data: DataConfig,
    boundaries: Sequence[int],
    parts: Sequence[NDArray[np.int64]],
) -> list[LabelledWindows]:
    """Windows and labels, of the capped RUL, at each part of a fleet's rows.

    All parts share one series. Rows are indexed in NumPy: the first index operation of a process
    in PyTorch takes longer than all the rest here.
    """
    series = torch.from_numpy(preprocessor.transform(fleet))
    labels, health = rul.astype(np.float32), health_classes(rul, boundaries, data.cap)
    return [
        LabelledWindows(
            Windows.ending_at(series, fleet, rows, data.window),
            torch.from_numpy(labels[rows]),
            torch.from_numpy(health[rows]),
        )
        for rows in parts
    ]
