"""Plots of predicted against true RUL, at the last windows and over whole records."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Times
from cmapss_rul.display.plotting import COLOURS, legend_below, whole_numbers
from cmapss_rul.evaluation.protocol import LAST_WINDOWS
from cmapss_rul.evaluation.results import Evaluation
from cmapss_rul.metrics.regression import rmse
from cmapss_rul.system.errors import printable

WIDTH, WIDE = 5.4, 10.0
"""Widths of half-width and full-width plots, inches, chosen for equal text size."""

_PREDICTED, _INTERVAL = COLOURS[1], COLOURS[6]
_ENGINES_IN_A_ROW = 100
_UPRIGHT_NAMES = 10
"""Maximum number of engines whose names are drawn horizontally."""
_LONGEST_NAME = 12
"""Maximum length of an engine name below an axis or above a small panel."""


@dataclass(frozen=True, eq=False)
class LastWindows:
    """Labels and predictions at the last window of each engine: arrays [engine], in `unit`.

    `engine` has numbers, or names for the user's own fleet; `raw` and `true` are the RUL without
    and with the cap; `bounds` are those of the intervals, None without intervals.
    """

    engine: NDArray[np.int64] | NDArray[np.str_]
    raw: Times
    true: Times
    predicted: NDArray[np.float64]
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    cap: int
    unit: str = "cycles"
    where: str = LAST_WINDOWS

    @classmethod
    def of(cls, evaluation: Evaluation) -> "LastWindows":
        """Select them from an evaluation; for N-CMAPSS, every flight of the test units."""
        rows, bounds = evaluation.scored, evaluation.bounds
        return cls(
            engine=evaluation.predictions.engine[rows],
            raw=evaluation.truth.raw[rows],
            true=evaluation.truth.capped[rows],
            predicted=evaluation.predictions.rul[rows],
            bounds=None if bounds is None else (bounds[0][rows], bounds[1][rows]),
            cap=evaluation.protocol.cap,
            unit=evaluation.protocol.unit,
            where=evaluation.protocol.scored_at,
        )

    @property
    def error(self) -> NDArray[np.float64]:
        """[engine], predicted − true, capped labels, cycles."""
        return np.asarray(self.predicted - self.true)


def plot_against_true(last: LastWindows) -> Figure:
    """Plot predicted against true RUL, and the line of a perfect predictor with the cap."""
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axes = figure.subplots()
    # the line bends at the cap: raw labels exceed it, predictions do not
    most = max(int(last.raw.max()), last.cap)
    axes.plot([0, last.cap, most], [0, last.cap, last.cap], "k--", linewidth=1, label="perfect")
    _draw_intervals(axes, last.raw, last)
    axes.plot(
        last.raw, last.predicted, "o", color=_PREDICTED, markersize=3.5, alpha=0.8,
        label=f"predicted, {'an engine' if last.where == LAST_WINDOWS else 'a flight'} each",
    )  # fmt: skip
    axes.set_xlabel(f"true RUL, {last.unit}")
    axes.set_ylabel(f"predicted RUL, {last.unit}")
    legend_below(figure, axes)
    return figure


def plot_sorted(last: LastWindows) -> Figure:
    """Plot all engines in the order of their true RUL."""
    order = np.lexsort((last.predicted, last.raw))  # by true RUL, ties by prediction
    figure = Figure(figsize=(WIDE, 3.6), layout="constrained")
    axes = figure.subplots()
    place = np.arange(1, len(order) + 1)
    _draw_intervals(axes, place, last, order)
    if (last.raw > last.cap).any():
        axes.plot(place, last.raw[order], ":", color="#595959", label="true, above the cap")
    axes.plot(place, last.true[order], "-", color="k", label="true, capped")
    axes.plot(place, last.predicted[order], "o", color=_PREDICTED, markersize=3, label="predicted")
    axes.margins(x=0.01)
    axes.set_xlabel("predictions, by ascending true RUL")
    axes.set_ylabel(f"RUL at {last.where}, {last.unit}")
    whole_numbers(axes)
    legend_below(figure, axes)
    return figure


def plot_engines(last: LastWindows) -> Figure:
    """Plot true and predicted RUL of all engines in the order of the file."""
    count = len(last.engine)
    rows = math.ceil(count / _ENGINES_IN_A_ROW)
    parts = np.array_split(np.arange(count), rows)
    figure = Figure(figsize=(WIDE, 1.0 + 1.9 * rows), layout="constrained")
    panels: Sequence[Axes] = figure.subplots(rows, 1, squeeze=False).flatten().tolist()
    crowded = count > _UPRIGHT_NAMES
    for axes, place in zip(panels, parts, strict=True):
        _draw_intervals(axes, place, last, place)
        axes.vlines(place, last.true[place], last.predicted[place], color="#7F7F7F", linewidth=1)
        axes.plot(
            place, last.true[place], "_", color="k", markersize=5, markeredgewidth=1.6,
            label="true, capped",
        )  # fmt: skip
        axes.plot(
            place, last.predicted[place], "o", color=_PREDICTED, markersize=3, label="predicted"
        )
        axes.set_xticks(
            place, map(_engine_label, last.engine[place]), rotation=90 if crowded else 0,
            fontsize=6 if crowded else 8,
        )  # fmt: skip
        axes.set_ylabel(f"RUL, {last.unit}")
        axes.set_ylim(-0.04 * last.cap, 1.04 * last.cap)
        axes.margins(x=0.01)
        axes.grid(visible=False, axis="x")
    axes.set_xlabel(f"engine, in the order of the file ({last.where})")
    legend_below(figure, axes)
    return figure


def rank_engines(evaluation: Evaluation) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rank engines by RMSE over their whole record, capped labels, best first.

    Engines whose true RUL never falls below the cap are excluded: always predicting the cap is
    right for them, so they would fill the best ranks. Returns their positions in the file and, in
    the same order, their RMSE in cycles.
    """
    below = np.flatnonzero(evaluation.truth.raw[evaluation.last] < evaluation.protocol.cap)
    scores = np.array(
        [
            rmse(evaluation.predictions.rul[rows], evaluation.truth.capped[rows])
            for rows in (_record_rows(evaluation, engine) for engine in below.tolist())
        ]
    )
    order = np.argsort(scores, kind="stable")
    return below[order], scores[order]


