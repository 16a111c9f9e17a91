"""Error scales, late and early, by predicted RUL: they normalise the nonconformity scores."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.intervals.conformal import engine_weights

Form = Literal["normalised", "bins"]
FORMS: tuple[Form, ...] = ("normalised", "bins")

SCALE_BINS = 8
"""Bins of the predicted RUL, of equal weight; *measured*: chosen on validation engines."""

_LEAST = 1.0
"""Lower bound of a scale, cycles: labels are whole cycles."""


class ErrorScales(NamedTuple):
    """Scales of predictions, one for each side of the interval.

    Attributes:
        late: [cycle], typical error above the truth, cycles, positive.
        early: [cycle], typical error below the truth, cycles, positive.
    """

    late: NDArray[np.float64]
    early: NDArray[np.float64]

    def scores(
        self, predicted: NDArray[np.float64], true: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Nonconformity score [cycle]: the error divided by the scale of its side."""
        return np.maximum((predicted - true) / self.late, (true - predicted) / self.early)

    def bounds(
        self, predicted: NDArray[np.float64], bound: float | NDArray[np.float64], cap: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper bounds [cycle] of the values in [0, cap] with a score up to `bound`.

        `bound` is a number, or [cycle].
        """
        # the truth is below a late prediction, so the late scale determines the lower bound
        lower = np.clip(predicted - bound * self.late, 0, cap)
        return lower, np.clip(predicted + bound * self.early, 0, cap)


@dataclass(frozen=True, eq=False)
class ScaleCurve:
    """Piecewise-linear error scales over the predicted RUL, constant beyond the outer knots.

    Two knots at the same RUL make a step.

    Attributes:
        knots: [knot], predicted RUL, ascending, cycles.
        late: [knot], typical error above the truth, cycles, positive.
        early: [knot], typical error below the truth, cycles, positive.

    >>> step = ScaleCurve(np.array([50.0, 50.0]), np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    >>> step.at(np.array([49.0, 50.0])).late.tolist()
    [1.0, 3.0]
    """

    knots: NDArray[np.float64]
    late: NDArray[np.float64]
    early: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        predicted: NDArray[np.float64],
        true: NDArray[np.float64],
        engine: NDArray[np.int64],
        form: Form,
    ) -> "ScaleCurve":
        """Fit the scales in bins of the predicted RUL; all engines weigh the same.

        The late scale of a bin is the root mean square of max(predicted − true, 0) over all its
        cycles, the early one that of max(true − predicted, 0); both are at least one cycle.

        Args:
            predicted: [cycle], cycles.
            true: [cycle], capped, cycles.
            engine: [cycle], a number for each engine.
            form: 'bins' is constant within a bin; 'normalised' is linear between the bins' mean
                predictions.
        """
        weight = engine_weights(engine)
        order = np.argsort(predicted, kind="stable")
        reached = np.searchsorted(
            np.cumsum(weight[order]), np.arange(1, SCALE_BINS) / SCALE_BINS, side="right"
        )
        # unique: many predictions are at the cap, where several edges coincide
        edges = np.unique(predicted[order][np.minimum(reached, len(order) - 1)])
        _, part = np.unique(np.searchsorted(edges, predicted, side="right"), return_inverse=True)
        total = np.bincount(part, weight)

        def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(np.bincount(part, weight * values) / total)

        # *measured*: root mean squares give lower interval scores below the cap than means do, and
        # separate scales than a common one, because late and early errors differ in size
        error = predicted - true
        late = np.maximum(np.sqrt(mean(np.maximum(error, 0) ** 2)), _LEAST)
        early = np.maximum(np.sqrt(mean(np.maximum(-error, 0) ** 2)), _LEAST)
        if form == "normalised":
            return cls(np.maximum.accumulate(mean(predicted)), late, early)
        begin = np.full(len(total), np.inf)
        np.minimum.at(begin, part, predicted)
        if len(total) == 1:
            return cls(begin, late, early)
        # two knots where a bin begins: the value before the step and the one after it
        return cls(np.repeat(begin[1:], 2), np.repeat(late, 2)[1:-1], np.repeat(early, 2)[1:-1])

    def at(self, predicted: NDArray[np.float64]) -> ErrorScales:
        """Scales of predictions [cycle]."""
        right = np.searchsorted(self.knots, predicted, side="right")
        left, right = np.maximum(right - 1, 0), np.minimum(right, len(self.knots) - 1)
        # at a step the gap is 0; the value after the step holds at the knot itself
        gap = self.knots[right] - self.knots[left]
        fraction = np.where(
            gap > 0, (predicted - self.knots[left]) / np.where(gap > 0, gap, 1.0), 0.0
        )
        return ErrorScales(
            *(
                values[left] + fraction * (values[right] - values[left])
                for values in (self.late, self.early)
            )
        )
