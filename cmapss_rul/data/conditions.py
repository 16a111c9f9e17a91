"""Operating conditions: the few combinations of settings that an engine flies in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import SETTINGS
from cmapss_rul.errors import DataError

_DECIMALS = (0, 2, 0)
"""Decimals after which the settings of C-MAPSS are exact: altitude, Mach number, TRA."""

MOST_CONDITIONS = 50
"""More distinct conditions than this are no conditions but a continuum."""


@dataclass(frozen=True, eq=False)
class Conditions:
    """The operating conditions of a training set.

    Attributes:
        table: [condition, 3], rounded settings, in rising order.
    """

    table: NDArray[np.float64]

    @classmethod
    def fit(cls, values: NDArray[np.float64]) -> "Conditions":
        """Collect the conditions that occur.

        Args:
            values: [row, 24], raw.

        Raises:
            DataError: when the settings do not fall into at most 50 conditions.
        """
        table = np.unique(_rounded(values), axis=0)
        if len(table) > MOST_CONDITIONS:
            raise DataError(
                f"the settings, rounded, form {len(table)} operating conditions; "
                f"expected at most {MOST_CONDITIONS}: are the columns in the order of C-MAPSS?"
            )
        return cls(table)

    def assign(self, values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Index of each row's condition; of the nearest one where it is unknown.

        Nearest: the smallest sum of squared differences, each setting divided by its range
        over the known conditions.

        Args:
            values: [row, 24], raw.

        Returns:
            condition: [row], index into `table`.
        """
        found, inverse = np.unique(_rounded(values), axis=0, return_inverse=True)
        span = np.ptp(self.table, axis=0)
        scale = np.where(span > 0, span, 1.0)
        distance = (((found[:, None] - self.table) / scale) ** 2).sum(axis=-1)
        nearest: NDArray[np.int64] = distance.argmin(axis=1)[inverse]
        return nearest

    def unknown(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """[row], whether a row's condition did not occur in training."""
        differs = _rounded(values) != self.table[self.assign(values)]
        return np.asarray(differs.any(axis=1))


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    settings = values[:, : len(SETTINGS)]
    columns = [np.round(settings[:, i], decimals) for i, decimals in enumerate(_DECIMALS)]
    return np.stack(columns, axis=1) + 0.0  # −0.0 becomes 0.0
