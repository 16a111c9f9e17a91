"""RUL regression metrics: RMSE, MAE, bias, NASA score; constant baselines; bands of RUL.

Every function takes `predicted` and `true` of the same shape, in cycles, and works on all elements
at once: a mean of per-batch RMSEs would depend on the batch size. Results too large for a float
are `inf`; NaN propagates.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

EARLY, LATE = 13.0, 10.0
"""*From the paper*: cycles in which the NASA score grows e-fold, for early and late predictions."""

_BANDS = 5  # below the cap

SHORTEST_CUT = 20
"""Shortest record left by a random cut, cycles; the shortest of the test files have 19 to 38."""


@dataclass(frozen=True)
class RegressionMetrics:
    """Metrics of one set of predictions.

    Attributes:
        bias: mean of predicted − true, cycles; positive means late.
        nasa: NASA score, a sum over the predictions; lower is better.
        nasa_mean: NASA score divided by the number of predictions.
    """

    rmse: float
    mae: float
    bias: float
    nasa: float
    nasa_mean: float


def regression_metrics(predicted: NDArray[Any], true: NDArray[Any]) -> RegressionMetrics:
    """Compute all metrics of one set of predictions."""
    return RegressionMetrics(
        rmse=rmse(predicted, true),
        mae=mae(predicted, true),
        bias=bias(predicted, true),
        nasa=nasa_score(predicted, true),
        nasa_mean=nasa_mean(predicted, true),
    )


def perfect_under_cap(raw: NDArray[Any], cap: int) -> RegressionMetrics:
    """Metrics on raw labels of a perfect predictor whose output is capped: min(RUL, cap).

    This is the RMSE floor on raw labels for any network that predicts at most the cap. A lower
    reported RMSE was computed on capped labels.

    >>> perfect_under_cap(np.array([100, 129]), cap=125).mae
    2.0
    """
    return regression_metrics(np.minimum(raw, cap), raw)


def constant_baseline(value: float, true: NDArray[Any]) -> RegressionMetrics:
    """Metrics of a constant prediction.

    >>> constant_baseline(50.0, np.array([40, 60])).rmse
    10.0
    """
    return regression_metrics(np.full(np.shape(true), value, dtype=np.float64), true)


def errors(predicted: NDArray[Any], true: NDArray[Any]) -> NDArray[np.float64]:
    """Return predicted − true, element by element, in double precision.

    Raises:
        ValueError: the shapes differ ([n] against [n, 1] would otherwise broadcast to [n, n]), or
            the arrays are empty.
    """
    predicted, true = np.asarray(predicted), np.asarray(true)
    if predicted.shape != true.shape:
        raise ValueError(
            f"predicted and true should have the same shape, found {list(predicted.shape)} "
            f"and {list(true.shape)}"
        )
    if not predicted.size:
        raise ValueError("there should be at least one prediction, found none")
    # cast before subtracting: unsigned labels would wrap around below 0
    return predicted.astype(np.float64) - true.astype(np.float64)


def rmse(
    predicted: NDArray[Any], true: NDArray[Any], weights: NDArray[np.float64] | None = None
) -> float:
    """Root mean squared error, cycles; weighted if there are weights.

    >>> rmse(np.array([1.0, 0.0]), np.array([0.0, 7.0]))
    5.0
    """
    with np.errstate(over="ignore"):
        return float(np.sqrt(np.average(np.square(errors(predicted, true)), weights=weights)))


def mae(predicted: NDArray[Any], true: NDArray[Any]) -> float:
    """Mean absolute error, cycles.

    >>> mae(np.array([3.0, 0.0]), np.array([0.0, 4.0]))
    3.5
    """
    return float(np.mean(np.abs(errors(predicted, true))))


def bias(predicted: NDArray[Any], true: NDArray[Any]) -> float:
    """Mean of predicted − true, cycles: positive if failures come sooner than predicted.

    >>> bias(np.array([3.0, 0.0]), np.array([0.0, 4.0]))
    -0.5
    """
    return float(np.mean(errors(predicted, true)))


def nasa_terms(predicted: NDArray[Any], true: NDArray[Any]) -> NDArray[np.float64]:
    """Return the NASA score of each prediction, [n], at least 0.

    With d = predicted − true: exp(−d / 13) − 1 where d < 0, else exp(d / 10) − 1. Late
    predictions cost more than early ones. Source: Saxena, Goebel, Simon and Eklund, "Damage
    propagation modeling for aircraft engine run-to-failure simulation", PHM 2008. Errors beyond
    some 7,000 cycles overflow to `inf`; nothing is clipped.

    >>> nasa_terms(np.array([10.0, -10.0, 0.0]), np.zeros(3)).round(5).tolist()
    [1.71828, 1.15811, 0.0]
    """
    d = errors(predicted, true)
    # an overflow to inf is the documented result, so no warning
    with np.errstate(over="ignore"):
        # expm1 is accurate near 0; `where` is inside, since the other branch could overflow
        return np.expm1(np.where(d < 0, -d / EARLY, d / LATE))


def nasa_score(predicted: NDArray[Any], true: NDArray[Any]) -> float:
    """NASA score as published: the sum of `nasa_terms`, lower is better."""
    with np.errstate(over="ignore"):
        return float(np.sum(nasa_terms(predicted, true)))


def nasa_mean(
    predicted: NDArray[Any], true: NDArray[Any], weights: NDArray[np.float64] | None = None
) -> float:
    """NASA score per prediction, comparable between sets of different size."""
    with np.errstate(over="ignore"):
        return float(np.average(nasa_terms(predicted, true), weights=weights))


def random_cut_weights(engine: NDArray[Any], lengths: NDArray[Any]) -> NDArray[np.float64]:
    """Return the probability of each window if each record is truncated at random, [window].

    Test records end at some cycle before the failure. A metric with these weights is its
    expectation over one random cut per engine: all engines weigh the same, and within an engine
    all cuts that leave `SHORTEST_CUT` cycles or more. Being exact, it has no sampling noise. If no
    record is that long, every window counts.

    Args:
        engine: [window], any labels of the engines.
        lengths: [window], cycles of the record up to the window's last one.

    >>> random_cut_weights(np.array([1, 1, 1, 2]), np.array([19, 20, 21, 20])).tolist()
    [0.0, 0.25, 0.25, 0.5]
    """
    long_enough = lengths >= SHORTEST_CUT
    if not long_enough.any():
        long_enough[:] = True
    _, number = np.unique(engine, return_inverse=True)
    cuts = np.bincount(number, weights=long_enough)
    # maximum: avoids 0/0 for an engine too short for any cut, whose weight is 0 anyway
    return np.where(long_enough, 1 / np.maximum(cuts[number], 1), 0.0) / np.count_nonzero(cuts)


def rul_bands(cap: int) -> list[tuple[int, int | None]]:
    """Return five bands of equal width below the cap, and one from the cap on.

    Each band is its lowest RUL and its exclusive upper bound, None for the last.

    >>> rul_bands(125)
    [(0, 25), (25, 50), (50, 75), (75, 100), (100, 125), (125, None)]
    """
    # unique: a cap below five has fewer whole edges
    edges = np.unique(np.linspace(0, cap, _BANDS + 1).round().astype(np.int64)).tolist()
    return list(zip(edges, [*edges[1:], None], strict=True))


def in_band(rul: NDArray[Any], low: int, below: int | None) -> NDArray[np.bool_]:
    """Return whether each RUL lies in a band, [n].

    >>> in_band(np.array([24, 25, 49, 50]), 25, 50)
    array([False,  True,  True, False])
    """
    return (rul >= low) & (rul < (np.inf if below is None else below))


def band_name(low: int, below: int | None) -> str:
    """Format a band for tables and plots.

    >>> band_name(0, 25), band_name(125, None)
    ('0–24', '125 or more')
    """
    return f"{low} or more" if below is None else f"{low}–{below - 1}"
