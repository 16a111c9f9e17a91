"""The sections of a run's report that say what the model is, and how it came to be."""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from cmapss_rul.config.yaml import to_yaml
from cmapss_rul.data.labels import health_class_names
from cmapss_rul.evaluation.evaluate import Evaluation
from cmapss_rul.reports import interpretation, training_curves
from cmapss_rul.reports.importance import importance_of
from cmapss_rul.reports.looking_back import looking_back
from cmapss_rul.reports.page import Lines, Missing, Part, Picture, Table
from cmapss_rul.system.errors import RulError
from cmapss_rul.training.loggers import read_metrics
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.trained_model import TrainedModel


def training(folder: Path, model: TrainedModel) -> Iterator[Part]:
    """How training went."""
    try:
        rows = read_metrics(RunFolder(folder).metrics)
    except RulError as error:
        yield Missing(f"learning curves, weights and clipping: {error}")
        return
    if not rows:
        yield Missing("learning curves, weights and clipping: metrics.csv has no epoch yet")
        return
    clipped = float(np.mean([row["clipped_share"] for row in rows]))
    ends = rows[0], rows[-1]
    yield Picture(
        "learning_curves",
        "Learning curves; dotted: the epoch that validation chose",
        f"{len(rows)} epochs; validation RMSE from {ends[0]['val_rmse']:.2f} to "
        f"{ends[1]['val_rmse']:.2f} cycles, {model.val_rmse:.2f} at the chosen epoch "
        f"{model.best_epoch}.",
        partial(training_curves.learning_curves, rows, model.best_epoch),
    )
    yield Picture(
        "weights_and_clipping",
        f"Balancer {model.config.balancer.name}: weights of both losses, gradient norm, clipping",
        f"Weight of the RUL loss from {ends[0]['weight_rul']:.3g} to {ends[1]['weight_rul']:.3g}, "
        f"of the health loss from {ends[0]['weight_health']:.3g} to "
        f"{ends[1]['weight_health']:.3g}; {clipped:.0%} of all steps clipped.",
        partial(training_curves.weights_and_clipping, rows),
    )


def inside(model: TrainedModel, evaluation: Evaluation) -> Iterator[Part]:
    """Where the network looks, and at what."""
    found = looking_back(model, evaluation)
    if isinstance(found, str):
        yield Missing(found)
    else:
        data = evaluation.protocol
        most = float(found.ago[found.weights.mean(axis=0).argmax()])
        yield Picture(
            "attention",
            "Attention over time: mean weight of each step, by true class; last windows that "
            "are not padded",
            f"Lines over {len(found.ago)} steps of {found.step} cycles; in the mean of "
            f"{len(found.weights)} engines the step {most:g} cycles before the end weighs most.",
            partial(interpretation.attention, found, health_class_names(data.boundaries, data.cap)),
        )
    importance = importance_of(model, evaluation)
    rise = importance.rise.mean(axis=1)
    order = np.argsort(-rise)
    top = ", ".join(f"{importance.inputs[i]} ({rise[i]:+.2f})" for i in order[:5])
    yield Picture(
        "importance",
        "Permutation importance: rise of the RMSE where an input's course is taken from another "
        f"window; {importance.windows:,} windows of the test engines, a point a shuffle. Inputs "
        "that say the same stand in for each other",
        f"Bars. Without shuffling RMSE is {importance.rmse:.2f} cycles; highest rises: {top}.",
        partial(interpretation.importance, importance),
    )


def made(model: TrainedModel, evaluation: Evaluation) -> Iterator[Part]:
    """The network's size, versions, digests and configuration."""
    parts = model.network.parameter_counts()
    yield Table(
        "Parameters of the network",
        ["part", "parameters"],
        [*([name, f"{count:,}"] for name, count in parts.items()),
         ["all", f"{sum(parts.values()):,}"]],
    )  # fmt: skip
    versions = evaluation.protocol.versions
    names = list(versions["evaluated"])
    yield Table(
        "Versions",
        ["", *names],
        [[when, *(found.get(name, "–") for name in names)] for when, found in versions.items()],
    )
    digests = [[name, file["sha256"]] for name, file in evaluation.protocol.digest.items()]
    own = hashlib.sha256(model.path.read_bytes()).hexdigest()
    yield Table("SHA-256", ["file", "digest"], [*digests, [model.path.name, own]], right=False)
    lines = to_yaml(model.config, comments=False).splitlines()
    yield Lines("Resolved configuration (trains again as it is)", lines)
