"""Point estimate with the lowest expected NASA score, from the residuals of held-out engines.

The network's estimate minimises the squared error. The NASA score penalises late predictions more,
so its expectation is lowest for an earlier estimate: the more uncertain the prediction, the
earlier. The uncertainty is estimated from residuals of engines that did not train.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.intervals.conformal import engine_weights
from cmapss_rul.metrics.regression import EARLY, LATE

Estimate = Literal["rmse", "nasa"]

MIN_ENGINES = 4
"""Calibration engines required for a shift, as for an interval at level 0.8."""

SHRINKAGE = 0.75
"""Factor on the best shift. The score is exponential, so that one engine among twenty can decide
the shift. *Measured* on validation engines of 20 runs, five per subset, each shift fitted on four
folds of them and scored on the fifth: mean NASA score at random cuts −11 %, −11 %, −9 % and −3 % on
FD001 to FD004, the RMSE +0.1, +0.3, +0.3 and +0.4 cycles. The whole shift gives −10, −11, −8 and −1
%, the half −9, −9, −8 and −4 %; one shift for all RULs, whole, −7, −9, −5 and +12 %; positive
shifts, where the fit has them, cost FD004 another 2 to 4 %."""


def nasa_shift(
    predicted: NDArray[np.float64], true: NDArray[np.float64], weights: NDArray[np.float64]
) -> float:
    """Shift c with the lowest weighted mean NASA score of predicted + c, cycles.

    The mean is convex in c; its slope, Σ w·(exp(d/10)/10 where d ≥ 0, −exp(−d/13)/13 where d < 0)
    with d = predicted + c − true, changes sign at the best shift, which bisection finds.

    Args:
        predicted: [cycle], cycles.
        true: [cycle], cycles.
        weights: [cycle], not negative, not all 0.

    >>> nasa_shift(np.array([60.0, 40.0]), np.array([50.0, 50.0]), np.ones(2))  # 10 late, 10 early
    -2.7873
    """
    error = predicted - true
    # at `low` no prediction is late any more, at `high` none is early
    low, high = -float(error.max()), -float(error.min())
    # far below the rounding to 4 decimals of the result
    while high - low > 1e-6:
        middle = (low + high) / 2
        d = error + middle
        slope = np.where(d < 0, -np.exp(-d / EARLY) / EARLY, np.exp(d / LATE) / LATE)
        if np.sum(weights * slope) > 0:
            high = middle
        else:
            low = middle
    return round((low + high) / 2, 4) + 0.0  # + 0.0 turns −0 into 0


def fit_shifts(
    predicted: NDArray[np.float64],
    true: NDArray[np.float64],
    engine: NDArray[np.int64],
    band: NDArray[np.int64],
) -> tuple[list[float], list[float]]:
    """Fit the shifts of the estimate for the NASA score in bands of predicted RUL.

    Args:
        predicted: [cycle], at random cuts, clamped to [0, cap], cycles.
        true: [cycle], capped, cycles.
        engine: [cycle], a number for each engine; all engines weigh the same.
        band: [cycle], index of the band of predicted RUL.

    Returns:
        Mean prediction of each non-empty band, ascending; and its shift, at most 0, shrunk by
        `SHRINKAGE`.
    """
    knots, shifts = [], []
    for number in np.unique(band):
        inside = band == number
        # within the band, so that an engine with few cycles here counts as much as the others
        weights = engine_weights(engine[inside])
        knots.append(float(np.sum(weights * predicted[inside])))
        best = nasa_shift(predicted[inside], true[inside], weights)
        # never above the network: a positive shift costs FD004 2 to 4 % (*measured*, see above)
        shifts.append(SHRINKAGE * min(best, 0.0))
    return knots, shifts
