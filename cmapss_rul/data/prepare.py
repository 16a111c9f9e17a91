"""Train files as windows and labels, ready to train on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.labels import capped, health_class, rul_to_failure
from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.data.split import Split, SplitConfig
from cmapss_rul.data.windows import Windows


class Batch(NamedTuple):
    """One batch of windows with their labels.

    Attributes:
        windows: [batch, window, feature].
        rul: [batch], capped, cycles.
        health: [batch], class.
    """

    windows: Tensor
    rul: Tensor
    health: Tensor


@dataclass(frozen=True, eq=False)
class LabelledWindows:
    """Windows with their labels.

    Attributes:
        windows: the inputs.
        rul: [window], capped, cycles, float32.
        health: [window], class, int64.
    """

    windows: Windows
    rul: Tensor
    health: Tensor

    def __len__(self) -> int:
        return len(self.windows)

    def batch(self, index: Tensor) -> Batch:
        """Copy some windows and their labels out of the set.

        Args:
            index: [batch], which windows.
        """
        return Batch(self.windows.gather(index), self.rul[index], self.health[index])

    @classmethod
    def joined(cls, parts: Sequence["LabelledWindows"]) -> "LabelledWindows":
        """All windows of several sets, one set after another.

        Args:
            parts: at least one, of windows of one length; one alone stays as it is.
        """
        if len(parts) == 1:
            return parts[0]
        return cls(
            Windows.joined([part.windows for part in parts]),
            torch.cat([part.rul for part in parts]),
            torch.cat([part.health for part in parts]),
        )

    def select(self, index: Tensor) -> "LabelledWindows":
        """Return a smaller set over the same series.

        Args:
            index: [window], which windows.
        """
        return LabelledWindows(self.windows.select(index), self.rul[index], self.health[index])

    def to(self, device: torch.device) -> "LabelledWindows":
        """Return the set on another device, the series and all."""
        return LabelledWindows(self.windows.to(device), self.rul.to(device), self.health.to(device))


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Everything that training takes from the train file, and from auxiliary ones.

    Attributes:
        training: windows at every cycle of the training engines; split by windows, those
            that were not drawn to validate; and then those of every engine of the auxiliary
            fleets.
        validation: windows at every cycle of the validation engines, or those drawn.
        calibration: windows at every cycle of the engines kept for the intervals; mostly none.
        preprocessor: fitted on the training engines.
        split: which engines are which.
        mean_label: mean of the capped labels over every row of the file, cycles, whatever
            the split: the constant that an honest baseline predicts.
        auxiliary: how many of the windows of training, its last ones, are of auxiliary fleets.
    """

    training: LabelledWindows
    validation: LabelledWindows
    calibration: LabelledWindows
    preprocessor: Preprocessor
    split: Split
    mean_label: float
    auxiliary: int = 0


def prepare(
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
        fleet: the records of the train file.
        data: columns, window and cap.
        split: how validation and calibration engines are drawn.
        boundaries: of the health classes, falling, cycles.
        seed: the run's seed, for a split without one of its own.
        auxiliary: records of other train files.

    Raises:
        DataError: when there are too few engines, or too many operating conditions.
    """
    parts = split.draw(fleet.engines, seed)
    rows = split.rows(fleet, parts, seed)
    preprocessor = Preprocessor.fit(fleet, data, parts.training)
    rul = capped(rul_to_failure(fleet), data.cap)
    training, validation, calibration = _labelled(fleet, rul, preprocessor, data, boundaries, rows)
    sets = [training]
    for other in auxiliary:
        theirs, every = capped(rul_to_failure(other), data.cap), [np.arange(other.rows)]
        sets += _labelled(other, theirs, Preprocessor.fit(other, data), data, boundaries, every)
    return TrainingData(
        training=LabelledWindows.joined(sets),
        validation=validation,
        calibration=calibration,
        preprocessor=preprocessor,
        split=parts,
        mean_label=float(rul.mean()),
        auxiliary=sum(other.rows for other in auxiliary),
    )


def _labelled(
    fleet: Fleet,
    rul: NDArray[np.int64],
    preprocessor: Preprocessor,
    data: DataConfig,
    boundaries: Sequence[int],
    parts: Sequence[NDArray[np.int64]],
) -> list[LabelledWindows]:
    """Windows and labels, of the capped RUL, at each part of a fleet's rows.

    All parts share one series. Rows are picked by NumPy: the first index operation of a process
    in PyTorch costs more than the rest of this together.
    """
    series = torch.from_numpy(preprocessor.transform(fleet))
    labels, health = rul.astype(np.float32), health_class(rul, boundaries, data.cap)
    return [
        LabelledWindows(
            Windows.ending_at(series, fleet, rows, data.window),
            torch.from_numpy(labels[rows]),
            torch.from_numpy(health[rows]),
        )
        for rows in parts
    ]
