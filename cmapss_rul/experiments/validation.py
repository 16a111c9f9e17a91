"""Comparison by validation metrics only (`rul compare --validation-only`), without test files.

Runs are paired by split and seed. Splits share engines, so differences over splits are not
independent, and are tested with the corrected resampled t test.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cmapss_rul.display.table import terminal_text, to_terminal
from cmapss_rul.experiments.grid import Cell, Grid, GridRun
from cmapss_rul.experiments.identity import as_text
from cmapss_rul.experiments.results import ALPHA, GridSummary, MeanInterval, MissingRun
from cmapss_rul.experiments.runs import History
from cmapss_rul.experiments.statistics import holm, mean_interval, resampled_interval
from cmapss_rul.experiments.summaries import JsonRecord, Spread, join_units, other_unit
from cmapss_rul.experiments.table import grouped_table, pair_findings, show_spread

if TYPE_CHECKING:  # rich takes a tenth of a second to import
    from rich.console import RenderableType

RESULT = "validation.json"
"""File in a comparison's folder."""

METRICS = {"val_cut_rmse": "RMSE at random cuts", "val_cut_nasa": "NASA score at random cuts"}
"""Names of the tested metrics, by column of metrics.csv."""

_SPLIT = "split.seed"


class ValidationRun(JsonRecord):
    """A run at its selected epoch: RMSE in cycles, NASA scores as means over windows.

    `split` is the seed of the split.
    """

    run: str
    split: int
    seed: int
    epochs: int
    best_epoch: int
    val_rmse: float
    val_nasa: float
    val_cut_rmse: float
    val_cut_nasa: float
    seconds: float


class ValidationCell(JsonRecord):
    """A configuration with its settings except the split; spreads are over all its runs."""

    config: str
    subset: str
    label: str
    leak: str | None
    auxiliary: list[str]
    selected_by: str
    folds: int | None = None
    splits: int
    seeds: int
    val_rmse: Spread
    val_cut_rmse: Spread
    val_cut_nasa: Spread
    best_epoch: Spread
    seconds: Spread
    runs: list[ValidationRun]
    unit: str = "cycles"

    @property
    def name(self) -> str:
        """Configuration and label, unique in a comparison."""
        return f"{self.config} {self.label}"


class ValidationPair(JsonRecord):
    """Comparison of two cells of a subset: a − b in a metric, paired by split and seed.

    With several splits, `difference` is over splits, each averaged over its seeds, with the
    corrected test; with one split, it is over seeds. `p_holm` is over the pairs of a subset.
    """

    subset: str
    metric: str
    a: str
    b: str
    splits: int
    seeds: int
    difference: MeanInterval | None
    p_holm: float | None = None

    @property
    def shown(self) -> bool:
        """Whether a difference is shown."""
        return self.p_holm is not None and self.p_holm < ALPHA

    @property
    def sentence(self) -> str:
        """Finding of the pair."""
        d, name = self.difference, METRICS[self.metric]
        if d is None or d.interval is None or self.p_holm is None:
            return f"{self.subset}: no test of {self.a} against {self.b}: fewer than two runs"
        lower, higher = (self.a, self.b) if d.mean < 0 else (self.b, self.a)
        verdict = f"{lower} has a lower {name} than {higher}"
        if not self.shown:
            verdict = f"no difference shown in {name} between {self.a} and {self.b}"
        low, high = d.interval
        over = f"{self.splits} splits" if self.splits > 1 else f"{self.seeds} seeds of one split"
        return (
            f"{self.subset}: {verdict} (difference {d.mean:+z.2f}, 95 % interval {low:+z.2f} to "
            f"{high:+z.2f} over {over}, p = {self.p_holm:.3f} after Holm)."
        )


class ValidationComparison(JsonRecord):
    """A grid compared by validation: validation.json."""

    grid: GridSummary
    cells: list[ValidationCell]
    pairs: list[ValidationPair]
    missing: list[MissingRun]
    notes: list[str]

    @property
    def errors(self) -> dict[str, str]:
        """The error of each missing run, by name."""
        return {missing.run: missing.error for missing in self.missing}


def compare_by_validation(
    grid: Grid, histories: Mapping[str, History], errors: Mapping[str, str]
) -> ValidationComparison:
    """Compare the cells of a grid by the validation metrics of their selected epochs."""
    groups: dict[tuple[str, str], list[GridRun]] = {}
    for run in grid.runs:
        if run.name in histories:
            groups.setdefault((run.cell.config, _label(run.cell)), []).append(run)
    cells = [_summarise(label, runs, histories) for (_, label), runs in groups.items()]
    # of any run: the runs of a cell differ in seed and split.seed only
    ratios = {cell.name: _ratio(runs[0]) for cell, runs in zip(cells, groups.values(), strict=True)}
    return ValidationComparison(
        grid=GridSummary(digest=grid.digest, seeds=grid.seeds, oracle=grid.oracle),
        cells=cells,
        pairs=list(_pairs(cells, ratios)),
        missing=[MissingRun(run=name, error=error) for name, error in errors.items()],
        notes=list(_notes(cells, grid)),
    )


def _label(cell: Cell) -> str:
    settings = [f"{key}={as_text(value)}" for key, value in cell.settings.items() if key != _SPLIT]
    return " ".join([cell.balancer, *settings])


