"""Paired comparisons: over seeds, over test engines, corrected for their number; and ranks.

What too few seeds, engines or cells cannot give is None, and no error.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
DRAWS = 2_000
SEED = 0
_ROUNDING = 1e-12
"""Relative spread that is rounding and no spread, so that a test on it would say nothing."""


@dataclass(frozen=True)
class MeanInterval:
    """The mean of paired differences, or of any figures of one seed each.

    Attributes:
        n: number of figures.
        mean: of them.
        sd: with n − 1 below; None for a single figure.
        interval: t interval of the mean at `LEVEL`; None for a single figure.
        t: mean ÷ (sd/√n); None where there is no spread.
        p: two-sided, of the mean being 0; None where there is no test.
    """

    n: int
    mean: float
    sd: float | None
    interval: tuple[float, float] | None
    t: float | None
    p: float | None


def mean_interval(figures: Sequence[float]) -> MeanInterval | None:
    """Mean with its t interval, mean ± t(n − 1) · sd/√n.

    Figures without any spread, rounding aside, have an interval of no width. All of them 0, as
    two names for one method give, are no sign of a difference: p is 1.

    Args:
        figures: one a seed.

    >>> mean_interval([1.0, 3.0]).mean
    2.0
    """
    values = np.asarray(figures, dtype=np.float64)
    n = len(values)
    if n == 0:
        return None
    mean = float(values.mean())
    if n == 1:
        return MeanInterval(1, mean, None, None, None, None)
    if np.ptp(values) <= _ROUNDING * np.abs(values).max():
        return MeanInterval(n, mean, 0.0, (mean, mean), None, None if mean else 1.0)
    result = stats.ttest_1samp(values, 0.0)
    low, high = result.confidence_interval(LEVEL)
    sd = float(values.std(ddof=1))
    t, p = float(result.statistic), float(result.pvalue)
    return MeanInterval(n, mean, sd, (float(low), float(high)), t, p)


def paired(a: Mapping[int, float], b: Mapping[int, float]) -> MeanInterval | None:
    """Compare two cells over the seeds that both have: a − b.

    The same as a paired t test.

    Args:
        a: seed → figure.
        b: seed → figure.
    """
    return mean_interval([a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())])


def engine_draws(engines: int) -> NDArray[np.int64] | None:
    """Draw engines with replacement; all cells of a subset share the draws.

    Args:
        engines: number of test engines.

    Returns:
        [draw, engine], how often each engine was drawn; None for a single engine, which says
        nothing of others.
    """
    if engines < 2:
        return None
    even = np.full(engines, 1 / engines)
    return np.random.default_rng(SEED).multinomial(engines, even, size=DRAWS)


def drawn_rmse(draws: NDArray[np.int64], errors: NDArray[np.float64]) -> NDArray[np.float64]:
    """RMSE of each draw, as the mean over seeds.

    Args:
        draws: [draw, engine], how often each was drawn.
        errors: [seed, engine], predicted − true at the last windows, cycles.

    Returns:
        [draw], cycles.
    """
    mean_squares = draws @ np.square(errors).T / errors.shape[1]
    return np.asarray(np.sqrt(mean_squares).mean(axis=1))


def percentile_interval(drawn: NDArray[np.float64]) -> tuple[float, float]:
    """Return the percentile interval of bootstrap draws at `LEVEL`."""
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p-values for their number.

    The k-th smallest of m is multiplied by m − k + 1, and none falls below a smaller one's.
    Source: Holm 1979, "A simple sequentially rejective multiple test procedure". scipy has
    Benjamini's corrections and not this one.

    Args:
        p_values: of one family; None is no test, and does not count.

    >>> [round(p, 4) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    tests = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for done, (p, place) in enumerate(tests):
        largest = max(largest, min(1.0, p * (len(tests) - done)))
        adjusted[place] = largest
    return adjusted


@dataclass(frozen=True)
class Ranks:
    """Mean ranks of cells over configurations; 1 is the lowest RMSE.

    Attributes:
        labels: the cells that every configuration has.
        configs: over which the ranks are averaged.
        ranks: [config][cell], ties share their mean.
        mean: [cell].
        friedman_p: of all cells being equal; None below three cells or two configurations.
        critical_difference: of two mean ranks at `LEVEL`, Nemenyi's; None below two
            configurations.
    """

    labels: list[str]
    configs: list[str]
    ranks: list[list[float]]
    mean: list[float]
    friedman_p: float | None
    critical_difference: float | None


def mean_ranks(figures: Mapping[str, Mapping[str, float]]) -> Ranks | None:
    """Rank cells by their figure within each configuration, and average.

    Source: Demšar 2006, "Statistical comparisons of classifiers over multiple data sets":
    critical difference q·√(k(k + 1)/(6N)), q of the studentised range ÷ √2, k cells,
    N configurations. With N = 4 it is a yardstick and no strong test.

    Args:
        figures: configuration → cell → mean RMSE.

    Returns:
        None where fewer than two cells stand in every configuration.
    """
    configs = list(figures)
    shared = [
        label
        for label in (figures[configs[0]] if configs else {})
        if all(label in figures[config] for config in configs)
    ]
    if len(shared) < 2:
        return None
    rows = [stats.rankdata([figures[config][label] for label in shared]) for config in configs]
    return Ranks(
        labels=shared,
        configs=configs,
        ranks=[[float(rank) for rank in row] for row in rows],
        mean=[float(rank) for rank in np.mean(rows, axis=0)],
        friedman_p=_friedman(rows),
        critical_difference=_critical_difference(len(shared), len(configs)),
    )


def _friedman(rows: list[Any]) -> float | None:
    cells = len(rows[0])
    if cells < 3 or len(rows) < 2 or all(np.ptp(row) == 0 for row in rows):
        return None
    return float(stats.friedmanchisquare(*np.transpose(rows)).pvalue)


def _critical_difference(cells: int, configs: int) -> float | None:
    if configs < 2:
        return None
    q = float(stats.studentized_range.ppf(LEVEL, cells, math.inf)) / math.sqrt(2)
    return q * math.sqrt(cells * (cells + 1) / (6 * configs))
