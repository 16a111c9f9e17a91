"""Equivalence of two cells: whether their mean difference lies within a margin said beforehand.

A test that shows no difference proves no equality; two one-sided tests can.
"""

import math
from collections.abc import Iterator, Sequence

from scipy import stats

from cmapss_rul.experiments.schema import ALPHA, Equivalence, MeanInterval, Pair, by_config

MARGIN = 0.5
"""Cycles of RMSE, a *guess* that was fixed before any result: an eighth of the 95 % interval over
100 test engines, which is some 4 cycles wide."""


def equivalence(difference: MeanInterval | None, margin: float = MARGIN) -> Equivalence | None:
    """Test whether a mean difference over seeds lies inside ±margin, by two one-sided t tests.

    p is the larger of P(T ≥ (mean + margin)/se) and P(T ≤ (mean − margin)/se) with n − 1 degrees
    of freedom, se = sd/√n; p < 0.05 exactly where the 90 % interval of the mean lies inside. So
    the smallest margin with p ≤ 0.05 is |mean| + t(0.95, n − 1)·se. Source: Schuirmann 1987, "A
    comparison of the two one-sided tests procedure and the power approach".

    None for fewer than two seeds. Without spread p is 0 inside of the margin and 1 outside.

    >>> test = MeanInterval(n=5, mean=0.1, sd=0.2, interval=None, t=None, p=None)
    >>> round(equivalence(test).smallest_margin, 3)
    0.291
    """
    if difference is None or difference.sd is None:
        return None
    mean, n = difference.mean, difference.n
    error = difference.sd / math.sqrt(n)
    smallest = abs(mean) + float(stats.t.ppf(1 - ALPHA, n - 1)) * error
    if error == 0:
        p = float(abs(mean) >= margin)
    else:
        # the nearer bound decides, and it lies on the side of the mean
        p = float(stats.t.sf((margin - abs(mean)) / error, n - 1))
    return Equivalence(margin=margin, p=p, smallest_margin=smallest)


def equivalence_findings(pairs: Sequence[Pair]) -> Iterator[str]:
    """Say for each configuration which pairs are shown to be the same within the margin."""
    for config, family in by_config(pairs).items():
        found = [(pair, pair.equivalence) for pair in family if pair.equivalence is not None]
        if not found:
            continue
        # smallest margins ascend: those shown to be the same come first
        found.sort(key=lambda item: item[1].smallest_margin)
        same = [
            f"{pair.a} and {pair.b} ({test.smallest_margin:.2f})"
            for pair, test in found
            if test.shown
        ]
        margin, least, most = found[0][1].margin, found[0][1], found[-1][1]
        rest, unit = len(found) - len(same), found[0][0].unit
        shown = f"the same within ±{margin:g} {unit}: {', '.join(same)}" if same else (
            f"no pair shown to be the same within ±{margin:g} {unit}"
        )  # fmt: skip
        of = f"; not shown in {rest} of {len(found)}" if same and rest else ""
        span = f"{least.smallest_margin:.2f} to {most.smallest_margin:.2f} {unit}"
        if len(found) == 1:
            span = f"{least.smallest_margin:.2f} {unit}"
        yield (
            f"{config}: {shown}{of} (two one-sided tests over seeds, after Holm; smallest margin "
            f"of a pair at 5 %: {span})."
        )
