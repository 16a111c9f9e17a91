"""Scaling to zero mean and unit deviation, sensors per operating condition."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Scaler:
    """Per-condition standardisation, fitted on training engines.

    scaled = (raw − centre) · factor, with the row's condition picking the row of `centre`
    and `factor`. Settings have the same centre and factor in every condition. A column whose
    maximum equals its minimum is constant there: its factor is 0. (Its standard deviation
    may be a rounding error instead of 0, and dividing by that would blow up noise.)

    Attributes:
        centre: [condition, column], raw units.
        factor: [condition, column], one over the standard deviation, or 0.
        low: [condition, column], the least raw value that it was fitted on.
        high: [condition, column], the greatest.
    """

    centre: NDArray[np.float64]
    factor: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        values: NDArray[np.float64],
        condition: NDArray[np.int64],
        conditions: int,
        is_setting: NDArray[np.bool_],
    ) -> "Scaler":
        """Fit on the rows of the training engines.

        Args:
            values: [row, column], raw.
            condition: [row], index of each row's operating condition.
            conditions: number of conditions; each occurs in the rows.
            is_setting: [column], whether it is scaled over all conditions at once.
        """
        centre = np.empty((conditions, len(is_setting)))
        factor, low, high = (np.empty_like(centre) for _ in range(3))
        overall = _statistics(values)
        for index in range(conditions):
            own = _statistics(values[condition == index])
            for target, of_all, of_own in zip(
                (centre, factor, low, high), overall, own, strict=True
            ):
                target[index] = np.where(is_setting, of_all, of_own)
        return cls(centre, factor, low, high)

    def transform(
        self, values: NDArray[np.float64], condition: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Scale rows.

        Args:
            values: [row, column], raw, the columns that the scaler was fitted on.
            condition: [row], index of each row's operating condition.

        Returns:
            scaled: [row, column].
        """
        scaled = values - self.centre[condition]
        scaled *= self.factor[condition]
        return scaled.astype(np.float32)

    def beyond(
        self, values: NDArray[np.float64], condition: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Tell the values that lie outside the range that the scaler was fitted on.

        Args:
            values: [row, column], raw, the columns that the scaler was fitted on.
            condition: [row], index of each row's operating condition.

        Returns:
            beyond: [row, column].
        """
        return np.asarray((values < self.low[condition]) | (values > self.high[condition]))


def _statistics(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Centre, factor, least and greatest value of each column."""
    low, high = values.min(axis=0), values.max(axis=0)
    deviation = np.where(high == low, 1.0, values.std(axis=0))
    return values.mean(axis=0), np.where(high == low, 0.0, 1.0 / deviation), low, high
