"""Coverage and width of prediction intervals, with engines as the independent units."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special  # scipy.stats takes half a second longer to import

_OUTSIDE = 0.05
"""One minus the confidence level of the binomial interval."""

_ROUNDING = 1e-9
"""Well above the rounding error of a mean of shares, well below the share of one window."""


@dataclass(frozen=True)
class Coverage:
    """Empirical coverage and width of prediction intervals.

    Attributes:
        coverage: share of windows whose true RUL lies in the closed interval, first per engine,
            then averaged over engines, as in the guarantee of hierarchical conformal prediction.
            With one window per engine it is the plain share.
        interval: 95 % binomial interval of the coverage, with the engines as trials.
        width: mean width, cycles, first per engine, then over engines.
    """

    coverage: float
    interval: tuple[float, float]
    width: float
    engines: int
    windows: int


def interval_coverage(
    lower: NDArray[Any], upper: NDArray[Any], true: NDArray[Any], engine: NDArray[Any]
) -> Coverage:
    """Compute coverage and width of intervals; bounds and true RUL are [window], cycles.

    Raises:
        ValueError: the shapes differ, or there is no window.

    >>> found = interval_coverage(np.array([0, 0, 9]), np.array([5, 5, 9]), np.array([1, 7, 9]),
    ...                  np.array([1, 1, 2]))
    >>> found.coverage, found.width, found.engines
    (0.75, 2.5, 2)
    """
    lower, upper, true, engine = map(np.asarray, (lower, upper, true, engine))
    if not lower.shape == upper.shape == true.shape == engine.shape:
        raise ValueError(
            "lower, upper, true and engine should have the same shape, found "
            f"{list(lower.shape)}, {list(upper.shape)}, {list(true.shape)}, {list(engine.shape)}"
        )
    if not lower.size:
        raise ValueError("there should be at least one interval, found none")
    # engines are the trials, not windows: errors within an engine are correlated
    covered = mean_by_engine((lower <= true) & (true <= upper), engine)
    engines = len(np.unique(engine))
    width = mean_by_engine(upper.astype(np.float64) - lower, engine)
    return Coverage(covered, binomial_interval(covered, engines), width, engines, len(lower))


def mean_by_engine(values: NDArray[Any], engine: NDArray[Any]) -> float:
    """Mean over engines of the per-engine mean of values [window].

    >>> mean_by_engine(np.array([1, 0, 1]), np.array([1, 1, 2]))
    0.75
    """
    # otherwise a long record, with more windows, would weigh more than a short one
    _, inverse, windows = np.unique(engine, return_inverse=True, return_counts=True)
    return float(np.mean(np.bincount(inverse, values) / windows))


def binomial_interval(share: float, trials: int) -> tuple[float, float]:
    """95 % confidence interval of a probability, given the share of successes (Clopper-Pearson).

    Lower bound: the 0.025 quantile of Beta(s, n − s + 1); upper bound: the 0.975 quantile of
    Beta(s + 1, n − s), for s successes in n trials. With several windows per engine s need not be
    an integer. A mean of n shares in [0, 1] has at most the variance of n binary trials, so the
    interval is conservative there. `share` is s/n, `trials` is n. Source: Clopper and Pearson,
    Biometrika 1934.

    >>> low, high = binomial_interval(0.9, 10)
    >>> round(low, 4), round(high, 4)
    (0.555, 0.9975)
    """
    successes = share * trials
    failures = trials - successes
    low, high = 0.0, 1.0
    if successes > _ROUNDING:
        low = special.betaincinv(successes, failures + 1, _OUTSIDE / 2)
    if failures > _ROUNDING:
        high = special.betaincinv(successes + 1, failures, 1 - _OUTSIDE / 2)
    return float(low), float(high)
