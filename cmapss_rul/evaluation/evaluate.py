"""A trained network against the test engines of its subset."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.testset import EvaluationSet, read_test_set
from cmapss_rul.evaluation.intervals import Ends, coverage_of, ends_of, level_of
from cmapss_rul.evaluation.predictions import (
    Predictions,
    Truth,
    label_fleet,
    predict_fleet,
)
from cmapss_rul.evaluation.prognosis import prognostics_of
from cmapss_rul.evaluation.protocol import Protocol
from cmapss_rul.metrics.bootstrap import rmse_interval
from cmapss_rul.metrics.health import (
    accuracy,
    brier_score,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
)
from cmapss_rul.metrics.regression import constant_baseline, perfect_under_cap, regression_metrics
from cmapss_rul.system.errors import DataError
from cmapss_rul.system.text import printable
from cmapss_rul.training.trained_model import TrainedModel


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures, and everything they must say and be compared with.

    `metrics`, `floors` and `baselines` are split by windows (`last`: the last window of each
    engine; `every`: one window a cycle) and then by labels (`capped`, `raw`).

    Attributes:
        protocol: how the figures were made.
        metrics: RMSE with its bootstrap interval, MAE, bias, NASA score and its mean.
        health: accuracy, macro F1 and confusion matrix, ECE and Brier score of the
            probabilities, for `last` and `every`.
        floors: what a perfect predictor under the cap gets on raw labels.
        baselines: what two constants get.
        prognostics: α-λ accuracy and the like, of each engine and in mean.
        intervals: how often the intervals hold; see `coverage_of`.
        ends: lower and upper end at the level nearest to 0.9, [row of the test file] each;
            None without intervals.
        fleet: the test engines.
        predictions: [row of the test file].
        truth: [row of the test file].
        last: [engine], the row of each engine's last window.
    """

    protocol: Protocol
    metrics: dict[str, dict[str, dict[str, Any]]]
    health: dict[str, dict[str, Any]]
    floors: dict[str, Any]
    baselines: dict[str, dict[str, Any]]
    prognostics: dict[str, Any]
    intervals: dict[str, Any]
    ends: Ends | None
    fleet: Fleet
    predictions: Predictions
    truth: Truth
    last: NDArray[np.int64]

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they stand in the JSON; predictions are not among them."""
        return {
            "protocol": self.protocol.as_dict(),
            "metrics": self.metrics,
            "health": self.health,
            "floors": self.floors,
            "baselines": self.baselines,
            "prognostics": self.prognostics,
            "intervals": self.intervals,
        }


def evaluate(
    model: TrainedModel, *, data_dir: Path | str | None = None, progress: bool = True
) -> Evaluation:
    """Evaluate a trained network on the test engines of its subset, or of a user's own fleet.

    Files that are missing are fetched, or simulated where the configuration says so; the
    train file is needed only where test engines were set aside in it. Nothing is chosen here:
    whatever was to be chosen, validation engines have chosen before.

    Args:
        model: runs on the device that its network is on.
        data_dir: folder of the files; that of the configuration by default.
        progress: whether a download shows how far it is, on stderr.

    Raises:
        DataError: what `unseen_by` says.
    """
    tested = unseen_by(model, data_dir, progress=progress)
    fleet, config = tested.fleet, model.config.data
    assert tested.rul is not None
    truth = label_fleet(model.config, fleet, tested.rul)
    predictions = predict_fleet(model, fleet, names=tested.names)
    predictions = dataclasses.replace(predictions, engine=tested.engine_of_rows)
    last = fleet.last_rows
    scored = {
        "last": (predictions.at(last), truth.at(last)),
        "every": (predictions, truth),
    }
    truths = {windows: true for windows, (_, true) in scored.items()}
    return Evaluation(
        protocol=Protocol.of(model, tested),
        metrics={windows: metrics_of(*pair) for windows, pair in scored.items()},
        health={windows: health_of(*pair) for windows, pair in scored.items()},
        floors=floors(truths, config.cap),
        baselines=baselines(truths, model.data.mean_label, held_out=bool(len(tested.held_out))),
        prognostics=prognostics_of(predictions, truth, fleet.starts, config.cap),
        intervals=coverage_of(model, predictions, truth, last),
        ends=None if (level := level_of(model)) is None else ends_of(model, predictions.rul, level),
        fleet=fleet,
        predictions=predictions,
        truth=truth,
        last=last,
    )


def unseen_by(
    model: TrainedModel,
    data_dir: Path | str | None = None,
    *,
    labels: bool = True,
    progress: bool = True,
) -> EvaluationSet:
    """Read the engines that a model is tested on, and make sure that it was not trained on them.

    Args:
        model: which was trained.
        data_dir: folder of the files; that of the configuration by default.
        labels: whether the RUL is asked for, too.
        progress: whether a download shows how far it is, on stderr.

    Raises:
        DataError: a file cannot be got or read; a user's training file has changed, so that
            nobody knows which of its engines were set aside; it is the test file.
    """
    config = model.config.data
    if data_dir is not None:
        config = config.moved_to(data_dir)
    tested = read_test_set(config, model.config.split, labels=labels, progress=progress)
    trained = model.data.canonical_sha256
    same = tested.sources[0].canonical_sha256 == trained
    name = printable(tested.sources[0].name)
    if len(tested.held_out):
        if not same:
            raise DataError(
                f"{name}: has changed since the training (SHA-256 was {trained[:12]}… and is "
                f"{tested.sources[0].canonical_sha256[:12]}…), so its engines that were set aside "
                "are not known; put the former file back, or train anew"
            )
        if tested.held_out.tolist() != model.engines.test:
            raise DataError(
                f"{name}: other engines are set aside now than at the training; evaluate with the "
                f"version of cmapss_rul that trained ({printable(model.versions.cmapss_rul)})"
            )
    elif config.own and same:
        raise DataError(
            f"{name}: is the file that was trained on; name another file of test records as "
            "data.test"
        )
    return tested


def metrics_of(predictions: Predictions, truth: Truth) -> dict[str, dict[str, Any]]:
    """Figures of some windows on capped and on raw labels."""
    both = {}
    for labels, true in truth.labels.items():
        plain = dataclasses.asdict(regression_metrics(predictions.rul, true))
        interval = rmse_interval(predictions.rul, true, predictions.engine)
        both[labels] = {"rmse": plain.pop("rmse"), "rmse_interval": interval, **plain}
    return both


def health_of(predictions: Predictions, truth: Truth) -> dict[str, Any]:
    """How right the classes of some windows are, and how well the probabilities fit them.

    Returns:
        Accuracy, macro F1, confusion matrix (rows: true class), ECE and Brier score.
    """
    confusion = confusion_matrix(
        predictions.health, truth.health, predictions.probabilities.shape[1]
    )
    return {
        "accuracy": accuracy(confusion),
        "macro_f1": macro_f1(confusion),
        "confusion_matrix": confusion.tolist(),
        "ece": expected_calibration_error(predictions.probabilities, truth.health),
        "brier": brier_score(predictions.probabilities, truth.health),
    }


def floors(truths: dict[str, Truth], cap: int) -> dict[str, Any]:
    """Figures below which raw labels do not let a network under the cap.

    Args:
        truths: labels of the `last` and of `every` window.
        cap: of the predictions, cycles.
    """
    return {
        "what": f"perfect predictor capped at {cap}, scored on raw labels",
        **{
            windows: {"raw": dataclasses.asdict(perfect_under_cap(truth.raw, cap))}
            for windows, truth in truths.items()
        },
    }


def baselines(
    truths: dict[str, Truth], mean_label: float, *, held_out: bool = False
) -> dict[str, dict[str, Any]]:
    """Figures of predicting a constant.

    Args:
        truths: labels of the `last` and of `every` window.
        mean_label: mean capped label over every row of the train file, cycles.
        held_out: whether its engines that were set aside to test on are not among these rows.

    Returns:
        `test_mean`: the mean of the very labels that are scored, an oracle; `train_mean`:
        the constant that can be known before the test.
    """
    return {
        "test_mean": {
            "what": "constant: mean of the scored test labels (an oracle: it knows them)",
            "oracle": True,
            **_constants(truths, lambda true: float(np.mean(true))),
        },
        "train_mean": {
            "what": "constant: mean capped training label over every row of the train file"
            + (" but those of the engines set aside" if held_out else ""),
            "oracle": False,
            **_constants(truths, lambda _: mean_label),
        },
    }


def _constants(
    truths: dict[str, Truth], value_for: Callable[[NDArray[np.int64]], float]
) -> dict[str, dict[str, dict[str, float]]]:
    """Figures of a constant that may depend on the labels it is scored on."""
    return {
        windows: {labels: _constant(value_for(true), true) for labels, true in truth.labels.items()}
        for windows, truth in truths.items()
    }


def _constant(value: float, true: NDArray[np.int64]) -> dict[str, float]:
    return {"constant": value, **dataclasses.asdict(constant_baseline(value, true))}
