"""Typed results of a comparison: pairs, ranks, optimism; and the comparison and ledger files.

See `summaries` for reading and writing of records.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

from scipy import stats

from cmapss_rul.experiments.summaries import CellSummary, JsonRecord, by_config

ALPHA = 0.05
"""Significance level of the tests, after Holm's correction."""

MARGIN = 0.5
"""Equivalence margin of the RMSE, cycles. A *guess*, fixed before any result: an eighth of the
width of the 95 % interval over 100 test engines, some 4 cycles."""


class MeanInterval(JsonRecord):
    """Mean of n values, one per seed, with 95 % t interval and two-sided t test of mean 0."""

    n: int
    mean: float
    sd: float | None
    interval: tuple[float, float] | None
    t: float | None
    p: float | None


class EngineBootstrap(JsonRecord):
    """Bootstrap over test engines of the difference of two cells' mean RMSE, a − b, cycles."""

    n: int
    draws: int
    mean: float
    interval: tuple[float, float]
    share_below_0: float


class Equivalence(JsonRecord):
    """Equivalence test of a pair: two one-sided t tests (TOST) with ±margin, cycles.

    A non-significant difference does not show equality, but an equivalence test can. p is the
    larger of P(T ≥ (mean + margin)/se) and P(T ≤ (mean − margin)/se) with n − 1 degrees of
    freedom, se = sd/√n; p < 0.05 if and only if the 90 % interval of the mean is within the
    margin. So the smallest margin with p ≤ 0.05 is |mean| + t(0.95, n − 1)·se. `p_holm` is
    corrected over the pairs of a configuration. Source: Schuirmann 1987, "A comparison of the two
    one-sided tests procedure and the power approach".
    """

    margin: float
    p: float
    smallest_margin: float
    p_holm: float | None = None

    @classmethod
    def of(cls, difference: MeanInterval | None, margin: float = MARGIN) -> "Equivalence | None":
        """Test a mean difference over seeds; None for fewer than two seeds.

        Without spread, p is 0 within the margin and 1 outside.

        >>> test = MeanInterval(n=5, mean=0.1, sd=0.2, interval=None, t=None, p=None)
        >>> round(Equivalence.of(test).smallest_margin, 3)
        0.291
        """
        if difference is None or difference.sd is None:
            return None
        mean, n = abs(difference.mean), difference.n
        error = difference.sd / math.sqrt(n)
        smallest = mean + float(stats.t.ppf(1 - ALPHA, n - 1)) * error
        # the larger p is that of the bound on the side of the mean
        p = float(stats.t.sf((margin - mean) / error, n - 1)) if error else float(mean >= margin)
        return cls(margin=margin, p=p, smallest_margin=smallest)

    @property
    def shown(self) -> bool:
        """Whether equivalence within the margin is shown."""
        return self.p_holm is not None and self.p_holm < ALPHA


class Pair(JsonRecord):
    """Comparison of two cells of a configuration by RMSE (last windows, capped labels): a − b.

    A difference is `shown` if it is significant over seeds, after Holm's correction over the pairs
    of the configuration, and over test engines. `why_not` is the reason for a missing paired test;
    `unit` of the RMSE is written only if it is not cycles.
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
        """Keys of the two cells; see `CellSummary.key`."""
        return {(self.config, self.a), (self.config, self.b)}


class MeanRanks(JsonRecord):
    """Ranks [config][cell] of the cells that all configurations have; 1 is the lowest RMSE.

    `mean` is [cell], `friedman_p` the p-value of Friedman's test, `critical_difference` Nemenyi's
    at 95 %, and `leaks` the labels with a leak.
    """

    labels: list[str]
    configs: list[str]
    ranks: list[list[float]]
    mean: list[float]
    friedman_p: float | None
    critical_difference: float | None
    leaks: list[str]

    def ascending(self) -> Iterator[tuple[str, float]]:
        """Yield label, marked if its split leaks, and mean rank; the lowest rank first."""
        for mean, label in sorted(zip(self.mean, self.labels, strict=True)):
            yield label + (" (leak)" if label in self.leaks else ""), mean


class OracleOptimism(JsonRecord):
    """Optimism of test-set selection, cycles, over the cells that all seeds have."""

    subset: str
    n_seeds: int
    n_cells: int
    optimism: MeanInterval | None
    mark: str
    sentence: str


class LeakOptimism(JsonRecord):
    """Test − validation RMSE of a split by windows, minus that of a split by engines, cycles."""

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
    """Identity of the compared grid."""

    digest: str
    seeds: list[int]
    oracle: bool


class MissingRun(JsonRecord):
    """A failed run, and its error."""

    run: str
    error: str


class Comparison(JsonRecord):
    """Result of a grid, comparison.json; includes cells whose runs all failed."""

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
        """Errors of the missing runs, by name."""
        return {missing.run: missing.error for missing in self.missing}

    @property
    def shown_ranks(self) -> MeanRanks | None:
        """The ranks, if informative: over several configurations, with significant differences.

        Ranks in one configuration only repeat the order of the RMSE, and ranks without any
        significant difference present noise as an order.
        """
        if self.ranks is None or len(self.ranks.configs) < 2:
            return None
        ranked = set(self.ranks.labels)
        differ = any(pair.shown and {pair.a, pair.b} <= ranked for pair in self.pairs)
        return self.ranks if differ else None


class Ledger(JsonRecord):
    """The cells of several grids, ledger.json; ranks are over the cells without settings."""

    about: str = ""
    cells: list[CellSummary]
    pairs: list[Pair]
    oracle: list[OracleOptimism]
    leak: list[LeakOptimism]
    ranks: MeanRanks | None = None


_MOST_NAMED = 8
"""Maximum number of equivalent pairs named in a sentence; of more, only the number is given."""


def equivalence_findings(
    pairs: Sequence[Pair], headings: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Yield a sentence per configuration about the pairs that are equivalent within the margin.

    It begins with the configuration, or with its entry in `headings`.
    """
    for config, family in by_config(pairs).items():
        found = [(pair, pair.equivalence) for pair in family if pair.equivalence is not None]
        if not found:
            continue
        # ascending margins, so that equivalent pairs come first
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
