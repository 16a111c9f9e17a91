"""Evaluate a trained network on the test engines of its subset."""

import dataclasses
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.testset import EvaluationSet, read_test_set
from cmapss_rul.evaluation.held_out import held_out_metrics
from cmapss_rul.evaluation.intervals import (
    estimated_rul,
    evaluate_intervals,
    interval_bounds,
    interval_level,
)
from cmapss_rul.evaluation.predictions import Predictions, Truth, label_fleet, predict_fleet
from cmapss_rul.evaluation.protocol import Protocol
from cmapss_rul.evaluation.results import (
    Baseline,
    Baselines,
    ByLabels,
    ByWindows,
    ConstantMetrics,
    Evaluation,
    Floor,
    HealthMetrics,
    RulMetrics,
)
from cmapss_rul.metrics.bootstrap import rmse_interval
from cmapss_rul.metrics.health import (
    accuracy,
    brier_score,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
)
from cmapss_rul.metrics.prognostics import fleet_prognostics
from cmapss_rul.metrics.regression import constant_baseline, perfect_under_cap, regression_metrics
from cmapss_rul.system.errors import DataError
from cmapss_rul.training.trained_model import TrainedModel, as_model


def evaluate(
    run_or_model: TrainedModel | PathLike[str] | str,
    *,
    data_dir: Path | str | None = None,
    progress: bool = True,
) -> Evaluation:
    """Evaluate a trained model on the test set of its subset, or of a user's fleet.

    Missing files are downloaded, or simulated with a simulated source; the training file is needed
    only if test engines were held out from it. Nothing is selected here: the epoch has been
    selected on validation engines.

    Args:
        run_or_model: a trained model, or the path of a run or checkpoint.
        data_dir: folder of the files; by default that of the configuration.
        progress: whether to show the progress of a download on stderr.

    Raises:
        DataError: see `read_test_engines`.

    >>> import cmapss_rul
    >>> evaluation = cmapss_rul.evaluate("runs/demo-s0")
    >>> len(evaluation.last), evaluation.protocol.subset
    (100, 'FD001')
    """
    model = as_model(run_or_model)
    tested = read_test_engines(model, data_dir, progress=progress)
    fleet, config = tested.fleet, model.config.data
    # never None: labels were requested
    assert tested.rul is not None
    truth = label_fleet(model.config, fleet, tested.rul)
    predictions = predict_fleet(model, fleet, names=tested.names)
    # a fleet numbers its engines 1, 2, …; the results have the names in the user's file
    predictions = dataclasses.replace(predictions, engine=tested.engine_of_rows)
    # every metric is computed twice: on the last windows, as in publications, which are few; and
    # on every window, which covers the whole life of an engine
    ends = fleet.cycle_ends
    scored = fleet.last_rows if config.last_windows else ends
    predicted = ByWindows(predictions.at(scored), predictions)
    truths = ByWindows(truth.at(scored), truth)
    level = interval_level(model)
    cuts, censored = held_out_metrics(model, tested)
    nasa = None
    if model.calibration is not None and model.calibration.nasa_knots:
        shifted = estimated_rul(model, predictions.rul, "nasa")
        earlier = dataclasses.replace(predictions, rul=shifted)
        nasa = ByWindows(rul_metrics(earlier.at(scored), truths.last), rul_metrics(earlier, truth))
    return Evaluation(
        protocol=Protocol.of(model, tested),
        metrics=ByWindows(
            rul_metrics(predicted.last, truths.last), rul_metrics(predicted.every, truths.every)
        ),
        health=ByWindows(
            health_metrics(predicted.last, truths.last),
            health_metrics(predicted.every, truths.every),
        ),
        floor=floor_under_cap(truths, config.cap),
        baselines=constant_baselines(
            truths, model.data.mean_label, held_out=bool(len(tested.held_out))
        ),
        # raw labels: capped ones would give a wrong cycle of the failure
        prognostics=fleet_prognostics(
            predictions.engine[ends],
            predictions.cycle[ends],
            predictions.rul[ends],
            truth.raw[ends],
            config.cap,
        ),
        intervals=evaluate_intervals(model, predictions, truth, scored),
        bounds=None if level is None else interval_bounds(model, predictions.rul, level),
        nasa=nasa,
        cuts=cuts,
        censored=censored,
        fleet=fleet,
        predictions=predictions,
        truth=truth,
        last=fleet.last_rows,
        scored=scored,
    )


