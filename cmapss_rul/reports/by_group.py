"""Pictures and tables of the error: by true RUL, by operating condition, by health class."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cmapss_rul.data.labels import health_class_names
from cmapss_rul.display.plotting import COLOURS
from cmapss_rul.evaluation.evaluate import Evaluation
from cmapss_rul.evaluation.table import number
from cmapss_rul.metrics.regression import band_name, in_band, regression_metrics, rul_bands
from cmapss_rul.reports.page import Table
from cmapss_rul.reports.predicted import WIDTH
from cmapss_rul.training.trained_model import TrainedModel

Groups = dict[str, NDArray[np.int64]]
"""Name of a group of windows → their rows of the test file."""


def by_band(evaluation: Evaluation, rows: NDArray[np.int64]) -> Groups:
    """Group windows by their raw true RUL; bands without a window are left out.

    Args:
        evaluation: whose truth it is.
        rows: of the windows to group.
    """
    raw = evaluation.truth.raw[rows]
    found = {
        band_name(low, below): rows[in_band(raw, low, below)]
        for low, below in rul_bands(evaluation.protocol.cap)
    }
    return {name: inside for name, inside in found.items() if len(inside)}


def by_condition(model: TrainedModel, evaluation: Evaluation) -> Groups:
    """Group every window by the operating condition at its last cycle.

    A condition is named by what tells it apart, for C-MAPSS by its rounded settings; a row in
    one that did not occur in training counts for the nearest.
    """
    condition = model.preprocessor.condition(evaluation.fleet)
    table = model.preprocessor.conditions.table
    return {
        ", ".join(f"{key:g}" for key in table[index]) or "all": np.flatnonzero(condition == index)
        for index in np.unique(condition)
    }


def table_of(evaluation: Evaluation, panels: dict[str, Groups], what: str) -> Table:
    """Number of windows, RMSE and bias of each group, capped labels.

    Args:
        evaluation: whose predictions they are.
        panels: title → groups, as drawn; a group that one of them lacks is empty there. The title
            stands above the first column of its panel.
        what: the groups are of.
    """
    fullest = sorted(panels.values(), key=len, reverse=True)  # it has the others' names in order
    names = dict.fromkeys(name for groups in fullest for name in groups)
    rows = [
        [name, *(cell for groups in panels.values() for cell in _cells(evaluation, groups, name))]
        for name in names
    ]
    head = [cell for title in panels for cell in (f"{title}: n", "RMSE", "bias")]
    title = "RMSE and bias in cycles, capped labels"
    return Table(title, [what, *head], rows, beside=len(panels) == 1)


def _cells(evaluation: Evaluation, groups: Groups, name: str) -> list[str]:
    rows = groups.get(name)
    if rows is None:
        return ["0", "–", "–"]
    found = regression_metrics(evaluation.predictions.rul[rows], evaluation.truth.capped[rows])
    return [f"{len(rows):,}", number(found.rmse, 2), number(found.bias, 2)]


def boxes(evaluation: Evaluation, panels: dict[str, Groups], what: str) -> Figure:
    """Boxes of the error in each group: quartiles, whiskers over 90 % of the windows.

    Args:
        evaluation: whose predictions they are.
        panels: title → groups; one panel each.
        what: the groups are of, with the unit.
    """
    most = max(map(len, panels.values()))
    figure = Figure(figsize=(WIDTH, len(panels) * (1.3 + 0.25 * most)), layout="constrained")
    error = evaluation.predictions.rul - evaluation.truth.capped
    for axes, (title, groups) in zip(
        figure.subplots(len(panels), 1, squeeze=False, sharex=True).flatten(),
        panels.items(),
        strict=True,
    ):
        _boxes(axes, [error[rows] for rows in groups.values()], list(groups))
        axes.set_title(title)
        axes.set_ylabel(what)
    axes.set_xlabel("predicted − true RUL, cycles (right of 0: too late)")
    return figure


def _boxes(axes: Axes, errors: Sequence[NDArray[np.float64]], names: Sequence[str]) -> None:
    axes.axvline(0, color="k", linewidth=1)
    axes.boxplot(
        errors, orientation="horizontal", whis=(5, 95), showfliers=False, widths=0.6,
        patch_artist=True, boxprops={"facecolor": COLOURS[6]}, medianprops={"color": "k"},
    )  # fmt: skip
    counts = [f"{name}  (n = {len(error):,})" for name, error in zip(names, errors, strict=True)]
    axes.set_yticks(range(1, len(names) + 1), counts)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")


def confusion(evaluation: Evaluation) -> Figure:
    """Confusion matrices of the last and of every window, shaded by the share of each row."""
    protocol = evaluation.protocol
    names = health_class_names(protocol.boundaries, protocol.cap)
    size = 0.9 + 0.42 * len(names)
    figure = Figure(figsize=(WIDTH, size + 0.6), layout="constrained")
    titles = {"last": "last windows", "every": "every window"}
    for axes, (windows, title) in zip(
        figure.subplots(1, 2, squeeze=False).flatten(), titles.items(), strict=True
    ):
        matrix = np.array(evaluation.health[windows]["confusion_matrix"])
        _matrix(axes, matrix, names)
        axes.set_title(title)
        axes.set_xlabel("predicted class")
    figure.axes[0].set_ylabel("true class: RUL, cycles")
    return figure


def _matrix(axes: Axes, matrix: NDArray[Any], names: Sequence[str]) -> None:
    totals = matrix.sum(axis=1, keepdims=True)
    shares = np.divide(matrix, totals, out=np.zeros(matrix.shape), where=totals > 0)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), count in np.ndenumerate(matrix):
        ink = "w" if shares[row, column] > 0.55 else "k"
        text = f"{count:,}\n{shares[row, column]:.0%}" if totals[row] else "0"
        axes.text(column, row, text, ha="center", va="center", color=ink, fontsize=8)
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.grid(visible=False)
