"""The pictures of a comparison, as PNG and SVG.

Cells keep one colour, dash and marker through all pictures.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cmapss_rul.display.plotting import (
    COLOURS,
    DASHES,
    MARKERS,
    log_scale,
    save,
    whole_numbers,
    wrapped,
)
from cmapss_rul.experiments.cells import Cell
from cmapss_rul.experiments.comparison import Comparison
from cmapss_rul.experiments.oracle import MARK
from cmapss_rul.experiments.results import Result

_ROW = 0.42
"""Inches of height for a row of points."""


@dataclass(frozen=True)
class Style:
    """How a cell is drawn."""

    colour: str
    dash: Any
    marker: str


def draw(comparison: Comparison, folder: Path) -> list[Path]:
    """Draw every picture that the comparison has data for; take away those it has none for.

    Args:
        comparison: with at least one result.
        folder: where the files go.

    Returns:
        The files that were written.
    """
    pictures: dict[str, Callable[[Comparison], Figure | None]] = {
        "rmse_by_balancer": rmse_by_balancer,
        "learning_curves": learning_curves,
        "weights": weights_over_time,
        "ranks": mean_ranks,
        "oracle": oracle_optimism,
    }
    return [
        path
        for name, picture in pictures.items()
        for path in save(partial(picture, comparison), folder, name)
    ]


def rmse_by_balancer(comparison: Comparison) -> Figure:
    """Every seed as a point, the mean as a bar; last windows, capped labels."""
    title = "Test RMSE: last windows, capped labels; a point is a seed, the bar their mean"
    return _by_cell(comparison, title, "RMSE, cycles", lambda result: result.rmse)


def oracle_optimism(comparison: Comparison) -> Figure | None:
    """By how much choosing the epoch on the test set lowers RMSE; a point is a run."""
    if not comparison.grid.oracle:
        return None
    title = f"Optimism of choosing the epoch on the test set ({MARK})"
    label = "RMSE − best test epoch's RMSE, cycles"
    return _by_cell(comparison, title, label, lambda result: result.oracle_optimism or 0.0)


def _by_cell(
    comparison: Comparison, title: str, label: str, figure_of: Callable[[Result], float]
) -> Figure:
    groups = _groups(comparison)
    rows = max(len(cells) for cells in groups.values())
    figure, panels = _panels(comparison, title, min(2, len(groups)), 0.9 + _ROW * rows, False)
    styles = _styles(comparison)
    for axes, (config, cells) in zip(panels, groups.items(), strict=False):
        for row, cell in enumerate(cells):
            figures = [figure_of(result) for result in comparison.of(cell)]
            style = styles[cell.label]
            offsets = np.linspace(-0.2, 0.2, len(figures)) if len(figures) > 1 else [0.0]
            axes.plot(
                figures, row + np.asarray(offsets[: len(figures)]), style.marker,
                color=style.colour, markersize=5, alpha=0.75, linestyle="none",
            )  # fmt: skip
            if figures:
                axes.plot(
                    [np.mean(figures)] * 2, [row - 0.34, row + 0.34], "k", linewidth=2, zorder=1
                )
        axes.set_yticks(range(len(cells)), [wrapped(_shown(cell)) for cell in cells])
        axes.set_ylim(len(cells) - 0.5, -0.5)
        axes.set_xlabel(label)
        axes.ticklabel_format(axis="x", style="plain", useOffset=False)
        axes.set_title(_heading(config, cells[0]))
    return figure


def learning_curves(comparison: Comparison) -> Figure:
    """Validation RMSE over epochs: a thin line a seed, a thick one for their mean."""
    title = "Learning curves: thin lines are seeds, thick ones their mean"
    groups = _groups(comparison)
    figure, panels = _panels(comparison, title, min(2, len(groups)), 2.9, True)
    for axes, (config, cells) in zip(panels, groups.items(), strict=False):
        _curves(axes, comparison, cells, "val_rmse")
        axes.set_xlabel("epoch")
        axes.set_ylabel("validation RMSE, cycles")
        axes.set_title(_heading(config, cells[0]))
    return figure


def weights_over_time(comparison: Comparison) -> Figure:
    """Factor of each loss's gradient, mean of an epoch, on a logarithmic axis."""
    title = "Weights of the two losses, epoch means: thin lines are seeds, thick ones their mean"
    groups = _groups(comparison)
    figure, panels = _panels(comparison, title, 2, 2.6, True, count=2 * len(groups))
    names = (("weight_rul", "RUL loss"), ("weight_health", "health loss"))
    places = iter(panels)
    for config, cells in groups.items():
        for column, what in names:
            axes = next(places)
            _curves(axes, comparison, cells, column)
            log_scale(axes)
            axes.set_xlabel("epoch")
            axes.set_ylabel(f"weight of the {what}")
            axes.set_title(_heading(config, cells[0]))
    return figure


