"""Pictures of what a network looks at, and of how often its intervals hold."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmapss_rul.display.plotting import COLOURS, DASHES, MARKERS
from cmapss_rul.metrics.regression import band_name
from cmapss_rul.reports.importance import Importance
from cmapss_rul.reports.looking_back import LookingBack
from cmapss_rul.reports.predicted import WIDTH


def attention(found: LookingBack, classes: list[str]) -> Figure:
    """Mean attention weight of each step in the window, a line for each true health class.

    Args:
        found: the weights.
        classes: names of the health classes.
    """
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    axes = figure.subplots()
    for health, name in enumerate(classes):
        inside = found.weights[found.health == health]
        if len(inside):
            axes.plot(
                found.ago, inside.mean(axis=0), color=COLOURS[health % len(COLOURS)],
                linestyle=DASHES[health % len(DASHES)], linewidth=1.6,
                label=f"RUL {name}: {len(inside)} engines",
            )  # fmt: skip
    axes.axhline(1 / len(found.ago), color="#595959", linestyle=":", label="all steps alike")
    axes.invert_xaxis()
    axes.set_ylim(bottom=0)
    axes.set_xlabel("cycles before the window's last one")
    each = "a cycle" if found.step == 1 else f"{found.step} cycles"
    axes.set_ylabel(f"attention weight of {each}, share")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def importance(found: Importance) -> Figure:
    """Rise of RMSE where an input is shuffled: a bar for the mean, a point a shuffle."""
    order = np.argsort(found.rise.mean(axis=1), kind="stable")
    figure = Figure(figsize=(WIDTH, 0.9 + 0.2 * len(order)), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(order))
    axes.barh(place, found.rise[order].mean(axis=1), color=COLOURS[6], height=0.7)
    for repeat in found.rise[order].T:
        axes.plot(repeat, place, "o", color="k", markersize=2)
    axes.axvline(0, color="k", linewidth=1)
    axes.set_yticks(place, [found.inputs[column] for column in order])
    axes.margins(y=0.01)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("rise of RMSE with the input shuffled, cycles")
    return figure


def coverage(intervals: dict[str, Any]) -> Figure:
    """How often the intervals held: against their level, and by band of true RUL.

    Args:
        intervals: of an evaluation, with at least one level.
    """
    figure = Figure(figsize=(WIDTH, 5.6), layout="constrained")
    levels, bands = figure.subplots(2, 1)
    nominal = np.array([found["level"] for found in intervals["coverage"]])
    levels.plot([nominal.min() - 0.03, 1], [nominal.min() - 0.03, 1], "k--", linewidth=1)
    for windows, style, shift in (("last", 0, -0.003), ("every", 1, 0.003)):
        held = [found[windows]["capped"] for found in intervals["coverage"]]
        ends = np.array([part["interval"] for part in held])
        share = np.array([part["coverage"] for part in held])
        _with_ends(levels, nominal + shift, share, ends, style, f"{windows} window")
    levels.set_xlabel("level of the interval (dashed: held exactly as often)")
    levels.set_ylabel("held the truth,\nshare of engines")
    levels.set_xticks(nominal)
    main = next(x for x in intervals["coverage"] if x["level"] == intervals["level"])
    for windows, style, shift in (("last", 0, -0.12), ("every", 1, 0.12)):
        there = [(i, b["capped"]) for i, b in enumerate(main[windows]["bands"]) if b["capped"]]
        places = np.array([i + shift for i, _ in there])
        share = np.array([part["coverage"] for _, part in there])
        ends = np.array([part["interval"] for _, part in there])
        _with_ends(bands, places, share, ends, style, None)
    bands.axhline(intervals["level"], color="k", linestyle="--", linewidth=1)
    names = [band_name(band["from"], band["below"]) for band in main["last"]["bands"]]
    bands.set_xticks(range(len(names)), names)
    bands.set_xlabel(f"true RUL, cycles (level {intervals['level']:g}, dashed)")
    bands.set_ylabel("held the truth,\nshare of engines")
    figure.legend(
        *levels.get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False
    )
    return figure


def _with_ends(
    axes: Axes, place: Any, share: Any, ends: Any, style: int, label: str | None
) -> None:
    """Draw shares with their 95 % binomial intervals."""
    # an interval of a share of 1 ends at 1, and rounding may put it below
    length = np.clip(np.stack([share - ends[:, 0], ends[:, 1] - share]), 0, None)
    axes.errorbar(
        place, share, yerr=length, fmt=MARKERS[style], color=COLOURS[style], markersize=5,
        capsize=3, label=label,
    )  # fmt: skip
