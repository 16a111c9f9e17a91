"""Plots of a comparison, as PNG and SVG.

A cell has the same colour, dashes and marker in all plots.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cmapss_rul.display.plotting import (
    COLOURS,
    DASHES,
    MARKERS,
    legend_below,
    log_scale,
    save,
    whole_numbers,
    wrapped,
)
from cmapss_rul.experiments.oracle import MARK
from cmapss_rul.experiments.results import Comparison
from cmapss_rul.experiments.summaries import CellSummary, RunSummary, by_config, marked_label
from cmapss_rul.training.reporters import Row

_ROW_HEIGHT = 0.42
"""Height of a row of points, inches."""

Histories = Mapping[str, Sequence[Row]]
"""Rows of metrics.csv, by name of the run."""


class Style(NamedTuple):
    """Line and marker style of a cell."""

    colour: str
    dash: Any
    marker: str


def draw(comparison: Comparison, histories: Histories, folder: Path) -> list[Path]:
    """Save all plots for which the comparison has data; return the files.

    Files of other plots, from an earlier comparison, are removed.
    """
    plots: dict[str, Callable[[], Figure | None]] = {
        "rmse_by_balancer": partial(plot_rmse, comparison),
        "learning_curves": partial(plot_learning_curves, comparison, histories),
        "weights": partial(plot_weights, comparison, histories),
        "ranks": partial(plot_ranks, comparison),
        "oracle": partial(plot_oracle_optimism, comparison),
    }
    return [path for name, plot in plots.items() for path in save(plot, folder, name)]


def plot_rmse(comparison: Comparison) -> Figure:
    """Plot one point per seed, and a bar at the mean; last windows, capped labels."""
    title = "Test RMSE, last windows, capped labels"
    return _plot_by_cell(comparison, title, "RMSE, {unit}", lambda run: run.rmse)


def plot_oracle_optimism(comparison: Comparison) -> Figure | None:
    """Plot the optimism of selecting the epoch on the test set, one point per run."""
    if not comparison.grid.oracle:
        return None
    title = f"Optimism of choosing the epoch on the test set ({MARK})"
    label = "RMSE − best test epoch's RMSE, {unit}"
    return _plot_by_cell(comparison, title, label, lambda run: run.oracle_optimism)


def _plot_by_cell(
    comparison: Comparison, title: str, label: str, metric: Callable[[RunSummary], float | None]
) -> Figure:
    groups = by_config(comparison.cells)
    rows = max(len(cells) for cells in groups.values())
    height = 0.9 + _ROW_HEIGHT * rows
    figure, panels = _panels(comparison, title, len(groups), height)
    styles = _styles(comparison)
    for axes, (config, cells) in zip(panels, groups.items(), strict=False):
        for row, cell in enumerate(cells):
            # without values that are not finite
            values = [value for value in map(metric, cell.runs) if value is not None]
            style = styles[cell.label]
            # vertical offsets, so that equal values of seeds do not overlap
            offsets = np.linspace(-0.2, 0.2, len(values)) if len(values) > 1 else [0.0]
            axes.plot(
                values, row + np.asarray(offsets[: len(values)]), style.marker,
                color=style.colour, markersize=5, alpha=0.75, linestyle="none",
            )  # fmt: skip
            if values:
                axes.plot(
                    [np.mean(values)] * 2, [row - 0.34, row + 0.34], "k", linewidth=2, zorder=1
                )
        axes.set_yticks(range(len(cells)), [wrapped(marked_label(cell)) for cell in cells])
        axes.set_ylim(len(cells) - 0.5, -0.5)  # descending: the first cell on top
        axes.set_xlabel(label.format(unit=cells[0].unit))
        axes.ticklabel_format(axis="x", style="plain", useOffset=False)
        axes.set_title(_heading(config, cells[0]))
    return figure


def plot_learning_curves(comparison: Comparison, histories: Histories) -> Figure:
    """Plot the validation RMSE over epochs: thin lines for seeds, a thick line for their mean."""
    title = "Learning curves"
    columns = {"val_rmse": "validation RMSE, {unit}"}
    return _plot_curves(comparison, histories, title, columns, 2.9)


def plot_weights(comparison: Comparison, histories: Histories) -> Figure:
    """Plot the weights of the losses (the factors of their gradients), epoch means, log scale."""
    title = "Weights of the two losses, epoch means"
    columns = {"weight_rul": "weight of the RUL loss", "weight_health": "weight of the health loss"}
    figure = _plot_curves(comparison, histories, title, columns, 2.6)
    for axes in figure.axes:
        log_scale(axes)
    return figure


def _plot_curves(
    comparison: Comparison,
    histories: Histories,
    title: str,
    columns: Mapping[str, str],
    height: float,
) -> Figure:
    """Draw a panel for each configuration and column of metrics.csv; `columns` has axis labels."""
    groups = by_config(comparison.cells)
    figure, panels = _panels(comparison, title, len(columns) * len(groups), height, legend=True)
    panel = iter(panels)
    for config, cells in groups.items():
        for column, label in columns.items():
            axes = next(panel)
            _draw_curves(axes, comparison, cells, histories, column)
            axes.set_xlabel("epoch")
            axes.set_ylabel(label.format(unit=cells[0].unit))
            axes.set_title(_heading(config, cells[0]))
    return figure


def plot_ranks(comparison: Comparison) -> Figure | None:
    """Plot the mean rank of each cell over configurations, with Nemenyi's critical difference."""
    ranks = comparison.shown_ranks
    if ranks is None:
        return None
    order = np.argsort(ranks.mean, kind="stable")  # ties in the order of the grid
    height = 1.7 + _ROW_HEIGHT * len(order)
    figure, (axes,) = _panels(comparison, "Ranks by mean RMSE; 1 is the lowest", 1, height)
    styles = _styles(comparison)
    for row, cell in enumerate(order):
        label = ranks.labels[cell]
        axes.plot(ranks.mean[cell], row, "D", color=styles[label].colour, markersize=9)
        for config, of_config in enumerate(ranks.ranks):
            place = row + 0.2 + 0.2 * config / len(ranks.ranks)
            axes.plot(
                of_config[cell], place, MARKERS[config % len(MARKERS)], color="#444444",
                markersize=5, markerfacecolor="none",
            )  # fmt: skip
    names = [label + " (leak)" * (label in ranks.leaks) for label in ranks.labels]
    axes.set_yticks(range(len(order)), [wrapped(names[cell]) for cell in order])
    axes.set_xlim(0.7, len(order) + 0.3)
    axes.set_xticks(range(1, len(order) + 1))
    axes.set_xlabel("rank (filled: mean over configurations; open: one configuration)")
    _draw_critical_difference(axes, ranks.critical_difference, len(order))
    handles = [
        Line2D([], [], color="#444444", marker=MARKERS[i % len(MARKERS)], linestyle="none",
               markerfacecolor="none", label=config)
        for i, config in enumerate(ranks.configs)
    ]  # fmt: skip
    legend_below(figure, handles)
    return figure


