"""Prediction intervals of a trained model: level, bounds, guarantee and test coverage."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.display.text import counted, shell_word
from cmapss_rul.evaluation.predictions import Predictions, Truth
from cmapss_rul.intervals.calibration import Calibration, unsupported_reason
from cmapss_rul.intervals.conformal import DEFAULT_LEVELS, validate_level
from cmapss_rul.intervals.estimate import MIN_ENGINES, Estimate
from cmapss_rul.metrics.coverage import Coverage, interval_coverage, mean_by_engine
from cmapss_rul.metrics.regression import in_band, rul_bands
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.trained_model import TrainedModel

LIFE_GUARANTEE = (
    "at least the level on average over engines of the same population, at a cycle drawn uniformly "
    "from the engine's life; not for each RUL, nor at the last cycle of truncated records"
)
"""Guarantee of intervals from before 2026-11-29."""

FAILED_ONLY = (
    "calibrated only on failed engines: biased if engines still running live longer or were "
    "stopped because of their state (informative censoring)"
)
"""Caveat of intervals of a fleet with censored records: engines are then not exchangeable."""

NO_GUARANTEE = (
    "none that is proven: the errors are those of single networks, and the mean of the ensemble "
    "is usually more accurate, so that coverage is usually above the level"
)
"""Guarantee of an ensemble's intervals, calibrated on out-of-fold predictions."""

_ENGINES = "at least the level on average over engines of the same population"

Bounds = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Lower and upper bound, [window] each, cycles."""


@dataclass(frozen=True)
class IntervalFacts:
    """Calibration and guarantee of a model's intervals.

    Attributes:
        level: default level, the one nearest to 0.9.
        kind: engines used for calibration: 'validation', 'calibration' or 'out-of-fold'.
        mark: caveat about these engines, or None.
    """

    levels: list[float]
    level: float
    kind: str
    engines: int
    mark: str | None
    form: str
    promise: str


@dataclass(frozen=True)
class RawCoverage(Coverage):
    """Coverage on raw labels.

    Attributes:
        above_cap: share of windows with a RUL above the cap, which no interval covers; mean over
            engines.
    """

    above_cap: float


@dataclass(frozen=True)
class BandCoverage:
    """Coverage of windows whose raw true RUL is in a band, capped labels.

    Attributes:
        low: lower bound of the band, cycles.
        below: exclusive upper bound; None for no bound.
        capped: coverage; None if the band has no windows.
    """

    low: int
    below: int | None
    capped: Coverage | None


@dataclass(frozen=True)
class WindowCoverage:
    """Coverage of a set of windows at one level."""

    capped: Coverage
    raw: RawCoverage
    bands: list[BandCoverage]


@dataclass(frozen=True)
class LevelCoverage:
    """Coverage at one level: of the last window of each engine, and of every window."""

    level: float
    last: WindowCoverage
    every: WindowCoverage

    def items(self) -> list[tuple[str, WindowCoverage]]:
        """Name and coverage of both sets of windows."""
        return [("last", self.last), ("every", self.every)]


@dataclass(frozen=True)
class IntervalResults:
    """Coverage of the intervals on the test engines.

    Attributes:
        coverage: [level]; empty without intervals.
        reason: why there are no intervals; empty if there are.
    """

    facts: IntervalFacts | None = None
    coverage: list[LevelCoverage] = dataclasses.field(default_factory=list)
    reason: str = ""

    @property
    def main(self) -> LevelCoverage:
        """Coverage at the default level; only with intervals."""
        assert self.facts is not None
        return next(found for found in self.coverage if found.level == self.facts.level)

    def as_dict(self) -> dict[str, Any]:
        """Return the plain values for the JSON."""
        if self.facts is None:
            return {"levels": [], "why": self.reason}
        # JSON key `from` is a Python keyword, so the attribute is `low`
        plain = dataclasses.asdict(
            self, dict_factory=lambda pairs: {"from" if k == "low" else k: v for k, v in pairs}
        )
        return {**plain["facts"], "coverage": plain["coverage"]}


def interval_level(model: TrainedModel, requested: float | None = None) -> float | None:
    """Return the level of the intervals: the requested one, or else the default.

    Returns:
        None if the model has no intervals and none were requested.

    Raises:
        UsageError: the model was not calibrated at the requested level.
    """
    calibration = model.calibration
    if requested is None:
        return None if calibration is None else calibration.default_level
    validate_level(requested)
    levels = [] if calibration is None else calibration.levels
    if not levels:
        raise UsageError(
            f"{model.path} has no intervals ({why_no_intervals(model)}), so none at level "
            f"{requested:g}; leave --level out to predict without intervals"
        )
    # exact comparison: levels are typed decimals, not computed
    if requested not in levels:
        raise UsageError(
            f"{model.path} was not calibrated at level {requested:g}; expected one of "
            f"{', '.join(f'{level:g}' for level in levels)}; to add it, run rul calibrate with "
            f"--level {requested:g}"
        )
    return requested


def interval_bounds(model: TrainedModel, rul: NDArray[np.float64], level: float) -> Bounds:
    """Compute the bounds of the intervals around predictions [window], clamped to [0, cap]."""
    # a level is from `interval_level`, which requires a calibration
    assert model.calibration is not None
    return model.calibration.bounds(rul, level, model.config.data.cap)


def check_estimate(model: TrainedModel, estimate: Estimate) -> None:
    """Refuse an estimate that a model does not have.

    Raises:
        UsageError: the model has no estimate for the NASA score.
    """
    calibration = model.calibration
    if estimate == "nasa" and (calibration is None or not calibration.nasa_knots):
        raise UsageError(f"{model.path} has no estimate for the NASA score: {_why_none(model)}")


def estimated_rul(
    model: TrainedModel, rul: NDArray[np.float64], estimate: Estimate
) -> NDArray[np.float64]:
    """Convert the network's estimates [window], clamped to [0, cap], to those for a score.

    Raises:
        UsageError: the model has no estimate for the NASA score.
    """
    check_estimate(model, estimate)
    if estimate == "rmse":
        return rul
    assert model.calibration is not None  # checked
    return model.calibration.nasa_estimate(rul)


def _why_none(model: TrainedModel) -> str:
    """Return the reason why a model has no estimate for the NASA score."""
    if model.config.split.by == "windows":
        return "all engines trained, so there are no residuals"
    calibration = model.calibration
    if calibration is not None and len(calibration.engines) < MIN_ENGINES:
        found = counted(len(calibration.engines), "calibration engine")
        return f"found {found}, expected at least {MIN_ENGINES}; leave --estimate out"
    return (
        "it was calibrated by an older version, or not at all; run rul calibrate "
        f"{shell_word(model.path)}"
    )


def why_no_intervals(model: TrainedModel) -> str:
    """Return the reason why a model has no intervals."""
    if model.config.split.by == "windows":
        return "every engine trained"
    if model.calibration is None:
        return "the run was not calibrated; run rul calibrate"
    return unsupported_reason(len(model.calibration.engines), DEFAULT_LEVELS)


def interval_facts(model: TrainedModel) -> IntervalFacts | None:
    """Describe a model's intervals; None if it has none."""
    calibration = model.calibration
    if calibration is None or calibration.default_level is None:
        return None
    return IntervalFacts(
        levels=calibration.levels,
        level=calibration.default_level,
        kind=calibration.kind,
        engines=len(calibration.engines),
        mark=interval_caveat(model) or None,
        form=calibration.form,
        promise=guarantee(calibration),
    )


