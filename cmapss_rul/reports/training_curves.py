"""Plots of a training: learning curves, weights of the balancer, gradient norm, clipping."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmapss_rul.display.plotting import (
    COLOURS,
    DASHES,
    MARKERS,
    legend_below,
    log_scale,
    whole_numbers,
)
from cmapss_rul.reports.page import Missing, Part, Plot
from cmapss_rul.reports.rul_plots import WIDTH
from cmapss_rul.system.errors import RulError
from cmapss_rul.training.reporters import read_metrics
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.trained_model import TrainedModel

Rows = Sequence[Mapping[str, float]]
"""Rows of metrics.csv, one per epoch."""


def training_parts(folder: Path, model: TrainedModel) -> Iterator[Part]:
    """Yield the plots of a training, from metrics.csv."""
    if model.members:
        yield from _ensemble_parts(folder, model)
        return
    try:
        rows = read_metrics(RunFolder(folder).metrics)
    except RulError as error:
        yield Missing(f"learning curves, weights and clipping: {error}")
        return
    if not rows:
        yield Missing("learning curves, weights and clipping: metrics.csv has no epoch yet")
        return
    clipped = float(np.mean([row["clipped_share"] for row in rows]))
    first, last, unit = rows[0], rows[-1], model.config.data.unit
    yield Plot(
        "learning_curves",
        "Learning curves; dotted: epoch selected on the validation engines",
        f"{len(rows)} epochs; validation RMSE from {first['val_rmse']:.2f} to "
        f"{last['val_rmse']:.2f} {unit}, {model.val_rmse:.2f} at the selected epoch "
        f"{model.best_epoch}.",
        partial(plot_learning_curves, rows, model.best_epoch, unit),
    )
    yield Plot(
        "weights_and_clipping",
        f"Balancer {model.config.balancer.name}: weights of both losses, gradient norm, clipping",
        f"Weight of the RUL loss from {first['weight_rul']:.3g} to {last['weight_rul']:.3g}, "
        f"of the health loss from {first['weight_health']:.3g} to "
        f"{last['weight_health']:.3g}; {clipped:.0%} of all steps clipped.",
        partial(plot_weights_and_clipping, rows),
    )


def _ensemble_parts(folder: Path, model: TrainedModel) -> Iterator[Part]:
    """Yield the learning curves of the networks of an ensemble."""
    run = RunFolder(folder)
    try:
        rows = [read_metrics(run.fold(fold).metrics) for fold in range(len(model.members))]
    except RulError as error:
        yield Missing(f"learning curves: {error}")
        return
    unit = model.config.data.unit
    epochs = [member.epoch for member in model.members]
    best = ", ".join(f"{member.val_rmse:.2f}" for member in model.members)
    yield Plot(
        "learning_curves",
        "Learning curves of the networks, each on the engines of its own fold; circles: selected "
        "epochs",
        f"{len(rows)} lines; validation RMSE at the selected epochs: {best} {unit}.",
        partial(plot_networks, rows, epochs, unit),
    )


def plot_networks(networks: Sequence[Rows], epochs: Sequence[int], unit: str) -> Figure:
    """Plot the validation RMSE of each network of an ensemble by epoch."""
    figure, (axes,) = _panels(1, 3.0)
    for fold, (rows, epoch) in enumerate(zip(networks, epochs, strict=True)):
        style = fold % len(DASHES)
        _line(axes, rows, "val_rmse", style, f"fold {fold}")
        axes.plot(
            epoch, rows[epoch - 1]["val_rmse"], "o", markersize=9, markerfacecolor="none",
            color=COLOURS[style],
        )  # fmt: skip
    axes.set_ylabel(f"validation\nRMSE, {unit}")
    legend_below(figure, axes, 5)
    return figure


def plot_learning_curves(rows: Rows, best_epoch: int, unit: str = "cycles") -> Figure:
    """Plot validation RMSE, validation accuracy and both training losses by epoch."""
    figure, panels = _panels(3, 5.4)
    _line(panels[0], rows, "val_rmse", 0)
    panels[0].set_ylabel(f"validation\nRMSE, {unit}")
    _line(panels[1], rows, "val_health_accuracy", 1)
    panels[1].set_ylabel("validation health\naccuracy, share")
    _line(panels[2], rows, "train_rul_loss", 0, f"RUL loss, {unit}²")
    _line(panels[2], rows, "train_health_loss", 1, "health loss, nats")
    log_scale(panels[2])
    panels[2].set_ylabel("training loss")
    for axes in panels:
        axes.axvline(best_epoch, color="#595959", linestyle=":", label="selected epoch")
    legend_below(figure, panels[2], 3)
    return figure


def plot_weights_and_clipping(rows: Rows) -> Figure:
    """Plot the weights of the losses, the gradient norm and the share of clipped steps."""
    figure, panels = _panels(3, 5.2)
    _line(panels[0], rows, "weight_rul", 0, "RUL loss", width=3.5)  # visible where both are equal
    _line(panels[0], rows, "weight_health", 1, "health loss")
    log_scale(panels[0])
    panels[0].set_ylabel("weight of the loss\n(epoch mean)")
    _line(panels[1], rows, "grad_norm", 2)
    log_scale(panels[1])
    panels[1].set_ylabel("gradient norm\n(before clipping)")
    _line(panels[2], rows, "clipped_share", 3)
    panels[2].set_ylim(-0.05, 1.05)  # the whole range: a flat line at 1 is a warning
    panels[2].set_ylabel("share of\nclipped steps")
    legend_below(figure, panels[0], 3)
    return figure


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0].tolist()
    panels[-1].set_xlabel("epoch")
    whole_numbers(panels[-1])
    figure.align_ylabels(panels)
    return figure, panels


def _line(
    axes: Axes, rows: Rows, column: str, style: int, label: str | None = None, width: float = 1.5
) -> None:
    values = np.array([row[column] for row in rows])
    axes.plot(
        [row["epoch"] for row in rows], values, color=COLOURS[style], linestyle=DASHES[style],
        marker=MARKERS[style], markersize=width + 1.5, linewidth=width, label=label,
    )  # fmt: skip
