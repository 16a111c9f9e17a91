"""Predictions of a trained model for a fleet, and true labels."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Fleet, Times
from cmapss_rul.data.labels import cap_rul, health_classes, truncated_rul
from cmapss_rul.data.windows import Windows
from cmapss_rul.system.errors import RulError
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.trained_model import TrainedModel


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions of windows.

    Attributes:
        engine: [window], number of the engine, or its name in the user's file.
        cycle: [window], the cycle at which the window ends.
        rul: [window], cycles, clamped to [0, cap]; every metric is computed from it.
        unclamped: [window], raw output of the network, cycles.
        health: [window], the most probable class.
        probabilities: [window, class].
        padded: [window], whether the window has repeated rows at the front.
    """

    engine: NDArray[np.int64] | NDArray[np.str_]
    cycle: Times
    rul: NDArray[np.float64]
    unclamped: NDArray[np.float64]
    health: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    padded: NDArray[np.bool_]

    def at(self, rows: NDArray[np.int64]) -> "Predictions":
        """Select some of the windows."""
        return Predictions(**{name: array[rows] for name, array in vars(self).items()})


@dataclass(frozen=True, eq=False)
class Truth:
    """True labels of windows, at their last cycle.

    Attributes:
        raw: [window], RUL, cycles.
        capped: [window], capped RUL, cycles.
        health: [window], class of the capped RUL.
    """

    raw: Times
    capped: Times
    health: NDArray[np.int64]

    def at(self, rows: NDArray[np.int64]) -> "Truth":
        """Select some of the windows."""
        return Truth(self.raw[rows], self.capped[rows], self.health[rows])


def predict_fleet(
    model: TrainedModel,
    fleet: Fleet,
    rows: NDArray[np.int64] | None = None,
    names: Sequence[object] | None = None,
) -> Predictions:
    """Predict at every cycle of every engine, or at chosen rows.

    raw rows --> scaling, smoothing, cycle count --> windows --> network --> clamp to [0, cap]

    Args:
        model: runs on the device of its network.
        fleet: raw records, each from its first cycle on.
        rows: [window], rows at which the windows end; by default all rows.
        names: names of engines 1, 2, … in error messages; by default their numbers.

    Returns:
        One prediction per window, in the order of the rows.

    Raises:
        RulError: a prediction is not finite.
    """
    # transform whole records even for few windows, since smoothing depends on all earlier rows
    series = torch.from_numpy(model.preprocessor.transform(fleet))
    rows = np.arange(fleet.rows) if rows is None else rows
    windows = Windows.ending_at(series, fleet, rows, model.config.data.window)
    rul, unclamped, probabilities = model.predict(windows)
    engine, cycle = fleet.engine[rows], fleet.cycle[rows]
    bad = np.flatnonzero(~(np.isfinite(unclamped) & np.isfinite(probabilities).all(axis=1)))
    if len(bad):  # the clamped RUL would hide an infinite value
        number = engine[bad[0]]
        raise RulError(
            f"the network's prediction for engine {number if names is None else names[number - 1]},"
            f" cycle {cycle[bad[0]]} is not a finite number ({len(bad)} of "
            f"{len(rows)} are not); expected finite weights and plausible data: use an earlier "
            "checkpoint, or check the data file"
        )
    return Predictions(
        engine=engine,
        cycle=cycle,
        rul=rul,
        unclamped=unclamped,
        health=probabilities.argmax(axis=1),  # of ties, the healthier class
        probabilities=probabilities,
        padded=windows.padded.numpy(),
    )


def label_fleet(config: RunConfig, fleet: Fleet, rul: Times) -> Truth:
    """Label every cycle of truncated records.

    `rul` [engine] is the true RUL at the last row of each engine, cycles.
    """
    raw = truncated_rul(fleet, rul)
    low = cap_rul(raw, config.data.cap)
    # classes of the capped RUL, as in training, since a boundary may equal the cap
    return Truth(raw, low, health_classes(low, config.loss.health.boundaries, config.data.cap))
