"""Predictions of a trained network for a fleet, and the true labels."""

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
    """Predictions for some windows, one entry each.

    Attributes:
        engine: [window], number of the engine, or the name that the user's own file gives it.
        cycle: [window], the cycle at which the window ends.
        rul: [window], cycles, clamped to [0, cap]; every metric is computed from it.
        unclamped: [window], cycles, the network's output.
        health: [window], the most probable class.
        probabilities: [window, class].
        padded: [window], whether the record was shorter than the window up to there.
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
    """True labels of some windows, each at the window's last cycle.

    Attributes:
        raw: [window], RUL, cycles.
        capped: [window], RUL, at most the cap, cycles.
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
    """Predict at every cycle of every engine, or at some of them.

    Input --> scaling, smoothing, cycle count --> windows --> network --> clamp to [0, cap].
    The prediction for an engine as it is now is the one at its last row.

    Args:
        model: runs on the device that its network is on.
        fleet: raw records, each from its first cycle on.
        rows: [window], the rows at which the windows end; all of them by default.
        names: of engines 1, 2, …, for error messages; their numbers by default.

    Returns:
        One prediction a window, in the order of the rows.

    Raises:
        RulError: a prediction is not a finite number.
    """
    # whole records even for a few windows: smoothing depends on all rows before
    series = torch.from_numpy(model.preprocessor.transform(fleet))
    rows = np.arange(fleet.rows) if rows is None else rows
    windows = Windows.ending_at(series, fleet, rows, model.config.data.window)
    rul, unclamped, probabilities = model.predict(windows)
    engine, cycle = fleet.engine[rows], fleet.cycle[rows]
    bad = np.flatnonzero(~(np.isfinite(unclamped) & np.isfinite(probabilities).all(axis=1)))
    if len(bad):  # the clamp would hide an infinite RUL, and a mean the engine that has it
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
        health=probabilities.argmax(axis=1),  # of equal ones the healthier class
        probabilities=probabilities,
        padded=windows.padded.numpy(),
    )


def label_fleet(config: RunConfig, fleet: Fleet, rul: Times) -> Truth:
    """Label every cycle of a fleet whose records end before the failure.

    `rul`, [engine], is the true RUL at the last row of each engine, cycles.

    Returns:
        One label of each kind a row of the fleet, in its order.
    """
    raw = truncated_rul(fleet, rul)
    low = cap_rul(raw, config.data.cap)
    # classes of the capped RUL, as in training: a boundary may be the cap itself
    return Truth(raw, low, health_classes(low, config.loss.health.boundaries, config.data.cap))