def mean_ranks(comparison: Comparison) -> Figure | None:
    """Mean rank of each cell over configurations, with Nemenyi's critical difference."""
    ranks = comparison.plain["ranks"]
    if ranks is None:
        return None
    order = np.argsort(ranks["mean"], kind="stable")
    height = 1.7 + _ROW * len(order)
    figure, (axes,) = _panels(comparison, "Ranks by mean RMSE; 1 is the lowest", 1, height, False)
    styles = _styles(comparison)
    for row, cell in enumerate(order):
        label = ranks["labels"][cell]
        axes.plot(ranks["mean"][cell], row, "D", color=styles[label].colour, markersize=9)
        for config, of_config in enumerate(ranks["ranks"]):
            place = row + 0.2 + 0.2 * config / len(ranks["ranks"])
            axes.plot(
                of_config[cell], place, MARKERS[config % len(MARKERS)], color="#444444",
                markersize=5, markerfacecolor="none",
            )  # fmt: skip
    names = [label + " (leak)" * (label in ranks["leaks"]) for label in ranks["labels"]]
    axes.set_yticks(range(len(order)), [wrapped(names[cell]) for cell in order])
    axes.set_xlim(0.7, len(order) + 0.3)
    axes.set_xticks(range(1, len(order) + 1))
    axes.set_xlabel("rank (filled: mean over configurations; open: one configuration)")
    _critical_difference(axes, ranks["critical_difference"], len(order))
    handles = [
        Line2D([], [], color="#444444", marker=MARKERS[i % len(MARKERS)], linestyle="none",
               markerfacecolor="none", label=config)
        for i, config in enumerate(ranks["configs"])
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False)
    return figure


def _critical_difference(axes: Axes, width: float | None, rows: int) -> None:
    """Draw how far two mean ranks must lie apart, above the rows."""
    axes.set_ylim(rows - 0.5, -1.4 if width else -0.5)
    if width is None:
        return
    end = min(1 + width, rows + 0.3)
    axes.plot([1, end], [-0.75, -0.75], "k", linewidth=2, marker="|", markersize=8)
    beyond = ", beyond the axis" if end < 1 + width else ""
    axes.text(1, -0.95, f"critical difference {width:.2f} (95 %){beyond}", va="bottom")


# ---- parts ---------------------------------------------------------------------------------


def _panels(
    comparison: Comparison,
    title: str,
    columns: int,
    height: float,
    legend: bool,
    count: int | None = None,
) -> tuple[Figure, list[Axes]]:
    """Open a picture with its panels, title, marks and, where asked for, a legend of cells."""
    count = count or (1 if columns == 1 else len(_groups(comparison)))
    rows = math.ceil(count / columns)
    styles = _styles(comparison)
    lines = math.ceil(len(styles) / 2) if legend else 0
    size = (6.4 if columns == 1 else 9.6, height * rows + 0.22 * lines + 0.7)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    for axes in panels[count:]:
        axes.remove()
    marks = [note for note in comparison.plain["notes"] if note.startswith(("data:", "cells"))]
    width = 60 if columns == 1 else 95
    figure.suptitle("\n".join(wrapped(line, width) for line in (title, *marks)))
    if legend:
        handles = [
            Line2D([], [], color=style.colour, linestyle=style.dash, linewidth=2, label=name)
            for name, style in _named_styles(comparison, styles)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
    return figure, panels[:count]


def _curves(axes: Axes, comparison: Comparison, cells: Sequence[Cell], column: str) -> None:
    styles = _styles(comparison)
    for cell in cells:
        style = styles[cell.label]
        runs = [[float(row[column]) for row in result.rows] for result in comparison.of(cell)]
        for values in runs:
            axes.plot(_epochs(values), values, color=style.colour, linewidth=0.7, alpha=0.4)
        if runs:  # early stopping ends seeds at different epochs: the mean is of those still there
            mean = [
                float(np.mean([values[epoch] for values in runs if epoch < len(values)]))
                for epoch in range(max(map(len, runs)))
            ]
            axes.plot(
                _epochs(mean), mean, color=style.colour, linestyle=style.dash, linewidth=2,
                marker="o" if len(mean) == 1 else None,
            )  # fmt: skip
    whole_numbers(axes)


def _epochs(values: Sequence[float]) -> list[int]:
    return list(range(1, len(values) + 1))


def _groups(comparison: Comparison) -> dict[str, list[Cell]]:
    groups: dict[str, list[Cell]] = {}
    for cell in comparison.grid.cells:
        groups.setdefault(cell.config, []).append(cell)
    return groups


def _styles(comparison: Comparison) -> dict[str, Style]:
    labels = dict.fromkeys(cell.label for cell in comparison.grid.cells)
    return {
        label: Style(
            COLOURS[i % len(COLOURS)],
            DASHES[(i + i // len(COLOURS)) % len(DASHES)],
            MARKERS[(i + i // len(COLOURS)) % len(MARKERS)],
        )
        for i, label in enumerate(labels)
    }


def _named_styles(comparison: Comparison, styles: dict[str, Style]) -> Iterator[tuple[str, Style]]:
    shown = {cell.label: _shown(cell) for cell in comparison.grid.cells}
    yield from ((wrapped(shown[label], 60), style) for label, style in styles.items())


def _shown(cell: Cell) -> str:
    return cell.label + (" (leak)" if cell.leak else "")


def _heading(config: str, cell: Cell) -> str:
    return config if config.upper() == cell.subset else f"{config} ({cell.subset})"