def read_test_engines(
    model: TrainedModel,
    data_dir: Path | str | None = None,
    *,
    labels: bool = True,
    progress: bool = True,
) -> EvaluationSet:
    """Read the test set of a model, and check that it was not trained on these engines.

    `data_dir` replaces the configuration's folder; without `labels`, the RUL file is not needed.

    Raises:
        DataError: a file cannot be obtained or read; a user's training file has changed, so that
            its held-out engines are unknown; or it is also the test file.
    """
    config = model.config.with_data_dir(data_dir).data
    tested = read_test_set(config, model.config.split, labels=labels, progress=progress)
    trained, source = model.data.canonical_sha256, tested.sources[0]
    # the canonical digest ignores line endings and trailing spaces
    same = source.canonical_sha256 == trained
    if len(tested.held_out):
        # with other rows, the same split would hold out other engines, some of which trained
        if not same:
            raise DataError(
                f"{source.name}: has changed since the training (SHA-256 was {trained[:12]}… and "
                f"is {source.canonical_sha256[:12]}…), so its held-out engines are unknown; "
                "restore the former file, or train again"
            )
        # same rows, but another draw: some of these engines may have trained
        if tested.held_out.tolist() != model.engines.test:
            raise DataError(
                f"{source.name}: the held-out engines differ from those of the training; evaluate "
                f"with the version of cmapss_rul that trained ({model.versions.cmapss_rul})"
            )
    # only a user's fleet can have one file as training and test file
    elif config.own and same:
        raise DataError(
            f"{source.name}: is the file that was trained on; name another file of test records "
            "as data.test"
        )
    return tested


def rul_metrics(predictions: Predictions, truth: Truth) -> ByLabels[RulMetrics]:
    """Compute the RUL metrics of windows, on capped and on raw labels."""

    def score(true: NDArray[Any]) -> RulMetrics:
        interval = rmse_interval(predictions.rul, true, predictions.engine)
        found = dataclasses.asdict(regression_metrics(predictions.rul, true))
        return RulMetrics(rmse_interval=interval, **found)

    return ByLabels(truth.capped, truth.raw).map(score)


def health_metrics(predictions: Predictions, truth: Truth) -> HealthMetrics:
    """Compute classification and calibration metrics of the health classes of windows."""
    confusion = confusion_matrix(
        predictions.health, truth.health, predictions.probabilities.shape[1]
    )
    return HealthMetrics(
        accuracy=accuracy(confusion),
        macro_f1=macro_f1(confusion),
        confusion_matrix=confusion.tolist(),
        ece=expected_calibration_error(predictions.probabilities, truth.health),
        brier=brier_score(predictions.probabilities, truth.health),
    )


def floor_under_cap(truths: ByWindows[Truth], cap: int) -> Floor:
    """Compute the lower bound, on raw labels, of the errors of any network with a capped output."""
    return Floor(
        f"perfect predictor with output capped at {cap}, scored on raw labels",
        truths.map(lambda truth: perfect_under_cap(truth.raw, cap)),
    )


def constant_baselines(
    truths: ByWindows[Truth], mean_label: float, *, held_out: bool = False
) -> Baselines:
    """Compute the metrics of two constant predictions.

    Args:
        truths: true labels.
        mean_label: mean capped label over all rows of the training file, cycles.
        held_out: whether test engines, which the mean excludes, were held out from that file.
    """
    return Baselines(
        test_mean=Baseline(
            "constant: mean of the scored test labels, unknown in practice",
            oracle=True,
            metrics=_constant_metrics(truths, None),
        ),
        # over all rows, independent of the split, so that all seeds have the same baseline
        train_mean=Baseline(
            "constant: mean capped training label over every row of the training file"
            + (" except those of the held-out engines" if held_out else ""),
            oracle=False,
            metrics=_constant_metrics(truths, mean_label),
        ),
    )


def _constant_metrics(
    truths: ByWindows[Truth], value: float | None
) -> ByWindows[ByLabels[ConstantMetrics]]:
    """Compute the metrics of a constant; None for the mean of the scored labels."""

    def score(true: NDArray[Any]) -> ConstantMetrics:
        # the mean has the lowest RMSE of all constants
        prediction = float(np.mean(true)) if value is None else value
        return ConstantMetrics(
            prediction, **dataclasses.asdict(constant_baseline(prediction, true))
        )

    return truths.map(lambda truth: ByLabels(truth.capped, truth.raw).map(score))
