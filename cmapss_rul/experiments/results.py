"""Findings of a comparison: pairs, ranks and optimism, and the files that hold them with the cells.

See `summaries` for how records are read and written.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from scipy import stats

from cmapss_rul.experiments.summaries import CellSummary, JsonRecord, by_config

ALPHA = 0.05
"""Level of the tests, after Holm's correction."""

MARGIN = 0.5
"""Cycles of RMSE within which two cells count as equivalent, a *guess* that was fixed before any
result: an eighth of the 95 % interval over 100 test engines, which is some 4 cycles wide."""


class MeanInterval(JsonRecord):
    """Mean of n values, one a seed; t interval at 95 %; t = mean ÷ (sd/√n); p, two-sided."""

    n: int
    mean: float
    sd: float | None
    interval: tuple[float, float] | None
    t: float | None
    p: float | None


class EngineBootstrap(JsonRecord):
    """The difference of two cells' mean RMSE, a − b in cycles, under resampling of test engines."""

    n: int
    draws: int
    mean: float
    interval: tuple[float, float]
    share_below_0: float


class Equivalence(JsonRecord):
    """Two one-sided t tests of a pair: p of its mean difference lying outside ±margin, cycles.

    A test that shows no difference proves no equality; two one-sided tests can. p is the larger
    of P(T ≥ (mean + margin)/se) and P(T ≤ (mean − margin)/se) with n − 1 degrees of freedom,
    se = sd/√n; p < 0.05 exactly where the 90 % interval of the mean lies inside. So the smallest
    margin with p ≤ 0.05 is |mean| + t(0.95, n − 1)·se. `p_holm` is over the pairs of a
    configuration. Source: Schuirmann 1987, "A comparison of the two one-sided tests procedure and
    the power approach".
    """

    margin: float
    p: float
    smallest_margin: float
    p_holm: float | None = None

    @classmethod
    def of(cls, difference: MeanInterval | None, margin: float = MARGIN) -> "Equivalence | None":
        """Test a mean difference over seeds; None for fewer than two.

        Without spread p is 0 inside of the margin and 1 outside.

        >>> test = MeanInterval(n=5, mean=0.1, sd=0.2, interval=None, t=None, p=None)
        >>> round(Equivalence.of(test).smallest_margin, 3)
        0.291
        """
        if difference is None or difference.sd is None:
            return None
        mean, n = abs(difference.mean), difference.n
        error = difference.sd / math.sqrt(n)
        smallest = mean + float(stats.t.ppf(1 - ALPHA, n - 1)) * error
        # the nearer bound decides, and it lies on the side of the mean
        p = float(stats.t.sf((margin - mean) / error, n - 1)) if error else float(mean >= margin)
        return cls(margin=margin, p=p, smallest_margin=smallest)

    @property
    def shown(self) -> bool:
        """Whether the two are shown to be the same within the margin."""
        return self.p_holm is not None and self.p_holm < ALPHA


class Pair(JsonRecord):
    """Two cells of one configuration, compared by RMSE (last windows, capped labels): a − b.

    A difference is `shown` where it holds over seeds, after Holm's correction over the pairs of
    the configuration, and over test engines. `why_not` is why there is no paired test; `unit` of
    the RMSE is written where it is not cycles.
    """

    config: str
    a: str
    b: str
    leak: str | None
    paired_t: MeanInterval | None
    bootstrap: EngineBootstrap | None
    why_not: str | None = None
    p_holm: float | None = None
    shown: bool = False
    sentence: str = ""
    equivalence: Equivalence | None = None
    unit: str = "cycles"

    @property
    def keys(self) -> set[tuple[str, str]]:
        """Keys of its two cells, see `CellSummary.key`."""
        return {(self.config, self.a), (self.config, self.b)}