def select_ranks(low: Sequence[bool]) -> dict[str, list[int]]:
    """Select the ranks of the engines to plot: up to three each of best, median and worst.

    The best are taken from the engines whose true RUL falls to half the cap (`low`: [rank]), if
    enough of these rank better than the median: a record that ends soon after its label has left
    the cap is easy and uninformative.

    >>> select_ranks([True] * 9), select_ranks([False])
    ({'best': [0, 1, 2], 'median': [3, 4, 5], 'worst': [6, 7, 8]}, {'best': [0]})
    >>> select_ranks([False, True, False, False])
    {'best': [0], 'median': [1], 'worst': [3]}
    >>> select_ranks([False, True, False, False, False])
    {'best': [1], 'median': [2], 'worst': [4]}
    """
    count = len(low)
    if count < 3:
        kinds = ("best", "worst")
        return {kind: [rank] for kind, rank in zip(kinds, range(count), strict=False)}
    per_kind = min(3, count // 3)
    middle = (count - per_kind) // 2
    informative = [rank for rank in range(middle) if low[rank]][:per_kind]  # best first
    return {
        "best": informative if len(informative) == per_kind else list(range(per_kind)),
        "median": list(range(middle, middle + per_kind)),
        "worst": list(range(count - per_kind, count)),
    }


def trajectory_ranks(evaluation: Evaluation, order: NDArray[np.int64]) -> dict[str, list[int]]:
    """Return the ranks plotted by `plot_trajectories`, by kind; `order` as from `rank_engines`."""
    raw = evaluation.truth.raw[evaluation.last[order]]
    return select_ranks((raw <= evaluation.protocol.cap / 2).tolist())


def plot_trajectories(evaluation: Evaluation) -> Figure:
    """Plot predicted and true RUL over the records of the best, median and worst engines."""
    order, scores = rank_engines(evaluation)
    kinds = trajectory_ranks(evaluation, order)
    columns = len(kinds["best"])
    figure = Figure(figsize=(WIDE, 0.8 + 1.75 * len(kinds)), layout="constrained")
    panels = figure.subplots(len(kinds), columns, squeeze=False, sharey=True)
    for (kind, ranks), row in zip(kinds.items(), panels, strict=True):
        for rank, axes in zip(ranks, row, strict=True):
            _draw_trajectory(axes, evaluation, int(order[rank]))
            name = _engine_label(evaluation.predictions.engine[evaluation.last[order[rank]]])
            axes.set_title(f"{kind}: engine {name}, RMSE {scores[rank]:.1f}")
    unit = evaluation.protocol.unit
    for row in panels:
        row[0].set_ylabel(f"RUL, {unit}")
    for axes in panels[-1]:
        axes.set_xlabel(unit.removesuffix("s"))
    legend_below(figure, panels[0][0])
    return figure


def _draw_trajectory(axes: Axes, evaluation: Evaluation, engine: int) -> None:
    rows = _record_rows(evaluation, engine)
    cycle = evaluation.predictions.cycle[rows]
    if evaluation.bounds is not None:
        lower, upper = evaluation.bounds
        axes.fill_between(
            cycle, lower[rows], upper[rows], color=_INTERVAL, alpha=0.4, linewidth=0,
            label="interval",
        )  # fmt: skip
    axes.plot(cycle, evaluation.truth.capped[rows], "k--", linewidth=1.2, label="true, capped")
    axes.plot(
        cycle, evaluation.predictions.rul[rows], color=_PREDICTED, linewidth=1.4, label="predicted"
    )
    axes.set_ylim(-0.04 * evaluation.protocol.cap, 1.06 * evaluation.protocol.cap)
    whole_numbers(axes)


def _record_rows(evaluation: Evaluation, engine: int) -> NDArray[np.int64]:
    """Return [cycle], the last row of each cycle of an engine."""
    ends = evaluation.fleet.cycle_ends
    return ends[np.isin(evaluation.fleet.engine[ends], evaluation.fleet.engines[engine])]


def _engine_label(engine: object) -> str:
    """Return the name of an engine, truncated if it is long."""
    name = printable(engine)
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _draw_intervals(
    axes: Axes, place: Times, last: LastWindows, order: NDArray[np.int64] | None = None
) -> None:
    if last.bounds is None:
        return
    lower, upper = last.bounds if order is None else (bound[order] for bound in last.bounds)
    axes.vlines(
        place, lower, upper, color=_INTERVAL, linewidth=1.2, alpha=0.6, label="interval", zorder=1
    )
