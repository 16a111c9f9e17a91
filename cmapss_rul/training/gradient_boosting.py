"""Gradient boosting on window statistics: a baseline for the network.

training file → the network's preprocessor, split and labels → statistics of windows of several
lengths → boosted trees, tuned on the validation engines.

No test file is opened here. The trees are not saved: a fit is fast, and deterministic.
"""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from cmapss_rul.data.labels import health_classes
from cmapss_rul.data.windows import LabelledWindows, Windows
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.checkpoint import Versions
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.inputs import RunInputs, TrainFiles, find_train_files, read_train_files
from cmapss_rul.training.trained_model import TrainedModel, WindowPredictions
from cmapss_rul.training.validation import cut_weights, validation_metrics

GRADIENT_BOOSTING = "gradient boosting"

# *Measured*, val_cut_rmse of seed 0 with rate 0.06 and rows of equal weight: FD001 8.46, 8.11, 8.32
# and FD004 12.28, 11.93, 12.17 with 7, 15, 31 leaves. Engines of equal weight: lower val_cut_nasa
# (FD004, 31 leaves: 12.8 → 12.1). The rates are a *guess*: larger ones need fewer trees.
CANDIDATES = tuple(itertools.product((0.1, 0.2), (7, 15)))
"""Grid of learning rate and leaves per tree, selected by `val_cut_rmse`."""

_MOST_TREES, _PATIENCE = 500, 20
_FEATURES = 0.3
"""Share of the statistics considered in each split of a tree."""


class BoostingFit(BaseModel):
    """Hyperparameters selected on the validation engines, and validation metrics.

    Attributes:
        trees: number of trees with the lowest validation error.
        seconds: time to fit all candidates.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    learning_rate: float
    leaves: int
    trees: int
    statistics: int
    val_rmse: float
    val_nasa: float
    val_cut_rmse: float
    val_cut_nasa: float
    val_health_accuracy: float
    seconds: float


@dataclass(frozen=True, eq=False)
class BoostedModel(TrainedModel):
    """Boosted trees with the interface of a trained network; `network` is on the meta device.

    The health class is that of the predicted RUL, with probability 1. Without intervals.
    """

    booster: Any = None
    fit: BoostingFit | None = None

    def predict(self, windows: Windows) -> WindowPredictions:
        """Predict windows of scaled rows."""
        assert self.fit is not None, "made by fit_gradient_boosting"
        statistics, _ = window_statistics(windows, self.preprocessor.features)
        unclamped = _predict(self.booster, statistics, self.fit.trees)
        return WindowPredictions(*_clamped(unclamped, self.config))


def fit_gradient_boosting(
    config: RunConfig,
    path: Path,
    known: BoostingFit | None = None,
    files: TrainFiles | None = None,
) -> BoostedModel:
    """Fit boosted trees on every row of the training engines.

    Rows are weighted as in `val_cut_rmse`, by which learning rate, leaves and number of trees are
    selected: all engines weigh the same, and cycles before the 20th have weight 0. Censored records
    are excluded, since the squared error cannot use lower bounds.

    Args:
        config: configuration of a run; data, split, seed and threads are used.
        path: path to set in the model.
        known: previous fit on the same data, whose hyperparameters are used without a search.
        files: the training files, if the caller has read them.

    Raises:
        UsageError: scikit-learn is not installed; or the configuration is that of an ensemble.
        DataError: a training file cannot be obtained or is malformed.
    """
    regressor = find_regressor()
    if config.split.is_ensemble:
        raise UsageError(
            f"{path}: an ensemble over folds has no validation engines of its own, on which a "
            "baseline could be tuned; name the run of one of its networks, or leave --baseline out"
        )
    from threadpoolctl import threadpool_limits

    if files is None:
        files = read_train_files(config, find_train_files(config))
    inputs = RunInputs.prepare(config, files)
    inputs.check_leakage(config, files)
    with threadpool_limits(config.train.thread_count(), user_api="openmp"):
        booster, fit = _search(regressor, inputs, config, known)
    # trees are always selected by this metric, regardless of the run's train.select
    select = config.train.model_copy(update={"select": "val_cut_rmse"})
    return BoostedModel(
        path=path,
        config=config.model_copy(update={"train": select}),
        network=config.meta_network(),
        preprocessor=inputs.data.preprocessor,
        data=inputs.files,
        engines=inputs.engine_numbers,
        epoch=fit.trees,
        best_epoch=fit.trees,
        val_rmse=fit.val_rmse,
        versions=Versions.current(),
        booster=booster,
        fit=fit,
    )


def fit_inputs(config: RunConfig, saved: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the plain values that a fit depends on, apart from the files.

    Args:
        config: configuration of a run.
        saved: values returned by an earlier call, possibly of an older version; to be completed
            with later keys at their defaults. Raises ValueError or LookupError if that fails.
    """
    names = ("data", "split", "seed")
    if saved is None:
        plain = config.without_paths()
        boundaries = {"boundaries": plain["loss"]["health"]["boundaries"]}
        return {name: plain[name] for name in names} | boundaries
    parts = {name: saved[name] for name in names}
    complete = fit_inputs(RunConfig.model_validate({**config.without_paths(), **parts}))
    return {**fit_inputs(config), **saved, **{name: complete[name] for name in names}}


def find_regressor() -> Any:
    """Return scikit-learn's HistGradientBoostingRegressor, an optional extra.

    Raises:
        UsageError: it is not installed.
    """
    try:
        from sklearn.ensemble import HistGradientBoostingRegressor
    except ImportError as error:
        raise UsageError(
            f"the gradient boosting baseline needs scikit-learn ({error}); install it with: "
            "pip install 'cmapss_rul[baseline]', or leave --baseline out"
        ) from error
    return HistGradientBoostingRegressor


