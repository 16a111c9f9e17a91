"""Statistics of comparisons: paired tests, Holm's correction, bootstrap over engines, ranks.

A statistic is None, not an error, if there are too few seeds, engines or cells.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from cmapss_rul.data.split import LEAK
from cmapss_rul.experiments.results import (
    ALPHA,
    EngineBootstrap,
    Equivalence,
    MeanInterval,
    MeanRanks,
    Pair,
)
from cmapss_rul.experiments.runs import RunResult
from cmapss_rul.experiments.summaries import CellSummary, by_config, other_unit
from cmapss_rul.metrics.bootstrap import LEVEL, percentile_interval, resampled_rmse
from cmapss_rul.training.gradient_boosting import GRADIENT_BOOSTING

_ROUNDING = 1e-12
"""Relative range of values that counts as rounding error, so that a t test is meaningless."""


# ---- over seeds ----------------------------------------------------------------------------


def mean_interval(values: Sequence[float]) -> MeanInterval | None:
    """Mean with t interval, mean ± t(n − 1) · sd/√n, and two-sided t test of mean 0.

    Without spread, apart from rounding, the interval has zero width and there is no test; if all
    values are 0, as for two names of one method, p is 1.

    >>> mean_interval([1.0, 3.0]).mean
    2.0
    """
    array = np.asarray(values, dtype=np.float64)
    n = len(array)
    if n == 0:
        return None
    mean = float(array.mean())
    if n == 1:
        return MeanInterval(n=1, mean=mean, sd=None, interval=None, t=None, p=None)
    # no spread except rounding: a t test would divide by it
    if np.ptp(array) <= _ROUNDING * np.abs(array).max():
        p = None if mean else 1.0
        return MeanInterval(n=n, mean=mean, sd=0.0, interval=(mean, mean), t=None, p=p)
    result = stats.ttest_1samp(array, 0.0)
    low, high = result.confidence_interval(LEVEL)
    return MeanInterval(
        n=n,
        mean=mean,
        sd=float(array.std(ddof=1)),
        interval=(float(low), float(high)),
        t=float(result.statistic),
        p=float(result.pvalue),
    )


def resampled_interval(differences: Sequence[float], ratio: float) -> MeanInterval | None:
    """Mean of differences over random splits of a data set, with the corrected resampled t test.

    The variance of the mean is s²·(1/n + ratio) instead of s²/n, because training sets of
    different splits share engines, so that the differences are correlated. n − 1 degrees of
    freedom.
    Source: Nadeau and Bengio 2003, "Inference for the generalization error", Machine Learning 52.

    Args:
        differences: [split].
        ratio: validation engines per training engine.

    >>> resampled_interval([1.0, 2.0, 3.0], ratio=0.25).t.__round__(4)
    2.6186
    """
    plain = mean_interval(differences)
    if plain is None or plain.t is None or plain.sd is None:
        return plain
    # with a ratio of 0 this would be the ordinary t test
    error = plain.sd * math.sqrt(1 / plain.n + ratio)
    reach, t = float(stats.t.ppf((1 + LEVEL) / 2, plain.n - 1)) * error, plain.mean / error
    interval = (plain.mean - reach, plain.mean + reach)
    p = 2 * float(stats.t.sf(abs(t), plain.n - 1))
    return plain.model_copy(update={"interval": interval, "t": t, "p": p})


def paired_test(a: Mapping[int, float], b: Mapping[int, float]) -> MeanInterval | None:
    """Paired t test of a − b, both metrics by seed, over their common seeds."""
    # runs of a seed share initial weights and, as shipped (split.seed is null), validation
    # engines, whose effects cancel in the difference; *measured* on the 92 pairs of the ledger:
    # the sd of the difference is 0.77 (median) of that of unpaired runs
    return mean_interval([a[seed] - b[seed] for seed in sorted(a.keys() & b.keys())])


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust the p-values of a family of tests (Holm-Bonferroni).

    The k-th smallest of m is multiplied by m − k + 1, with a running maximum. Pairs without a
    test, None, do not count. Source: Holm 1979, "A simple sequentially rejective multiple test
    procedure". Not in scipy, which only has corrections of the false discovery rate.

    >>> [round(p, 4) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    tests = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for done, (p, place) in enumerate(tests):
        # running maximum: the step-down rule stops at the first non-significant p-value
        largest = max(largest, min(1.0, p * (len(tests) - done)))
        adjusted[place] = largest
    return adjusted


# ---- over test engines ---------------------------------------------------------------------


def engine_interval(results: Sequence[RunResult]) -> tuple[float, float] | None:
    """Bootstrap interval over test engines of the mean RMSE of a cell's runs."""
    resampled = _resample(results)
    return percentile_interval(np.mean(list(resampled.values()), axis=0)) if resampled else None