def _summarise(
    label: str, runs: Sequence[GridRun], histories: Mapping[str, History]
) -> ValidationCell:
    summaries = [_summarise_run(run, histories[run.name]) for run in runs]

    def spread(name: str) -> Spread:
        return Spread.of([getattr(run, name) for run in summaries])

    cell = runs[0].cell
    return ValidationCell(
        config=cell.config,
        subset=cell.subset,
        label=label,
        leak=cell.leak,
        auxiliary=list(cell.resolved.data.auxiliary),
        selected_by=cell.resolved.train.select,
        folds=cell.resolved.split.folds if cell.resolved.split.is_ensemble else None,
        splits=len({run.split for run in summaries}),
        seeds=len({run.seed for run in summaries}),
        val_rmse=spread("val_rmse"),
        val_cut_rmse=spread("val_cut_rmse"),
        val_cut_nasa=spread("val_cut_nasa"),
        best_epoch=spread("best_epoch"),
        seconds=spread("seconds"),
        runs=summaries,
        **other_unit([cell.resolved.data.unit]),
    )


def _summarise_run(run: GridRun, history: History) -> ValidationRun:
    best, split = history.best, run.config.split.seed
    names = ("val_rmse", "val_nasa", *METRICS)
    return ValidationRun(
        run=run.name,
        split=run.seed if split is None else split,  # null means the seed of the run
        seed=run.seed,
        epochs=len(history.rows),
        best_epoch=history.best_epoch,
        seconds=round(sum(row["seconds"] for row in history.rows), 3),
        **{name: float(best[name]) for name in names},
    )


def _ratio(run: GridRun) -> float:
    """Validation engines per training engine."""
    split = run.config.split
    if split.folds is not None:
        return 1 / (split.folds - 1)
    return split.validation / (1 - split.validation - split.calibration)


def _pairs(
    cells: Sequence[ValidationCell], ratios: Mapping[str, float]
) -> Iterator[ValidationPair]:
    """Yield the pairs within each subset, in each metric, with p-values after Holm."""
    # ensembles separately: their networks validate on all engines, single ones on a share
    groups = dict.fromkeys((cell.subset, cell.folds) for cell in cells)
    for (subset, folds), metric in itertools.product(groups, METRICS):
        of_subset = [cell for cell in cells if (cell.subset, cell.folds) == (subset, folds)]
        pairs = [
            _pair(a, b, metric, ratios[a.name]) for a, b in itertools.combinations(of_subset, 2)
        ]
        tests = [pair.difference for pair in pairs]
        adjusted = holm([None if test is None else test.p for test in tests])
        for pair, p in zip(pairs, adjusted, strict=True):
            yield pair.model_copy(update={"p_holm": p})


def _pair(a: ValidationCell, b: ValidationCell, metric: str, ratio: float) -> ValidationPair:
    values = [{(run.split, run.seed): getattr(run, metric) for run in cell.runs} for cell in (a, b)]
    by_split: dict[int, list[float]] = {}
    for split, seed in sorted(values[0].keys() & values[1].keys()):
        difference = values[0][split, seed] - values[1][split, seed]
        by_split.setdefault(split, []).append(difference)
    if len(by_split) > 1:  # a split is one observation, since its seeds share engines
        interval = resampled_interval([float(np.mean(d)) for d in by_split.values()], ratio)
    else:
        interval = mean_interval([d for part in by_split.values() for d in part])
    return ValidationPair(
        subset=a.subset, metric=metric, a=a.name, b=b.name, splits=len(by_split),
        seeds=max(map(len, by_split.values()), default=0), difference=interval,
    )  # fmt: skip


def _notes(cells: Sequence[ValidationCell], grid: Grid) -> Iterator[str]:
    if any(cell.leak for cell in grid.cells):
        yield "cells with a split by windows validate on training engines: a leak"
    if any(cell.folds for cell in cells):
        yield (
            "ensembles: out-of-fold metrics of single networks; no engine is left to validate "
            "their mean"
        )
    if any(cell.splits == 1 for cell in cells):
        yield "one split: differences may be specific to its validation engines; vary split.seed"


COLUMNS: Mapping[str, Callable[[ValidationCell], str]] = {
    "splits × seeds": lambda cell: f"{cell.splits} × {cell.seeds}",
    "cut RMSE": lambda cell: show_spread(cell.val_cut_rmse, 2),
    "cut NASA": lambda cell: show_spread(cell.val_cut_nasa, 2),
    "every cycle": lambda cell: show_spread(cell.val_rmse, 2),
    "epoch": lambda cell: show_spread(cell.best_epoch, 0),
    "seconds": lambda cell: show_spread(cell.seconds, 0),
}


def render(comparison: ValidationComparison) -> "RenderableType":
    """Render the comparison for the terminal."""
    from rich.console import Group

    title = f"grid {comparison.grid.digest}"
    unit = join_units(cell.unit for cell in comparison.cells)
    return Group(
        to_terminal(grouped_table(comparison.cells, COLUMNS, title)),
        terminal_text(
            "Validation engines only, at the epoch selected by train.select; no test file was "
            f"opened. Cut: engines truncated at a random cycle from 20 on, RMSE in {unit} and mean "
            "NASA score; every cycle: RMSE over all windows. Capped labels, mean ± sd over runs."
        ),
        *map(terminal_text, pair_findings(comparison.pairs, "validation.json has each")),
        *(terminal_text(f"note: {note}") for note in comparison.notes),
    )
