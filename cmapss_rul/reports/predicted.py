"""Pictures of predicted against true RUL: each engine at its last window, and over its record."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cmapss_rul.display.plotting import COLOURS, whole_numbers
from cmapss_rul.evaluation.evaluate import Evaluation
from cmapss_rul.metrics.regression import rmse
from cmapss_rul.system.text import printable

WIDTH = 5.4
"""Inches; on a phone the page shows a picture at two thirds of that, on a screen larger."""

_PREDICTED, _INTERVAL = COLOURS[1], COLOURS[6]
_ENGINES_IN_A_ROW = 100
_NAME = 12
"""Letters of an engine's name that fit above a small panel."""


@dataclass(frozen=True, eq=False)
class LastWindows:
    """Each engine at its last window.

    Attributes:
        engine: [engine], number, or the name that the user's own file gives it.
        raw: [engine], true RUL, cycles.
        true: [engine], true RUL, at most the cap, cycles.
        predicted: [engine], cycles.
        ends: lower and upper end of the intervals, [engine] each, cycles; None without.
        cap: cycles.
    """

    engine: NDArray[np.int64] | NDArray[np.str_]
    raw: NDArray[np.int64]
    true: NDArray[np.int64]
    predicted: NDArray[np.float64]
    ends: tuple[NDArray[np.float64], NDArray[np.float64]] | None
    cap: int

    @classmethod
    def of(cls, evaluation: Evaluation) -> "LastWindows":
        """Pick them out of an evaluation."""
        rows, ends = evaluation.last, evaluation.ends
        return cls(
            engine=evaluation.predictions.engine[rows],
            raw=evaluation.truth.raw[rows],
            true=evaluation.truth.capped[rows],
            predicted=evaluation.predictions.rul[rows],
            ends=None if ends is None else (ends[0][rows], ends[1][rows]),
            cap=evaluation.protocol.cap,
        )

    @property
    def error(self) -> NDArray[np.float64]:
        """[engine], predicted − true, capped labels, cycles."""
        return np.asarray(self.predicted - self.true)


def against_true(last: LastWindows) -> Figure:
    """Predicted over true RUL, and the line of a perfect predictor under the cap."""
    figure, axes = _opened(4.2)
    most = max(int(last.raw.max()), last.cap)
    axes.plot([0, last.cap, most], [0, last.cap, last.cap], "k--", linewidth=1, label="perfect")
    _intervals(axes, last.raw, last)
    axes.plot(
        last.raw, last.predicted, "o", color=_PREDICTED, markersize=3.5, alpha=0.8,
        label="predicted, an engine each",
    )  # fmt: skip
    axes.set_xlabel("true RUL, cycles")
    axes.set_ylabel("predicted RUL, cycles")
    _legend(figure)
    return figure


def sorted_by_true(last: LastWindows) -> Figure:
    """All engines in the order of their true RUL."""
    order = np.lexsort((last.predicted, last.raw))
    figure, axes = _opened(3.6)
    place = np.arange(1, len(order) + 1)
    _intervals(axes, place, last, order)
    if (last.raw > last.cap).any():
        axes.plot(place, last.raw[order], ":", color="#595959", label="true, above the cap")
    axes.plot(place, last.true[order], "-", color="k", label="true, capped")
    axes.plot(place, last.predicted[order], "o", color=_PREDICTED, markersize=3, label="predicted")
    axes.set_xlabel("engines, by rising true RUL")
    axes.set_ylabel("RUL at the last window, cycles")
    whole_numbers(axes)
    _legend(figure)
    return figure


def by_engine(last: LastWindows) -> Figure:
    """All engines in the order of the file: what was true, what was predicted."""
    count = len(last.engine)
    rows = math.ceil(count / _ENGINES_IN_A_ROW)
    parts = np.array_split(np.arange(count), rows)
    figure = Figure(figsize=(WIDTH, 0.9 + 1.9 * rows), layout="constrained")
    for axes, part in zip(_column(figure, rows), parts, strict=True):
        # the place in the file: a user's own engines may have any number
        place = part + 1
        _intervals(axes, place, last, part)
        axes.vlines(place, last.true[part], last.predicted[part], color="#7F7F7F", linewidth=1)
        axes.plot(
            place, last.true[part], "_", color="k", markersize=5, markeredgewidth=1.6,
            label="true, capped",
        )  # fmt: skip
        axes.plot(
            place, last.predicted[part], "o", color=_PREDICTED, markersize=3, label="predicted"
        )
        axes.set_ylabel("RUL, cycles")
        axes.set_ylim(-0.04 * last.cap, 1.04 * last.cap)
        axes.margins(x=0.02)
        whole_numbers(axes)
    axes.set_xlabel("engine, in the order of the file (last window)")
    _legend(figure, axes)
    return figure


