"""Error and coverage broken down by true RUL, operating condition and health class."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cmapss_rul.data.labels import health_class_names
from cmapss_rul.display.plotting import COLOURS, MARKERS, legend_below
from cmapss_rul.display.table import Table
from cmapss_rul.evaluation.intervals import IntervalResults
from cmapss_rul.evaluation.results import Evaluation
from cmapss_rul.evaluation.tables import WINDOWS, number, window_names
from cmapss_rul.metrics.coverage import Coverage
from cmapss_rul.metrics.regression import band_name, in_band, regression_metrics, rul_bands
from cmapss_rul.reports.rul_plots import WIDTH
from cmapss_rul.training.trained_model import TrainedModel

Groups = dict[str, NDArray[np.int64]]
"""Name of a group of windows → row indices in the test file."""


def group_by_rul(evaluation: Evaluation, rows: NDArray[np.int64]) -> Groups:
    """Group rows by their raw true RUL; empty bands are left out."""
    raw = evaluation.truth.raw[rows]
    bands = {
        band_name(low, below): rows[in_band(raw, low, below)]
        for low, below in rul_bands(evaluation.protocol.cap)
    }
    return {name: group for name, group in bands.items() if len(group)}


def group_by_condition(model: TrainedModel, evaluation: Evaluation) -> Groups:
    """Group every window by the operating condition at its last cycle.

    A condition is named by its key, for C-MAPSS its rounded settings; a condition that does not
    occur in the training data is assigned to the nearest one.
    """
    condition = model.preprocessor.condition(evaluation.fleet)
    table = model.preprocessor.conditions.table
    return {
        ", ".join(f"{key:g}" for key in table[index]) or "all": np.flatnonzero(condition == index)
        for index in np.unique(condition)
    }


def group_table(evaluation: Evaluation, panels: dict[str, Groups], heading: str) -> Table:
    """Tabulate number of windows, RMSE and bias per group, capped labels.

    `panels`: title → groups, as plotted; a group missing in a panel is shown as empty.
    """
    # the panel with most groups defines the order of the names
    fullest = sorted(panels.values(), key=len, reverse=True)
    names = dict.fromkeys(name for groups in fullest for name in groups)
    rows = []
    for name in names:
        entries = (_group_entries(evaluation, groups, name) for groups in panels.values())
        rows.append([name, *itertools.chain(*entries)])
    head = [column for title in panels for column in (f"{title}: n", "RMSE", "bias")]
    title = f"RMSE and bias in {evaluation.protocol.unit}, capped labels"
    return Table(title, [heading, *head], rows)


def _group_entries(evaluation: Evaluation, groups: Groups, name: str) -> list[str]:
    rows = groups.get(name)
    if rows is None:
        return ["0", "–", "–"]
    metrics = regression_metrics(evaluation.predictions.rul[rows], evaluation.truth.capped[rows])
    return [f"{len(rows):,}", number(metrics.rmse, 2), number(metrics.bias, 2)]


def plot_error_boxes(evaluation: Evaluation, panels: dict[str, Groups], label: str) -> Figure:
    """Draw box plots of the error in each group: quartiles, whiskers over 90 % of the windows."""
    most = max(map(len, panels.values()))
    figure = Figure(figsize=(WIDTH, len(panels) * (1.3 + 0.25 * most)), layout="constrained")
    error = evaluation.predictions.rul - evaluation.truth.capped
    for axes, (title, groups) in zip(
        figure.subplots(len(panels), 1, squeeze=False, sharex=True).flatten(),
        panels.items(),
        strict=True,
    ):
        _draw_boxes(axes, [error[rows] for rows in groups.values()], list(groups))
        axes.set_title(title)
        axes.set_ylabel(label)
    axes.set_xlabel(f"predicted − true RUL, {evaluation.protocol.unit} (right of 0: too late)")
    return figure


def _draw_boxes(axes: Axes, errors: Sequence[NDArray[np.float64]], names: Sequence[str]) -> None:
    axes.axvline(0, color="k", linewidth=1)
    # no outliers: a tenth of the windows as points would merge into a black bar
    axes.boxplot(
        errors, orientation="horizontal", whis=(5, 95), showfliers=False, widths=0.6,
        patch_artist=True, boxprops={"facecolor": COLOURS[6]}, medianprops={"color": "k"},
    )  # fmt: skip
    counts = [f"{name}  (n = {len(error):,})" for name, error in zip(names, errors, strict=True)]
    axes.set_yticks(range(1, len(names) + 1), counts)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")


def plot_confusion(evaluation: Evaluation) -> Figure:
    """Plot the confusion matrices of last and of every window, shaded by the share of each row."""
    protocol = evaluation.protocol
    names = health_class_names(protocol.boundaries, protocol.cap)
    size = 0.9 + 0.42 * len(names)
    figure = Figure(figsize=(WIDTH, size + 0.6), layout="constrained")
    where = protocol.scored_at.removeprefix("the ")
    panels = [(where, evaluation.health.last), ("every window", evaluation.health.every)]
    panels = panels[: len(window_names(evaluation))]
    axes_of_panels = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0].tolist()
    for axes, (title, health) in zip(axes_of_panels, panels, strict=True):
        _draw_matrix(axes, np.array(health.confusion_matrix), names)
        axes.set_title(title)
        axes.set_xlabel("predicted class")
    figure.axes[0].set_ylabel(f"true class (RUL, {protocol.unit})")
    return figure


def _draw_matrix(axes: Axes, matrix: NDArray[Any], names: Sequence[str]) -> None:
    totals = matrix.sum(axis=1, keepdims=True)
    # a class without windows is a row of zeros, not of NaN
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(matrix):
        ink = "w" if shares[row, column] > 0.55 else "k"  # legible on dark blue
        text = f"{count:,}\n{shares[row, column]:.0%}" if totals[row] else "0"
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=8)
    labels = [name.replace(" (", "\n(") for name in names]
    axes.set_xticks(range(len(names)), labels, fontsize=7)
    axes.set_yticks(range(len(names)), labels, fontsize=7)
    axes.grid(visible=False)


def plot_coverage(
    intervals: IntervalResults, unit: str, names: Mapping[str, str] = WINDOWS
) -> Figure:
    """Plot coverage by level of the intervals, and by band of true RUL."""
    figure = Figure(figsize=(WIDTH, 5.6), layout="constrained")
    by_level, by_band = figure.subplots(2, 1)
    levels = np.array([found.level for found in intervals.coverage])
    lowest = levels.min() - 0.03
    by_level.plot([lowest, 1], [lowest, 1], "k--", linewidth=1)
    main = intervals.main
    for style, (windows, label) in enumerate(names.items()):
        side = 2 * style - 1  # left or right of the tick: error bars must not overlap
        found = [getattr(level, windows).capped for level in intervals.coverage]
        _draw_coverage(by_level, levels + 0.003 * side, found, style, label)
        bands = enumerate(getattr(main, windows).bands)
        there = [(place, band.capped) for place, band in bands if band.capped is not None]
        places = np.array([place for place, _ in there]) + 0.12 * side
        _draw_coverage(by_band, places, [found for _, found in there], style)
    by_level.set_xlabel("level of the interval (dashed: coverage equals the level)")
    by_level.set_xticks(levels)
    by_band.axhline(main.level, color="k", linestyle="--", linewidth=1)
    bands_named = [band_name(band.low, band.below) for band in main.last.bands]
    by_band.set_xticks(range(len(bands_named)), bands_named)
    by_band.set_xlabel(f"true RUL, {unit} (level {main.level:g}, dashed)")
    for axes in (by_level, by_band):
        axes.set_ylabel("coverage,\nshare of engines")
    legend_below(figure, by_level, 2)
    return figure


def _draw_coverage(
    axes: Axes,
    places: NDArray[np.float64],
    found: Sequence[Coverage],
    style: int,
    label: str | None = None,
) -> None:
    """Draw coverages with their 95 % binomial intervals."""
    share = np.array([one.coverage for one in found])
    bounds = np.array([one.interval for one in found])
    # rounding may place the upper bound of a coverage of 1 slightly below 1
    length = np.clip(np.stack([share - bounds[:, 0], bounds[:, 1] - share]), 0, None)
    axes.errorbar(
        places, share, yerr=length, fmt=MARKERS[style], color=COLOURS[style], markersize=5,
        capsize=3, label=label,
    )  # fmt: skip
