"""Metrics for right-censored records, whose RUL is known only as a lower bound."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.metrics.coverage import mean_by_engine

CUT_DRAWS = 200
"""Random cuts averaged in a concordance index. A *guess*: the standard error of the mean is 1/14 of
the standard deviation between cuts."""

# fixed, so that two models are compared at the same cuts
_SEED = 0


@dataclass(frozen=True)
class BoundMetrics:
    """Agreement of predictions with lower bounds of the RUL.

    Attributes:
        violated: share of windows with a prediction below the bound.
        shortfall: mean of max(bound − predicted, 0), cycles.
    """

    violated: float
    shortfall: float
    engines: int
    windows: int


def bound_metrics(
    predicted: NDArray[Any], bound: NDArray[Any], engine: NDArray[Any]
) -> BoundMetrics:
    """Compare predictions [window] with lower bounds of the RUL, both capped, cycles.

    >>> found = bound_metrics(np.array([9, 4, 2]), np.array([5, 5, 0]), np.array([1, 1, 2]))
    >>> found.violated, found.shortfall
    (0.25, 0.25)
    """
    below = np.maximum(np.asarray(bound, dtype=np.float64) - predicted, 0)
    violated, shortfall = mean_by_engine(below > 0, engine), mean_by_engine(below, engine)
    return BoundMetrics(violated, shortfall, len(np.unique(engine)), len(below))


def concordance_index(
    time: NDArray[Any], predicted: NDArray[Any], failed: NDArray[np.bool_]
) -> float | None:
    """Harrell's C: share of comparable pairs of engines whose failures are predicted in order.

    A pair is comparable if the engine with the shorter time failed; at equal times, if exactly
    one failed, which counts as the first. Equal predictions count one half. Source: Harrell,
    Lee and Mark, "Multivariable prognostic models", Statistics in Medicine 1996, section 5.5.

    Args:
        time: [engine], cycles until the failure, or until the end of a censored record.
        predicted: [engine], RUL, cycles.
        failed: [engine], whether the record ends with the failure.

    Returns:
        0.5 for random predictions, 1 for a perfect order; None without a comparable pair.

    >>> failed = np.array([True, False, True])
    >>> concordance_index(np.array([1, 2, 3]), np.array([10, 40, 30]), failed)
    1.0
    >>> concordance_index(np.array([1, 2, 3]), np.array([35, 40, 30]), failed)
    0.5
    """
    time, predicted = np.asarray(time), np.asarray(predicted)
    sooner = (time[:, None] < time) | ((time[:, None] == time) & ~failed)
    comparable = sooner & failed[:, None]  # [engine that fails first, other engine]
    pairs = np.count_nonzero(comparable)
    lower, equal = predicted[:, None] < predicted, predicted[:, None] == predicted
    right = np.count_nonzero(comparable & lower) + np.count_nonzero(comparable & equal) / 2
    return float(right / pairs) if pairs else None


def cut_concordance(
    predicted: NDArray[Any], lengths: NDArray[np.int64], failed: NDArray[np.bool_], earliest: int
) -> float | None:
    """Mean concordance index of records truncated at random cycles.

    Each draw cuts every record after one of its rows, uniformly from `earliest` to the last but
    one, or after the last but one if it is shorter. Cuts give engines different RULs, whereas at
    the ends of their records all that failed have a RUL of 0.

    Args:
        predicted: [row], RUL at every cycle of whole records, one engine after another.
        lengths: [engine], rows of each record, at least 2.
        failed: [engine], whether the record ends with the failure.
        earliest: earliest row of a cut, counted from 1; taken as 1 if no record is longer.

    Returns:
        None if no pair of engines is comparable.
    """
    generator = np.random.default_rng(_SEED)
    first = np.minimum(earliest if (lengths > earliest).any() else 1, lengths - 1)
    starts = np.cumsum(lengths) - lengths
    found = []
    for _ in range(CUT_DRAWS):
        cut = generator.integers(first, lengths)  # rows before the cut: `first` to length − 1
        # for a censored record, `lengths - cut` is the time until observation ends, as required
        index = concordance_index(lengths - cut, predicted[starts + cut - 1], failed)
        if index is not None:
            found.append(index)
    return float(np.mean(found)) if found else None
