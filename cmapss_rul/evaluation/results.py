"""Typed results of an evaluation, and their plain values for evaluation.json."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Fleet
from cmapss_rul.evaluation.held_out import CensoredMetrics, CutMetrics
from cmapss_rul.evaluation.intervals import Bounds, IntervalResults
from cmapss_rul.evaluation.predictions import Predictions, Truth
from cmapss_rul.evaluation.protocol import Protocol
from cmapss_rul.metrics.prognostics import FleetPrognostics
from cmapss_rul.metrics.regression import RegressionMetrics
from cmapss_rul.training.gradient_boosting import BoostingFit

# TypeVar rather than `class ByLabels[T]`, for Python 3.11
T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class ByLabels(Generic[T]):
    """A result on capped labels, and one on raw labels."""

    capped: T
    raw: T

    def items(self) -> list[tuple[str, T]]:
        """Return the names and results of both kinds of labels."""
        return [("capped", self.capped), ("raw", self.raw)]

    def map(self, function: Callable[[T], U]) -> "ByLabels[U]":
        """Apply a function to both."""
        return ByLabels(function(self.capped), function(self.raw))


@dataclass(frozen=True)
class ByWindows(Generic[T]):
    """A result on the last window of each engine, and one on every window."""

    last: T
    every: T

    def items(self) -> list[tuple[str, T]]:
        """Return the names and results of both sets of windows."""
        return [("last", self.last), ("every", self.every)]

    def map(self, function: Callable[[T], U]) -> "ByWindows[U]":
        """Apply a function to both."""
        return ByWindows(function(self.last), function(self.every))


@dataclass(frozen=True)
class RulMetrics:
    """Metrics of the predicted RUL on a set of windows and a kind of labels.

    Attributes:
        rmse_interval: 95 % bootstrap interval of the RMSE over engines; None for a single engine.
        mae: mean absolute error, cycles.
        bias: mean of predicted − true, cycles.
        nasa, nasa_mean: NASA score, sum and mean over windows.
    """

    rmse: float
    rmse_interval: tuple[float, float] | None
    mae: float
    bias: float
    nasa: float
    nasa_mean: float


@dataclass(frozen=True)
class ConstantMetrics:
    """Metrics of a constant prediction, `constant` cycles; see `RulMetrics`."""

    constant: float
    rmse: float
    mae: float
    bias: float
    nasa: float
    nasa_mean: float


@dataclass(frozen=True)
class Floor:
    """Metrics of a perfect predictor with capped output, on raw labels."""

    description: str
    raw: ByWindows[RegressionMetrics]

    def as_dict(self) -> dict[str, Any]:
        """Return the plain values for the JSON."""
        raw = self.raw.map(lambda found: {"raw": dataclasses.asdict(found)})
        # the JSON keys must not change with the attributes: other programs read them
        return {"what": self.description, **dict(raw.items())}


M = TypeVar("M", RulMetrics, ConstantMetrics)


@dataclass(frozen=True)
class Baseline(Generic[M]):
    """Metrics of another predictor under the same protocol.

    Attributes:
        oracle: whether it uses the labels that it is scored on.
        fit: hyperparameters of gradient boosting, selected on the validation engines.
    """

    description: str
    oracle: bool
    metrics: ByWindows[ByLabels[M]]
    fit: BoostingFit | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the plain values for the JSON."""
        plain = {"what": self.description, "oracle": self.oracle}
        fit = {} if self.fit is None else {"fit": self.fit.model_dump()}
        return {**plain, **dataclasses.asdict(self.metrics), **fit}


@dataclass(frozen=True)
class Baselines:
    """Constant baselines, the mean scored label (an oracle) and the mean training label.

    And gradient boosting, if it was fitted for this run.
    """

    test_mean: Baseline[ConstantMetrics]
    train_mean: Baseline[ConstantMetrics]
    gradient_boosting: Baseline[RulMetrics] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the plain values for the JSON."""
        return {name: found.as_dict() for name, found in vars(self).items() if found is not None}


@dataclass(frozen=True)
class HealthMetrics:
    """Classification and calibration metrics of the health classes on a set of windows.

    Attributes:
        macro_f1: mean F1 score over classes.
        confusion_matrix: [true class][predicted class], number of windows.
    """

    accuracy: float
    macro_f1: float
    confusion_matrix: list[list[int]]
    ece: float
    brier: float


# eq=False: the generated comparison would fail on arrays
@dataclass(frozen=True, eq=False)
class Evaluation:
    """Metrics on a test set, with the protocol, baselines and predictions behind them.

    `metrics`, `floor` and `baselines` have results for the last window of each engine (`last`)
    and for every window (`every`), on capped and on raw labels.

    Attributes:
        bounds: bounds of the intervals at the level nearest to 0.9, [row of the test file] each;
            None without intervals.
        nasa: metrics of the estimate for the NASA score (`metrics` are those of the network's);
            None if the model has no such estimate.
        cuts: metrics at random cuts of whole held-out records; None with a separate test file.
        censored: metrics on engines that have not failed; None without censored records.
        predictions: [row of the test file].
        truth: [row of the test file].
        last: [engine], row of each engine's last window.
        scored: rows of the windows of the results named `last`: equal to `last`, except for
            run-to-failure test units, whose last RUL is 0: every flight.
    """

    protocol: Protocol
    metrics: ByWindows[ByLabels[RulMetrics]]
    health: ByWindows[HealthMetrics]
    floor: Floor
    baselines: Baselines
    prognostics: FleetPrognostics
    intervals: IntervalResults
    bounds: Bounds | None
    nasa: ByWindows[ByLabels[RulMetrics]] | None
    cuts: CutMetrics | None
    censored: CensoredMetrics | None
    fleet: Fleet
    predictions: Predictions
    truth: Truth
    last: NDArray[np.int64]
    scored: NDArray[np.int64]

    def as_dict(self) -> dict[str, Any]:
        """Return the plain values for the JSON, without predictions."""
        parts = {"estimate_nasa": self.nasa, "cuts": self.cuts, "censored": self.censored}
        return {
            # predictions are in a separate file, predictions.csv
            "protocol": self.protocol.as_dict(),
            "metrics": dataclasses.asdict(self.metrics),
            "health": dataclasses.asdict(self.health),
            "floors": self.floor.as_dict(),
            "baselines": self.baselines.as_dict(),
            "prognostics": self.prognostics.as_dict(),
            "intervals": self.intervals.as_dict(),
            **{name: dataclasses.asdict(part) for name, part in parts.items() if part is not None},
        }
