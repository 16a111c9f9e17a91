"""Pictures of how training went: learning curves, the balancer's weights, clipping."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cmapss_rul.display.plotting import COLOURS, DASHES, MARKERS, log_scale, whole_numbers
from cmapss_rul.reports.predicted import WIDTH

Rows = Sequence[Mapping[str, float]]
"""Of metrics.csv, one an epoch."""


def learning_curves(rows: Rows, best_epoch: int) -> Figure:
    """Validation RMSE, validation accuracy and both training losses over epochs."""
    figure, panels = _panels(3, 5.4)
    _line(panels[0], rows, "val_rmse", 0)
    panels[0].set_ylabel("validation\nRMSE, cycles")
    _line(panels[1], rows, "val_health_accuracy", 1)
    panels[1].set_ylabel("validation health\naccuracy, share")
    _line(panels[2], rows, "train_rul_loss", 0, "RUL loss, cycles²")
    _line(panels[2], rows, "train_health_loss", 1, "health loss, nats")
    log_scale(panels[2])
    panels[2].set_ylabel("training loss")
    for axes in panels:
        axes.axvline(best_epoch, color="#595959", linestyle=":", label="chosen epoch")
    _legend(figure, panels[2])
    return figure


def weights_and_clipping(rows: Rows) -> Figure:
    """The balancer's weights, the norm of the gradient and how often it was clipped."""
    figure, panels = _panels(3, 5.2)
    _line(panels[0], rows, "weight_rul", 0, "RUL loss", width=3.5)  # seen where both are equal
    _line(panels[0], rows, "weight_health", 1, "health loss")
    log_scale(panels[0])
    panels[0].set_ylabel("weight of the loss\n(epoch mean)")
    _line(panels[1], rows, "grad_norm", 2)
    log_scale(panels[1])
    panels[1].set_ylabel("gradient norm\n(before clipping)")
    _line(panels[2], rows, "clipped_share", 3)
    panels[2].set_ylim(-0.05, 1.05)
    panels[2].set_ylabel("share of\nclipped steps")
    _legend(figure, panels[0])
    return figure


def _panels(count: int, height: float) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    panels = figure.subplots(count, 1, sharex=True).tolist()
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


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