def _search(
    regressor: Any, inputs: RunInputs, config: RunConfig, known: BoostingFit | None
) -> tuple[Any, BoostingFit]:
    """Fit each candidate, or only the known one; return the best booster and its fit."""
    start, features = time.perf_counter(), inputs.data.preprocessor.features
    training, validation = _without_bounds(inputs.data.training), inputs.data.validation
    x, names = window_statistics(training.windows, features)
    y, weights = training.rul.cpu().numpy(), cut_weights(training)
    held_out, _ = window_statistics(validation.windows, features)
    # early stopping uses the same weights as the metric that selects the candidate
    stopping = {
        "X_val": held_out,
        "y_val": validation.rul.cpu().numpy(),
        "sample_weight_val": cut_weights(validation),
    }
    found: list[tuple[Any, BoostingFit]] = []
    for rate, leaves in CANDIDATES if known is None else [(known.learning_rate, known.leaves)]:
        booster = regressor(
            learning_rate=rate, max_leaf_nodes=leaves, max_features=_FEATURES,
            max_iter=_MOST_TREES if known is None else known.trees,
            early_stopping=known is None, n_iter_no_change=_PATIENCE, tol=0.0, random_state=0,
        )  # fmt: skip
        booster.fit(x, y, weights / weights.mean(), **(stopping if known is None else {}))
        # score 0 is that of the mean, before the first tree
        trees = max(1, int(np.argmax(booster.validation_score_))) if known is None else known.trees
        rul, _, probabilities = _clamped(_predict(booster, held_out, trees), config)
        fit = BoostingFit(
            learning_rate=rate, leaves=leaves, trees=trees, statistics=len(names),
            seconds=0.0,
            **validation_metrics(rul, torch.from_numpy(probabilities), validation),
        )  # fmt: skip
        found.append((booster, fit))
    booster, fit = min(found, key=lambda pair: pair[1].val_cut_rmse)
    return booster, fit.model_copy(update={"seconds": round(time.perf_counter() - start, 3)})


def _clamped(unclamped: NDArray[np.float64], config: RunConfig) -> tuple[NDArray[np.float64], ...]:
    """Return RUL clamped and unclamped, [window], and one-hot health classes, [window, class]."""
    cap, boundaries = config.data.cap, list(config.loss.health.boundaries)
    rul = np.clip(unclamped, 0, cap)
    return rul, unclamped, np.eye(len(boundaries) + 1)[health_classes(rul, boundaries, cap)]


def _predict(booster: Any, statistics: NDArray[np.float32], trees: int) -> NDArray[np.float64]:
    """Predict with the first trees only, up to the best validation score, [window], cycles."""
    stages = booster.staged_predict(statistics)
    return np.asarray(next(itertools.islice(stages, trees - 1, None)), dtype=np.float64)


def _without_bounds(labelled: LabelledWindows) -> LabelledWindows:
    if labelled.censored is None:
        return labelled
    return labelled.select((~labelled.censored).nonzero().squeeze(1))


LENGTHS = (10, 30, 90)
"""Window lengths in cycles: short for the current state, long for the trend."""


def window_statistics(
    windows: Windows, features: Sequence[str], lengths: Sequence[int] = LENGTHS
) -> tuple[NDArray[np.float32], list[str]]:
    """Compute statistics of the last cycles up to each window's end.

    The last value of each feature; and, for each sensor and length, mean, slope and standard
    deviation over the last cycles. A shorter record uses all its cycles, without padding. Sums
    are differences of cumulative sums, so the cost does not depend on the lengths.

    The slope is that of the least-squares line, per cycle: over n cycles x₁ … xₙ it is
    Σ (t − t̄)·xₜ / (n·(n² − 1)/12), and 0 for n = 1.

    Args:
        windows: windows of scaled rows; their length is not used.
        features: names of the columns of the series; `cycle_count` is not a sensor.
        lengths: numbers of cycles.

    Returns:
            Statistics [window, statistic], and their names.

    >>> import torch
    >>> series = torch.tensor([[1.0], [2.0], [3.0]])
    >>> last = Windows(series, torch.tensor([0]), torch.tensor([2]), length=1)
    >>> window_statistics(last, ["sensor_2"], lengths=[2])[0].tolist()
    [[3.0, 2.5, 1.0, 0.5]]
    """
    series = windows.series.cpu().numpy().astype(np.float64)
    starts, ends = windows.starts.cpu().numpy(), windows.ends.cpu().numpy()
    sensors = [place for place, name in enumerate(features) if name != "cycle_count"]
    values = series[:, sensors]
    row = np.arange(len(values), dtype=np.float64)[:, None]
    sums, squares, moments = (_cumulative(x) for x in (values, values**2, row * values))
    columns, names = [series[ends]], [f"{name} last" for name in features]
    for length in lengths:
        first = np.maximum(ends + 1 - length, starts)
        n = (ends + 1 - first).astype(np.float64)[:, None]
        total, square, moment = (x[ends + 1] - x[first] for x in (sums, squares, moments))
        mean = total / n
        middle = (first + ends)[:, None] / 2
        slope = (moment - middle * total) / np.where(n > 1, n * (n**2 - 1) / 12, 1)
        # maximum: rounding may give a small negative variance for a constant sensor
        spread = np.sqrt(np.maximum(square / n - mean**2, 0))
        columns += [mean, slope, spread]
        names += [
            f"{features[place]} {statistic} over {length}"
            for statistic in ("mean", "slope", "spread")
            for place in sensors
        ]
    return np.hstack(columns).astype(np.float32), names


def _cumulative(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulative sums with a leading row of zeros, [row + 1, column]."""
    return np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
