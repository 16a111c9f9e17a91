"""Reference distribution of the training data, for drift detection in other files."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Times

BANDS = 4
"""Age bands, each with a quarter of the training rows.

*Measured*: records truncated before the failure, such as the official test files, are up to 0.49
standard deviations away from the training data as a whole, and up to 0.43 at the same age.
"""

STUCK = 2
"""A sensor is stuck after this multiple of its longest run of equal values in training.

*Measured*: no sensor of an official test file is, whether all engines train or 8 drawn from them;
each of the 14 is, in every record, after 30 cycles at one value.
"""

_POINTS = 16
_MAX_ROWS = 1 << 16  # every n-th row of a larger fleet


@dataclass(frozen=True, eq=False)
class Reference:
    """Quantiles of the scaled columns by operating condition and age band.

    Attributes:
        edges: [band − 1], cycles at which the age bands begin.
        quantiles: [condition, band, point, column], at the midpoints of equal shares of the rows.
        longest_runs: [column], length of the longest run of equal raw values of an engine; for
            settings the number of training rows. None in older checkpoints.
    """

    edges: NDArray[np.float64]
    quantiles: NDArray[np.float32]
    longest_runs: NDArray[np.int64] | None = None

    @classmethod
    def fit(
        cls,
        values: NDArray[np.float64],
        condition: NDArray[np.int64],
        cycle: Times,
        engine: NDArray[np.int64],
        is_setting: NDArray[np.bool_],
        scale: Callable[[NDArray[np.float64], NDArray[np.int64]], NDArray[np.float32]],
    ) -> "Reference":
        """Compute the quantiles and the longest runs of equal values of the training rows.

        Args:
            values: [row, column], raw.
            condition: [row], index of the operating condition; each of 0, 1, … occurs.
            cycle: [row].
            engine: [row].
            is_setting: [column], whether the column is a setting.
            scale: scales raw values, given their conditions.
        """
        runs = np.array([run_lengths(column, engine).max() for column in values.T], dtype=np.int64)
        runs[is_setting] = len(values)  # operators may hold a setting for long
        names, first = np.unique(condition, return_index=True)
        step = -(-len(values) // _MAX_ROWS)
        rows = np.unique(np.concatenate([first, np.arange(0, len(values), step)]))
        condition, cycle = condition[rows], cycle[rows]
        scaled = scale(values[rows], condition)
        edges = np.quantile(cycle, np.arange(1, BANDS) / BANDS)
        band, shares = np.searchsorted(edges, cycle), (np.arange(_POINTS) + 0.5) / _POINTS
        quantiles = np.empty((len(names), BANDS, _POINTS, scaled.shape[1]), dtype=np.float32)
        for index in names:
            of_condition = condition == index
            for number in range(BANDS):
                both = of_condition & (band == number)
                # a condition without rows in a band has its quantiles over all bands
                part = scaled[both if both.any() else of_condition]
                quantiles[index, number] = np.quantile(part, shares, axis=0)
        return cls(edges, quantiles, runs)

    def distances(
        self, scaled: NDArray[np.float32], condition: NDArray[np.int64], cycle: Times
    ) -> NDArray[np.float64]:
        """Return the distance of rows from the training data at the same ages, [condition, column].

        The 1-Wasserstein distance between the rows of a condition and the training distribution,
        whose age bands are weighted as they occur among these rows, in standard deviations of the
        training data: shifting a column by one of them gives a distance of 1. NaN if the condition
        has no rows.
        """
        from scipy.stats import wasserstein_distance  # here: a slow import

        conditions, bands, points, columns = self.quantiles.shape
        found = np.full((conditions, columns), np.nan)
        band = np.searchsorted(self.edges, cycle)
        for index in range(conditions):
            rows = np.flatnonzero(condition == index)
            weights = np.repeat(np.bincount(band[rows], minlength=bands), points)
            for column in range(columns if len(rows) else 0):
                reference = self.quantiles[index, :, :, column].ravel()
                found[index, column] = wasserstein_distance(
                    scaled[rows, column], reference, None, weights
                )
        return found

    def state_dict(self) -> dict[str, Any]:
        """Return all parameters as tensors, for a checkpoint."""
        found = {name: value for name, value in vars(self).items() if value is not None}
        return {name: torch.from_numpy(value) for name, value in found.items()}

    @classmethod
    def from_state(cls, state: dict[str, Any], conditions: int, columns: int) -> "Reference":
        """Restore a reference from its `state_dict`.

        Raises:
            ValueError: inconsistent shapes, or values that are not finite.
        """
        edges, quantiles = state["edges"].numpy(), state["quantiles"].numpy()
        expected = (conditions, len(edges) + 1, quantiles.shape[2], columns)
        if quantiles.shape != expected or edges.dtype != np.float64:
            raise ValueError(f"preprocessor reference: found shape {quantiles.shape}")
        if not (np.isfinite(edges).all() and np.isfinite(quantiles).all()):
            raise ValueError("preprocessor reference: found values that are not finite")
        if (runs := state.get("longest_runs")) is None:
            return cls(edges, quantiles)
        if runs.shape != (columns,) or runs.dtype != torch.int64:
            raise ValueError(f"preprocessor reference: found {runs.dtype} runs of {runs.shape}")
        return cls(edges, quantiles, runs.numpy())


def run_lengths(values: NDArray[np.float64], engine: NDArray[np.int64]) -> NDArray[np.int64]:
    """[row], length so far of the run of equal values of an engine.

    >>> run_lengths(np.array([5.0, 5, 5, 6, 6]), np.array([1, 1, 2, 2, 2]))
    array([1, 2, 1, 1, 2])
    """
    rows, new = np.arange(len(values)), np.ones(len(values), dtype=np.bool_)
    new[1:] = (values[1:] != values[:-1]) | (engine[1:] != engine[:-1])
    return np.asarray(rows - np.maximum.accumulate(np.where(new, rows, 0)) + 1)