def ranked(evaluation: Evaluation) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Engines by RMSE over their whole record, capped labels, the best first.

    Engines whose true RUL never falls below the cap are left out: among the best they would say
    nothing, for all that is asked of the network there is to say the cap.

    Returns:
        order: [engine], places in the file, from 0 on.
        rmse: [engine], in that order, cycles.
    """
    fleet = evaluation.fleet
    below = np.flatnonzero(evaluation.truth.raw[evaluation.last] < evaluation.protocol.cap)
    scores = np.array(
        [
            rmse(evaluation.predictions.rul[rows], evaluation.truth.capped[rows])
            for rows in map(_rows, fleet.starts[below], fleet.lengths[below])
        ]
    )
    order = np.argsort(scores, kind="stable")
    return below[order], scores[order]


def chosen(low: Sequence[bool]) -> dict[str, list[int]]:
    """Ranks of the engines whose course is shown: up to three of a kind.

    The best are taken from the engines whose true RUL gets low, if enough of these rank before the
    median: a record that ends soon after the label has left the cap is easy, and shows little.

    Args:
        low: [rank], whether the engine's true RUL falls to half the cap.

    >>> chosen([True] * 9), chosen([False])
    ({'best': [0, 1, 2], 'median': [3, 4, 5], 'worst': [6, 7, 8]}, {'best': [0]})
    >>> chosen([False, True, False, False])
    {'best': [0], 'median': [1], 'worst': [3]}
    >>> chosen([False, True, False, False, False])
    {'best': [1], 'median': [2], 'worst': [4]}
    """
    count = len(low)
    if count < 3:
        kinds = ("best", "worst")
        return {kind: [rank] for kind, rank in zip(kinds, range(count), strict=False)}
    of_a_kind = min(3, count // 3)
    middle = (count - of_a_kind) // 2
    telling = [rank for rank in range(middle) if low[rank]][:of_a_kind]
    return {
        "best": telling if len(telling) == of_a_kind else list(range(of_a_kind)),
        "median": list(range(middle, middle + of_a_kind)),
        "worst": list(range(count - of_a_kind, count)),
    }


def shown(evaluation: Evaluation, order: NDArray[np.int64]) -> dict[str, list[int]]:
    """Which ranks `trajectories` shows, by kind.

    Args:
        evaluation: whose engines they are.
        order: [rank], places in the file, as `ranked` gives them.
    """
    raw = evaluation.truth.raw[evaluation.last[order]]
    return chosen((raw <= evaluation.protocol.cap / 2).tolist())


def trajectories(evaluation: Evaluation) -> Figure:
    """Predicted and true RUL over the cycles of the best, the median and the worst engines."""
    order, scores = ranked(evaluation)
    kinds = shown(evaluation, order)
    columns = len(kinds["best"])
    figure = Figure(figsize=(WIDTH, 0.8 + 1.75 * len(kinds)), layout="constrained")
    panels = figure.subplots(len(kinds), columns, squeeze=False, sharey=True)
    for (kind, ranks), row in zip(kinds.items(), panels, strict=True):
        for rank, axes in zip(ranks, row, strict=True):
            _course(axes, evaluation, int(order[rank]))
            engine = printable(evaluation.predictions.engine[evaluation.last[order[rank]]])
            name = engine if len(engine) <= _NAME else f"{engine[: _NAME - 1]}…"
            axes.set_title(f"{kind}: {name} ({scores[rank]:.1f})", fontsize=8)
            axes.tick_params(labelsize=7)
    for row in panels:
        row[0].set_ylabel("RUL, cycles")
    for axes in panels[-1]:
        axes.set_xlabel("cycle")
    _legend(figure, panels[0][0])
    return figure


def _course(axes: Axes, evaluation: Evaluation, engine: int) -> None:
    fleet = evaluation.fleet
    rows = _rows(fleet.starts[engine], fleet.lengths[engine])
    cycle = evaluation.predictions.cycle[rows]
    if evaluation.ends is not None:
        lower, upper = evaluation.ends
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
    axes.locator_params(axis="x", nbins=4)


def _rows(start: int, length: int) -> slice:
    return slice(int(start), int(start + length))


def _opened(height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots()


def _column(figure: Figure, rows: int) -> Sequence[Axes]:
    found: list[Axes] = figure.subplots(rows, 1, squeeze=False).flatten().tolist()
    return found


def _intervals(
    axes: Axes,
    place: NDArray[np.int64],
    last: LastWindows,
    order: NDArray[np.int64] | None = None,
) -> None:
    if last.ends is None:
        return
    lower, upper = last.ends if order is None else (end[order] for end in last.ends)
    axes.vlines(
        place, lower, upper, color=_INTERVAL, linewidth=1.2, alpha=0.6, label="interval", zorder=1
    )


def _legend(figure: Figure, axes: Axes | None = None) -> None:
    """Put one legend below the picture."""
    handles, labels = (axes or figure.axes[0]).get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(len(labels), 4), frameon=False
    )
