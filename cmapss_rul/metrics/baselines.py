"""What a figure must be compared with: the floor under a cap, and two constants."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.metrics.regression import Figures, figures


def perfect_under_cap(raw: NDArray[Any], cap: int) -> Figures:
    """Figures on raw labels of a predictor that knows min(RUL, cap) exactly.

    No network whose predictions stay at or below the cap gets a lower RMSE on raw labels: a
    smaller figure was scored on capped ones.

    Args:
        raw: [n], true RUL, cycles.
        cap: of the prediction, cycles.

    >>> perfect_under_cap(np.array([100, 129]), cap=125).mae
    2.0
    """
    return figures(np.minimum(raw, cap), raw)


def constant(value: float, true: NDArray[Any]) -> Figures:
    """Figures of predicting one and the same RUL for every window.

    Args:
        value: the prediction, cycles.
        true: [n], cycles.

    >>> constant(50.0, np.array([40, 60])).rmse
    10.0
    """
    return figures(np.full(np.shape(true), value, dtype=np.float64), true)


def mean_of(true: NDArray[Any]) -> float:
    """Mean label, cycles. Of test labels it is an oracle: it knows what is to be predicted."""
    return float(np.mean(true))