def guarantee(calibration: Calibration) -> str:
    """Describe the coverage guarantee of a calibration and its limits."""
    if calibration.shortest_cut is None:
        return LIFE_GUARANTEE
    if calibration.kind == "out-of-fold":
        return NO_GUARANTEE
    cut = f"if a record ends at a random cycle from {calibration.shortest_cut} on"
    if not calibration.edges:
        return f"{_ENGINES}, {cut}; not for each engine or each RUL"
    edges = ", ".join(f"{edge:g}" for edge in calibration.edges)
    return (
        f"{_ENGINES}, {cut}, also if it is drawn within one band of predicted RUL (bands begin at "
        f"0, {edges}); not for each engine, nor by true RUL"
    )


def interval_caveat(model: TrainedModel) -> str:
    """Return the caveats of a model's intervals; empty if there are none."""
    caveats = [] if model.calibration is None else [model.calibration.caveat]
    if model.engines.censored:
        caveats.append(FAILED_ONLY)
    return "; ".join(filter(None, caveats))


def evaluate_intervals(
    model: TrainedModel, predictions: Predictions, truth: Truth, last: NDArray[np.int64]
) -> IntervalResults:
    """Compute the coverage of the intervals at each level on the test engines.

    Predictions and truth are those of every cycle; `last` [engine] is the row of each engine's
    last window.
    """
    facts = interval_facts(model)
    if facts is None:
        return IntervalResults(reason=why_no_intervals(model))
    # both: the guarantee is for every window, publications report last windows
    every, found = np.arange(len(predictions.rul)), []
    for level in facts.levels:
        bounds = interval_bounds(model, predictions.rul, level)
        of_last, of_every = (
            _window_coverage(bounds, rows, truth, predictions.engine, model.config.data.cap)
            for rows in (last, every)
        )
        found.append(LevelCoverage(level, of_last, of_every))
    return IntervalResults(facts, found)


def _window_coverage(
    bounds: Bounds,
    rows: NDArray[np.int64],
    truth: Truth,
    engine: NDArray[np.int64] | NDArray[np.str_],
    cap: int,
) -> WindowCoverage:
    """Compute the coverage of some windows.

    With capped labels, an upper bound at the cap means 'the cap or more'. With raw labels, no
    interval covers a RUL above the cap.
    """
    lower, upper, engine, truth = bounds[0][rows], bounds[1][rows], engine[rows], truth.at(rows)
    bands = []
    for low, below in rul_bands(cap):
        band = in_band(truth.raw, low, below)
        parts = (lower[band], upper[band], truth.capped[band], engine[band])
        # None rather than a coverage of 0 for an empty band
        bands.append(BandCoverage(low, below, interval_coverage(*parts) if band.any() else None))
    # bounds are clamped to the cap, so raw coverage is low by design, as explained by `above_cap`
    raw = interval_coverage(lower, upper, truth.raw, engine)
    above = mean_by_engine(truth.raw > cap, engine)
    return WindowCoverage(
        capped=interval_coverage(lower, upper, truth.capped, engine),
        raw=RawCoverage(**dataclasses.asdict(raw), above_cap=above),
        bands=bands,
    )