def _draw_critical_difference(axes: Axes, width: float | None, rows: int) -> None:
    """Draw the critical difference of two mean ranks as a bar above the rows."""
    axes.set_ylim(rows - 0.5, -1.4 if width else -0.5)  # descending: the best rank on top
    if width is None:
        return
    end = min(1 + width, rows + 0.3)
    axes.plot([1, end], [-0.75, -0.75], "k", linewidth=2, marker="|", markersize=8)
    beyond = ", beyond the axis" if end < 1 + width else ""
    axes.text(1, -0.95, f"critical difference {width:.2f} (95 %){beyond}", va="bottom")


# ---- parts ---------------------------------------------------------------------------------


def _panels(
    comparison: Comparison, title: str, count: int, height: float, *, legend: bool = False
) -> tuple[Figure, list[Axes]]:
    """Create a figure with panels, title, marks and, optionally, a legend of the cells."""
    columns = min(2, count)
    rows = math.ceil(count / columns)
    styles = _styles(comparison)
    lines = math.ceil(len(styles) / 2) if legend else 0
    size = (6.4 if columns == 1 else 9.6, height * rows + 0.22 * lines + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for axes in panels[count:]:
        axes.remove()
    # include the marks, since plots are often used without their report
    marks = [note for note in comparison.notes if note.startswith(("data:", "cells"))]
    width = 60 if columns == 1 else 95
    figure.suptitle("\n".join(wrapped(line, width) for line in (title, *marks)))
    if legend:
        names = {cell.label: wrapped(marked_label(cell), 60) for cell in comparison.cells}
        handles = [
            Line2D([], [], color=style.colour, linestyle=style.dash, linewidth=2, label=names[cell])
            for cell, style in styles.items()
        ]
        legend_below(figure, handles, 2)
    return figure, panels[:count]


def _draw_curves(
    axes: Axes,
    comparison: Comparison,
    cells: Sequence[CellSummary],
    histories: Histories,
    column: str,
) -> None:
    styles = _styles(comparison)
    for cell in cells:
        style = styles[cell.label]
        runs = [
            [float(row[column]) for row in histories[run.run]]
            for run in cell.runs
            if run.run in histories
        ]
        for values in runs:
            axes.plot(
                range(1, len(values) + 1), values, color=style.colour, linewidth=0.7, alpha=0.4
            )
        if runs:
            # mean over the remaining seeds, since early stopping ends them at different epochs
            mean = [
                float(np.mean([values[epoch] for values in runs if epoch < len(values)]))
                for epoch in range(max(map(len, runs)))
            ]
            axes.plot(
                range(1, len(mean) + 1), mean, color=style.colour, linestyle=style.dash,
                linewidth=2, marker="o" if len(mean) == 1 else None,
            )  # fmt: skip
    whole_numbers(axes)


def _styles(comparison: Comparison) -> dict[str, Style]:
    styles: dict[str, Style] = {}
    for i, label in enumerate(dict.fromkeys(cell.label for cell in comparison.cells)):
        # shift after each cycle of colours, so that styles are unique
        shifted = i + i // len(COLOURS)
        dash, marker = DASHES[shifted % len(DASHES)], MARKERS[shifted % len(MARKERS)]
        styles[label] = Style(COLOURS[i % len(COLOURS)], dash, marker)
    return styles


def _heading(config: str, cell: CellSummary) -> str:
    return config if config.upper() == cell.subset else f"{config} ({cell.subset})"