def _resample(results: Sequence[RunResult]) -> dict[int, NDArray[np.float64]]:
    """RMSE of each bootstrap draw, [draw] by seed; empty without runs, or for a single engine."""
    if not results:
        return {}
    # all runs of a cell at once, so that they share the draws of engines
    squares = np.square(np.stack([result.errors for result in results]))
    resampled = resampled_rmse(squares, results[0].engines)
    if resampled is None:
        return {}
    return {result.run.seed: draws for result, draws in zip(results, resampled, strict=True)}


# ---- pairs of cells ------------------------------------------------------------------------


def _test_folds(results: Sequence[RunResult]) -> set[int | None]:
    return {result.run.cell.resolved.split.test_fold for result in results}


def compare_pairs(config: str, cells: Mapping[str, Sequence[RunResult]]) -> list[Pair]:
    """Compare all pairs of cells of a configuration by RMSE, last windows, capped labels.

    `cells` are the results by label. P-values are not corrected here; see `correct_pairs`.
    """
    # once per cell, not per pair: 2,000 draws for each run
    resampled = {label: _resample(results) for label, results in cells.items()}
    pairs = []
    for a, b in itertools.combinations(cells, 2):
        if len(_test_folds(cells[a]) | _test_folds(cells[b])) > 1:
            continue  # folds of a cross-validation have different test engines
        one, other = ({r.run.seed: r for r in cells[label]} for label in (a, b))
        seeds = sorted(one.keys() & other.keys())
        paired_t, bootstrap, why_not = None, None, None
        # errors can be paired only on the same engines and labels
        if cells[a] and cells[b] and not _same_test_set(cells[a][0], cells[b][0]):
            why_not = "their test labels differ"
        elif not seeds:
            why_not = "no seed succeeded in both"
        else:
            rmse_a, rmse_b = ({seed: runs[seed].rmse for seed in seeds} for runs in (one, other))
            bootstrap = _bootstrap(rmse_a, rmse_b, resampled[a], resampled[b], one[seeds[0]])
            if len(seeds) > 1:
                paired_t = paired_test(rmse_a, rmse_b)
            else:
                why_not = "one seed only"
        runs = [result.run.cell for result in (*cells[a], *cells[b])]
        leak = LEAK if any(cell.leak for cell in runs) else None
        pair = Pair(
            config=config, a=a, b=b, leak=leak, paired_t=paired_t, bootstrap=bootstrap,
            why_not=why_not, **other_unit(cell.resolved.data.unit for cell in runs),
        )  # fmt: skip
        pairs.append(pair)
    return pairs


def _same_test_set(a: RunResult, b: RunResult) -> bool:
    """Whether two runs have the same test engines and labels."""
    return np.array_equal(a.engines, b.engines) and np.array_equal(a.true, b.true)


def _bootstrap(
    rmse_a: Mapping[int, float],
    rmse_b: Mapping[int, float],
    resampled_a: Mapping[int, NDArray[np.float64]],
    resampled_b: Mapping[int, NDArray[np.float64]],
    result: RunResult,
) -> EngineBootstrap | None:
    """Bootstrap the difference of two cells' mean RMSE, paired by engine draws."""
    if not resampled_a or not resampled_b:
        return None
    # common seeds only, as in the paired test
    a, b = (
        np.mean([resampled[seed] for seed in rmse_a], axis=0)
        for resampled in (resampled_a, resampled_b)
    )
    # draws are shared, so that effects of easy and difficult engines cancel
    gap = a - b
    return EngineBootstrap(
        n=len(result.engines),
        draws=len(gap),
        mean=float(np.mean(list(rmse_a.values())) - np.mean(list(rmse_b.values()))),
        interval=percentile_interval(gap),
        share_below_0=float(np.mean(gap < 0)),
    )


def correct_pairs(pairs: Sequence[Pair]) -> list[Pair]:
    """Apply Holm's correction to the pairs of each configuration, and formulate the findings.

    Tests of difference and of equivalence are separate families. Replaces earlier corrections.
    """
    corrected = []
    for config in sorted({pair.config for pair in pairs}):
        # a family: all pairs of cells of a configuration, which readers see together
        family = [pair for pair in pairs if pair.config == config]
        adjusted = holm([None if pair.paired_t is None else pair.paired_t.p for pair in family])
        same = [Equivalence.of(pair.paired_t) for pair in family]
        same_p = holm([None if test is None else test.p for test in same])
        for pair, p, test, q in zip(family, adjusted, same, same_p, strict=True):
            shown = _is_shown(p, pair.bootstrap)
            test = None if test is None else test.model_copy(update={"p_holm": q})
            pair = pair.model_copy(update={"p_holm": p, "shown": shown, "equivalence": test})
            corrected.append(pair.model_copy(update={"sentence": _sentence(pair)}))
    return corrected


