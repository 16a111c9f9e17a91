"""Scaling to zero mean and unit deviation, sensors per operating condition."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.fleet import row_blocks


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
        own = _statistics(values, [condition == index for index in range(conditions)])
        if is_setting.any():
            overall = _statistics(values, [np.ones(len(values), dtype=np.bool_)])
            for target, of_all in zip(own, overall, strict=True):
                target[:, is_setting] = of_all[:, is_setting]
        return cls(*own)

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
        scaled = values - self.centre.take(condition, axis=0)
        scaled *= self.factor.take(condition, axis=0)
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


def _statistics(
    values: NDArray[np.float64], groups: Sequence[NDArray[np.bool_]]
) -> tuple[NDArray[np.float64], ...]:
    """Centre, factor, least and greatest value, [group, column] each, of groups of rows."""
    shape = len(groups), values.shape[1]
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    total, squares = np.zeros(shape), np.zeros(shape)
    for index, rows in _grouped(values, groups):
        low[index] = np.minimum(low[index], rows.min(axis=0))
        high[index] = np.maximum(high[index], rows.max(axis=0))
        total[index] = _added(total[index], rows)
    counts = np.array([[np.count_nonzero(group)] for group in groups])
    centre = total / counts
    for index, rows in _grouped(values, groups):
        squares[index] = _added(squares[index], (rows - centre[index]) ** 2)
    deviation = np.where(high == low, 1.0, np.sqrt(squares / counts))
    return centre, np.where(high == low, 0.0, 1.0 / deviation), low, high


def _grouped(
    values: NDArray[np.float64], groups: Sequence[NDArray[np.bool_]]
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield the number of a group and some of its rows, [row, column], until all were there."""
    for block in row_blocks(len(values)):
        for index, group in enumerate(groups):
            rows = values[block].compress(group[block], axis=0)
            if len(rows):
                yield index, rows


def _added(total: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add rows one after another, so that the sum does not depend on the size of the blocks."""
    return np.asarray(np.concatenate([total[None], rows]).sum(axis=0))
