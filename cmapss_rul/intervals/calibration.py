"""Calibration of the intervals on held-out engines; stored in the checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cmapss_rul.display.text import counted
from cmapss_rul.intervals.conformal import (
    DEFAULT_LEVELS,
    PREFERRED_LEVEL,
    band_quantiles,
    conformal_quantile,
    engine_weights,
    engines_needed,
    offered_levels,
    preferred_level,
    supported_levels,
    validate_level,
)
from cmapss_rul.intervals.estimate import MIN_ENGINES, fit_shifts
from cmapss_rul.intervals.scales import FORMS, ErrorScales, Form, ScaleCurve
from cmapss_rul.metrics.regression import random_cut_weights, rul_bands
from cmapss_rul.system.errors import UsageError

Kind = Literal["validation", "calibration", "out-of-fold"]
EPOCH_CAVEAT = "these engines also selected the epoch"
"""Caveat of intervals from validation engines: early stopping makes them slightly too narrow."""
MIN_ENGINES_FOR_BANDS = 20
"""Calibration engines from which on the bound also holds within bands of the predicted RUL."""

_CAVEATS: dict[Kind, str] = {
    "validation": EPOCH_CAVEAT,
    "calibration": "",
    "out-of-fold": "errors of single networks around the ensemble's mean: no guaranteed coverage",
}

_FOLDS = 5

EngineNumber = Annotated[int, Field(ge=0, lt=2**63)]
NonNegative = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e6)]
Scale = Annotated[float, Field(allow_inf_nan=False, gt=0, le=1e6)]


@dataclass(frozen=True, eq=False)
class CalibrationPredictions:
    """Predictions and labels at every cycle of engines that were held out from training.

    Attributes:
        predicted: [cycle], clamped to [0, cap], cycles.
        true: [cycle], capped, cycles.
        engine: [cycle], a number for each engine.
        lengths: [cycle], cycles of the engine's record up to this one.
    """

    predicted: NDArray[np.float64]
    true: NDArray[np.float64]
    engine: NDArray[np.int64]
    lengths: NDArray[np.int64]

    def at(self, rows: NDArray[np.bool_]) -> "CalibrationPredictions":
        """Select some of the cycles."""
        return CalibrationPredictions(*(values[rows] for values in vars(self).values()))

    def at_cuts(self) -> "CalibrationPredictions":
        """Select the cycles at which a record may be truncated; see `random_cut_weights`."""
        # within an engine these have equal weights, as `engine_weights` assigns them
        return self.at(random_cut_weights(self.engine, self.lengths) > 0)


class Calibration(BaseModel):
    """Parameters of a model's intervals, as plain values for its checkpoint.

    Attributes:
        kind: source of the quantiles: the validation engines, which also selected the epoch,
            engines reserved for calibration, or all engines of an ensemble over folds, each
            predicted by the network that it did not train.
        engines: numbers of these engines.
        levels: nominal coverages, ascending, all supported by the number of engines.
        quantiles: [level], largest score inside the interval; with bands, a lower bound of the
            band quantiles.
        shortest_cut: the coverage is an average over random cuts that leave at least this many
            cycles; None for an average over every cycle of a life, as before 2026-11-29.
        edges: edges between bands of the predicted RUL, ascending, cycles; the lower edge belongs
            to a band. Empty without bands.
        band_quantiles: [level][band], largest score inside the interval, by predicted RUL.
        nasa_knots: [knot], predicted RUL, ascending, cycles; empty without shifts.
        nasa_shifts: [knot], shift from the network's estimate to that for the NASA score, cycles.
        form: form of the scales, chosen on the validation engines.
        knots, late, early: see `ScaleCurve`.
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    kind: Kind
    engines: list[EngineNumber] = Field(min_length=1)
    levels: list[Annotated[float, Field(gt=0, lt=1)]]
    quantiles: list[NonNegative]
    form: Form
    knots: list[NonNegative] = Field(min_length=1)
    late: list[Scale]
    early: list[Scale]
    shortest_cut: Annotated[int, Field(ge=1, le=10**6)] | None = None
    edges: list[NonNegative] = []
    band_quantiles: list[list[NonNegative]] = []
    nasa_knots: list[NonNegative] = []
    nasa_shifts: list[Annotated[float, Field(allow_inf_nan=False, ge=-1e6, le=0)]] = []

    @model_validator(mode="after")
    def _check_consistency(self) -> "Calibration":
        if len(self.quantiles) != len(self.levels) or self.levels != sorted(set(self.levels)):
            raise ValueError("levels should be ascending, with a quantile for each")
        if not len(self.knots) == len(self.late) == len(self.early):
            raise ValueError("knots, late and early should have the same length")
        if len(self.nasa_knots) != len(self.nasa_shifts):
            raise ValueError("nasa_knots and nasa_shifts should have the same length")
        for knots in (self.knots, self.nasa_knots):
            if knots != sorted(knots):
                raise ValueError("knots should be ascending")
        if self.edges != sorted(self.edges):
            raise ValueError("edges should be ascending")
        rows = [len(self.edges) + 1] * len(self.levels) if self.edges else []
        if [len(row) for row in self.band_quantiles] != rows:
            raise ValueError("band_quantiles should have a row a level, with a quantile a band")
        # the quantile would be infinite, and the interval the whole range of RULs
        if self.levels and engines_needed(self.levels[-1]) > len(self.engines):
            raise ValueError(f"{len(self.engines)} engines do not support {self.levels[-1]:g}")
        return self

    @property
    def scales(self) -> ScaleCurve:
        """Typical errors as a function of the predicted RUL."""
        return ScaleCurve(np.array(self.knots), np.array(self.late), np.array(self.early))

    @property
    def caveat(self) -> str:
        """Text to print with every interval; empty where there is no caveat."""
        return _CAVEATS[self.kind]

    @property
    def default_level(self) -> float | None:
        """The level to use if none is requested; None if no level is supported."""
        return preferred_level(self.levels)

    def bounds(
        self, predicted: NDArray[np.float64], level: float, cap: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper bounds of the intervals, cycles, both in [0, cap].

        Args:
            predicted: [window], clamped to [0, cap], cycles.
            level: one of `levels`.
            cap: cap of labels and predictions, cycles. An upper bound equal to it means 'the cap
                or more'.
        """
        index = self.levels.index(level)
        bound: float | NDArray[np.float64] = self.quantiles[index]
        if self.edges:
            bound = np.array(self.band_quantiles[index])[np.digitize(predicted, self.edges)]
        return self.scales.at(predicted).bounds(predicted, bound, cap)

    def nasa_estimate(self, predicted: NDArray[np.float64]) -> NDArray[np.float64]:
        """Estimate with the lowest expected NASA score, [window], cycles; needs `nasa_knots`.

        The shift is linear between knots and constant beyond. `predicted`, [window], is clamped to
        [0, cap], and so is the estimate, which never exceeds it.
        """
        return np.maximum(predicted + np.interp(predicted, self.nasa_knots, self.nasa_shifts), 0)


def fit_calibration(
    predictions: CalibrationPredictions,
    reserved: CalibrationPredictions | None,
    engines: list[int],
    levels: Sequence[float] | None,
    cap: int,
    kind: Kind = "validation",
) -> Calibration:
    """Calibrate the intervals of a model for records truncated at a random cycle.

    All engines weigh the same, and within an engine all cuts of `random_cut_weights`.
    The scales are fitted to `predictions`, and their form is chosen by the interval score. With
    reserved engines the quantiles come from those, and the bound of `band_quantiles` is exact.
    Otherwise each engine is scored with scales cross-fitted on the others; since validation
    engines also selected the epoch, the bound then holds only approximately. With at least
    `MIN_ENGINES_FOR_BANDS` engines there are five bands of predicted RUL; nearly every engine
    passes through each of them, so each band has nearly all engines.

    Args:
        predictions: every cycle of the engines held out from training.
        reserved: every cycle of the engines reserved for calibration, if any.
        engines: numbers of the engines that determine the quantiles, ascending.
        levels: requested coverages, of which unsupported ones are left out; None for those of
            `DEFAULT_LEVELS` that `offered_levels` selects.
        cap: cap of labels and predictions, cycles.
        kind: source of `predictions`, if no engines are reserved.
    """
    engines = _engines_with_cuts(predictions if reserved is None else reserved, engines)
    predictions = predictions.at_cuts()
    # the form is chosen by `crossed` in either case: in-sample, the more flexible form would
    # always have the lower score
    fitted = {form: _fit(predictions, form) for form in FORMS}
    crossed = {form: _cross_fit(predictions, form) for form in FORMS}
    form = min(FORMS, key=lambda form: _interval_score(predictions, crossed[form], cap))
    if reserved is None:
        # scored in-sample, the errors of an engine would be underestimated, and the intervals
        # too narrow
        used, scales = predictions, crossed[form]
    else:
        # nothing was fitted to these engines, so their scores are exchangeable with a new engine's
        used = reserved.at_cuts()
        scales = fitted[form].at(used.predicted)
    scores = scales.scores(used.predicted, used.true)
    if levels is None:
        feasible = offered_levels(DEFAULT_LEVELS, len(engines))
    else:
        # explicitly requested levels may be without a spare engine
        feasible = supported_levels(levels, len(engines))
    edges = (
        [float(low) for low, _ in rul_bands(cap)][1:-1]
        if len(engines) >= MIN_ENGINES_FOR_BANDS
        else []
    )
    band, bands = np.digitize(used.predicted, edges), len(edges) + 1
    # same bands as the intervals: the shift depends on the uncertainty at a predicted RUL
    knots, shifts = fit_shifts(used.predicted, used.true, used.engine, band)
    by_band = [band_quantiles(scores, used.engine, band, bands, level) for level in feasible]
    return Calibration(
        kind=kind if reserved is None else "calibration",
        engines=engines,
        levels=list(feasible),
        quantiles=[conformal_quantile(scores, used.engine, level) for level in feasible],
        form=form,
        knots=fitted[form].knots.tolist(),
        late=fitted[form].late.tolist(),
        early=fitted[form].early.tolist(),
        shortest_cut=int(used.lengths.min()),  # below SHORTEST_CUT if all records are short
        edges=edges,
        band_quantiles=by_band if edges else [],
        nasa_knots=knots if len(engines) >= MIN_ENGINES else [],
        nasa_shifts=shifts if len(engines) >= MIN_ENGINES else [],
    )


def _engines_with_cuts(predictions: CalibrationPredictions, engines: list[int]) -> list[int]:
    """Return the numbers of the engines whose records are long enough to be cut."""
    long_enough = np.isin(np.unique(predictions.engine), predictions.at_cuts().engine)
    return [number for number, kept in zip(engines, long_enough, strict=True) if kept]


def _fit(predictions: CalibrationPredictions, form: Form) -> ScaleCurve:
    return ScaleCurve.fit(predictions.predicted, predictions.true, predictions.engine, form)


def _cross_fit(predictions: CalibrationPredictions, form: Form) -> ErrorScales:
    """Scales of each cycle, fitted to the engines of the other folds; in-sample for one engine."""
    # folds of engines, not of cycles: errors of one engine would leak between folds
    _, number = np.unique(predictions.engine, return_inverse=True)
    # by rank of the engine number, not at random: recalibration gives the same result
    fold = number % _FOLDS
    late, early = np.empty(len(fold)), np.empty(len(fold))
    for k in range(int(fold.max()) + 1):
        inside = fold == k
        rest = ~inside if not inside.all() else inside
        scales = _fit(predictions.at(rest), form)
        late[inside], early[inside] = scales.at(predictions.predicted[inside])
    return ErrorScales(late, early)


def _interval_score(predictions: CalibrationPredictions, scales: ErrorScales, cap: int) -> float:
    """Mean interval score at coverage 0.9; lower is better.

    Width + 2/α · (distance of the truth from the interval), α = 0.1; all engines weigh the same.
    Source: Gneiting and Raftery, "Strictly proper scoring rules, prediction, and estimation",
    JASA 2007, section 6.2. The width alone would favour intervals that miss large errors.
    """
    predicted, true = predictions.predicted, predictions.true
    weights = engine_weights(predictions.engine)
    scores = scales.scores(predicted, true)
    order = np.argsort(scores, kind="stable")
    # the plain quantile, without mass at infinity: only to compare forms, without a guarantee
    reached = int(np.searchsorted(np.cumsum(weights[order]), PREFERRED_LEVEL))
    bound = float(scores[order][min(reached, len(order) - 1)])
    lower, upper = scales.bounds(predicted, bound, cap)
    outside = np.maximum(lower - true, 0) + np.maximum(true - upper, 0)
    return float(np.sum(weights * (upper - lower + 2 / (1 - PREFERRED_LEVEL) * outside)))


def validate_levels(levels: Sequence[float], engines: int) -> tuple[float, ...]:
    """Validate requested levels; return them ascending, without duplicates.

    Raises:
        UsageError: a level is outside (0, 1), or needs more engines than there are.
    """
    for level in levels:
        needed = engines_needed(validate_level(level))
        if needed > engines:
            raise UsageError(
                f"found {counted(engines, 'calibration engine')}, which support "
                f"levels up to {engines}/{engines + 1}; level {level:g} needs at least {needed}"
            )
    return tuple(sorted(set(levels)))


def unsupported_reason(engines: int, levels: Sequence[float]) -> str:
    """Describe why a number of engines supports none of the levels."""
    lowest = min(levels)
    wanted = ", ".join(f"{level:g}" for level in levels)
    return (
        f"{counted(engines, 'calibration engine')} for levels {wanted}, of which "
        f"{lowest:g} needs at least {engines_needed(lowest)}"
    )