def _is_shown(p_holm: float | None, bootstrap: EngineBootstrap | None) -> bool:
    # seeds and test engines are separate sources of variance, so both tests are required
    if p_holm is None or p_holm >= ALPHA or bootstrap is None:
        return False
    low, high = bootstrap.interval
    return not low <= 0 <= high


def _sentence(pair: Pair) -> str:
    """Formulate the finding of a corrected pair, and mark a leak."""
    a, b, t, bootstrap = pair.a, pair.b, pair.paired_t, pair.bootstrap
    mark = f" A split by windows is {pair.leak}." if pair.leak else ""
    if t is None or t.interval is None or pair.p_holm is None:
        reason = pair.why_not or "no spread over the seeds"
        alone = ""
        if bootstrap is not None:
            low, high = bootstrap.interval
            alone = (
                f" Over test engines alone: {bootstrap.mean:+z.2f} {pair.unit}, 95 % interval "
                f"{low:+z.2f} to {high:+z.2f}."
            )
        return f"{pair.config}: no test between {a} and {b}: {reason}.{alone}{mark}"
    if pair.shown:
        lower, higher = (a, b) if t.mean < 0 else (b, a)
        verdict = f"{lower} has a lower RMSE than {higher}"
    elif pair.p_holm < ALPHA:
        verdict = f"no difference shown between {a} and {b} that holds over test engines"
    else:
        verdict = f"no difference shown between {a} and {b}"
    low, high = t.interval
    p = "p < 0.001" if pair.p_holm < 0.001 else f"p = {pair.p_holm:.3f}"
    numbers = (
        f"{a} − {b}: {t.mean:+z.2f} {pair.unit}, 95 % interval {low:+z.2f} to {high:+z.2f} over "
        f"{t.n} seeds, {p} after Holm"
    )
    if bootstrap is not None:
        first, last = bootstrap.interval
        numbers += f"; {first:+z.2f} to {last:+z.2f} over test engines"
    return f"{pair.config}: {verdict} ({numbers}).{mark}"


# ---- ranks over configurations -------------------------------------------------------------


def mean_ranks(cells: Sequence[CellSummary]) -> MeanRanks | None:
    """Rank cells by mean RMSE within each configuration, and average the ranks.

    Ties have their mean rank, and Friedman's test corrects for ties.

    Source: Demšar 2006, "Statistical comparisons of classifiers over multiple data sets":
    critical difference q·√(k(k + 1)/(6N)), with q of the studentised range ÷ √2, k cells and
    N configurations. With N = 4 it has little power.

    Gradient boosting is excluded: only balancers are ranked. None if fewer than two cells have an
    RMSE in every configuration.
    """
    cells = [cell for cell in cells if not cell.label.startswith(GRADIENT_BOOSTING)]
    rmse = {
        config: {c.label: c.rmse.mean for c in group if c.rmse.mean is not None}
        for config, group in by_config(cells).items()
    }
    first = next(iter(rmse.values()), {})
    # complete rows only: a missing cell would shift the ranks of the others
    labels = [label for label in first if all(label in of_config for of_config in rmse.values())]
    if len(labels) < 2:
        return None
    rows = [stats.rankdata([of_config[label] for label in labels]) for of_config in rmse.values()]
    return MeanRanks(
        labels=labels,
        configs=list(rmse),
        ranks=[[float(rank) for rank in row] for row in rows],
        mean=[float(rank) for rank in np.mean(rows, axis=0)],
        friedman_p=_friedman(rows),
        critical_difference=_critical_difference(len(labels), len(rows)),
        leaks=sorted({cell.label for cell in cells if cell.leak}),
    )


def _friedman(rows: Sequence[NDArray[np.float64]]) -> float | None:
    # scipy's test needs three cells; if all ranks are equal, the statistic is 0/0
    if len(rows[0]) < 3 or len(rows) < 2 or all(np.ptp(row) == 0 for row in rows):
        return None
    return float(stats.friedmanchisquare(*np.transpose(rows)).pvalue)


def _critical_difference(cells: int, configs: int) -> float | None:
    if configs < 2:
        return None
    # infinite degrees of freedom, because the variance of ranks is known
    q = float(stats.studentized_range.ppf(LEVEL, cells, math.inf)) / math.sqrt(2)
    return q * math.sqrt(cells * (cells + 1) / (6 * configs))