class MeanRanks(JsonRecord):
    """Ranks, [config][cell], of the cells that every configuration has; 1 is the lowest RMSE.

    `mean` is [cell], `friedman_p` of all cells being equal, `critical_difference` Nemenyi's at
    95 %, `leaks` the labels with a leak.
    """

    labels: list[str]
    configs: list[str]
    ranks: list[list[float]]
    mean: list[float]
    friedman_p: float | None
    critical_difference: float | None
    leaks: list[str]

    def ascending(self) -> Iterator[tuple[str, float]]:
        """Yield label, marked where its split leaks, and mean rank; the lowest rank first."""
        for mean, label in sorted(zip(self.mean, self.labels, strict=True)):
            yield label + (" (leak)" if label in self.leaks else ""), mean


class OracleOptimism(JsonRecord):
    """Optimism of test-set selection, cycles, over the cells that every seed has."""

    subset: str
    n_seeds: int
    n_cells: int
    optimism: MeanInterval | None
    mark: str
    sentence: str


class LeakOptimism(JsonRecord):
    """Test − validation RMSE of a split by windows, less that of a split by engines, cycles."""

    config: str
    subset: str
    cell: str
    n_seeds: int
    gap_windows: MeanInterval | None
    gap_engines: MeanInterval | None
    optimism: MeanInterval | None
    mark: str
    sentence: str


class GridSummary(JsonRecord):
    """Which grid was compared."""

    digest: str
    seeds: list[int]
    oracle: bool


class MissingRun(JsonRecord):
    """A run that failed, and its error."""

    run: str
    error: str


class Comparison(JsonRecord):
    """The result of a grid, comparison.json; includes cells whose runs all failed."""

    grid: GridSummary
    cells: list[CellSummary]
    pairs: list[Pair]
    ranks: MeanRanks | None
    oracle: list[OracleOptimism] | None
    leak: list[LeakOptimism] | None
    missing: list[MissingRun]
    notes: list[str]

    @property
    def errors(self) -> dict[str, str]:
        """The error of each missing run, by name."""
        return {missing.run: missing.error for missing in self.missing}

    @property
    def shown_ranks(self) -> MeanRanks | None:
        """The ranks if they are to be shown: several configurations, and cells that differ.

        The ranks of one configuration only repeat the order of its RMSE, and ranks of cells of
        which no two differ significantly would present noise as an order.
        """
        if self.ranks is None or len(self.ranks.configs) < 2:
            return None
        ranked = set(self.ranks.labels)
        differ = any(pair.shown and {pair.a, pair.b} <= ranked for pair in self.pairs)
        return self.ranks if differ else None


class Ledger(JsonRecord):
    """The cells of several grids: ledger.json; ranks are over the cells without settings."""

    about: str = ""
    cells: list[CellSummary]
    pairs: list[Pair]
    oracle: list[OracleOptimism]
    leak: list[LeakOptimism]
    ranks: MeanRanks | None = None


_MOST_NAMED = 8
"""So many equivalent pairs are named in a sentence; of more, the number is given."""


def equivalence_findings(
    pairs: Sequence[Pair], headings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Say for each configuration which pairs are shown to be the same within the margin.

    A sentence begins with the configuration, or with what `headings` has for it.
    """
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
        heading = (headings or {}).get(config, config)
        margin, least, most = found[0][1].margin, found[0][1], found[-1][1]
        rest, unit = len(found) - len(same), found[0][0].unit
        shown = f"the same within ±{margin:g} {unit}: {', '.join(same)}"
        if not same:
            shown = f"no pair shown to be the same within ±{margin:g} {unit}"
        elif len(same) > _MOST_NAMED:
            shown = f"the same within ±{margin:g} {unit} in {len(same)} pairs"
        of = f"; not shown in {rest} of {len(found)}" if same and rest else ""
        span = f"{least.smallest_margin:.2f} to {most.smallest_margin:.2f} {unit}"
        if len(found) == 1:
            span = f"{least.smallest_margin:.2f} {unit}"
        yield (
            f"{heading}: {shown}{of} (two one-sided tests over seeds, after Holm; smallest margin "
            f"of a pair at 5 %: {span})."
        )
