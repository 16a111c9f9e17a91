"""How far predictions are usually off, too late and too early, at each predicted RUL."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.intervals.conformal import engine_weights

Form = Literal["normalised", "bins"]
FORMS: tuple[Form, ...] = ("normalised", "bins")

PARTS = 8
"""Parts of the predicted RUL, of equal weight."""

_LEAST = 1.0
"""Labels are whole cycles, so no error is usually smaller than one."""


class ErrorScales(NamedTuple):
    """The scales of some predictions, one for each side of the interval.

    Attributes:
        late: [cycle], how far such predictions usually are above the truth, cycles, over 0.
        early: [cycle], how far below, cycles, over 0.
    """

    late: NDArray[np.float64]
    early: NDArray[np.float64]

    def scores(
        self, predicted: NDArray[np.float64], true: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """The larger of the late and of the early error in units of its scale, [cycle]."""
        return np.maximum((predicted - true) / self.late, (true - predicted) / self.early)

    def bounds(
        self, predicted: NDArray[np.float64], bound: float, cap: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Between which ends, [cycle] each, the score of a truth in [0, cap] keeps to a bound."""
        lower = np.clip(predicted - bound * self.late, 0, cap)
        return lower, np.clip(predicted + bound * self.early, 0, cap)


@dataclass(frozen=True, eq=False)
class ScaleCurve:
    """Usual errors over the predicted RUL: straight lines between knots, level beyond them.

    Two knots at the same place make a step.

    Attributes:
        knots: [knot], predicted RUL, not falling, cycles.
        late: [knot], how far predictions there are usually above the truth, cycles, over 0.
        early: [knot], how far below, cycles, over 0.

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
        """Average the errors in parts of the predicted RUL; each engine weighs the same.

        The late scale of a part is the root of the mean of max(predicted − true, 0)² over all
        its cycles, the early one that of max(true − predicted, 0)²; neither is less than one
        cycle.

        Args:
            predicted: [cycle], cycles.
            true: [cycle], capped, cycles.
            engine: [cycle], a number for each engine.
            form: 'bins' keeps the scale of a part throughout it; 'normalised' draws straight
                lines between the parts' mean predictions.
        """
        share, _ = engine_weights(engine)
        order = np.argsort(predicted, kind="stable")
        weights = np.cumsum(share[order])
        reached = np.searchsorted(weights, np.arange(1, PARTS) / PARTS, side="right")
        edges = np.unique(predicted[order][np.minimum(reached, len(order) - 1)])
        _, part = np.unique(np.searchsorted(edges, predicted, side="right"), return_inverse=True)
        weight = np.bincount(part, share)

        def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.asarray(np.bincount(part, share * values) / weight)

        error = predicted - true
        late = np.maximum(np.sqrt(mean(np.maximum(error, 0) ** 2)), _LEAST)
        early = np.maximum(np.sqrt(mean(np.maximum(-error, 0) ** 2)), _LEAST)
        if form == "normalised":
            return cls(np.maximum.accumulate(mean(predicted)), late, early)
        begin = np.full(len(weight), np.inf)
        np.minimum.at(begin, part, predicted)
        if len(weight) == 1:
            return cls(begin, late, early)
        # a step where a part begins: the value before it and the one after it
        return cls(np.repeat(begin[1:], 2), np.repeat(late, 2)[1:-1], np.repeat(early, 2)[1:-1])

    def at(self, predicted: NDArray[np.float64]) -> ErrorScales:
        """The scales of predictions [cycle]."""
        right = np.searchsorted(self.knots, predicted, side="right")
        left, right = np.maximum(right - 1, 0), np.minimum(right, len(self.knots) - 1)
        gap = self.knots[right] - self.knots[left]
        way = np.where(gap > 0, (predicted - self.knots[left]) / np.where(gap > 0, gap, 1.0), 0.0)
        return ErrorScales(
            *(
                values[left] + way * (values[right] - values[left])
                for values in (self.late, self.early)
            )
        )
