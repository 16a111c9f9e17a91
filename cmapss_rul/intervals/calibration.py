"""Interval calibration: fitted on held-out engines, stored in the checkpoint of the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cmapss_rul.display.text import counted
from cmapss_rul.intervals.conformal import (
    PREFERRED,
    conformal_quantile,
    engine_weights,
    engines_needed,
    preferred_level,
    supported_levels,
    validate_level,
)
from cmapss_rul.intervals.scales import FORMS, ErrorScales, Form, ScaleCurve
from cmapss_rul.system.errors import UsageError

Kind = Literal["validation", "calibration", "out-of-fold"]
CHOSE = "these engines also chose the epoch"
"""Caveat of intervals from validation engines: early stopping makes them slightly too narrow."""

_CAVEATS: dict[Kind, str] = {
    "validation": CHOSE,
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
    """

    predicted: NDArray[np.float64]
    true: NDArray[np.float64]
    engine: NDArray[np.int64]


class Calibration(BaseModel):
    """Parameters of a model's intervals, as plain values: an entry of its checkpoint.

    Attributes:
        kind: source of the quantiles: the validation engines, which also chose the epoch,
            engines reserved for calibration, or all engines of an ensemble over folds, each by
            the network that it did not train.
        engines: numbers of these engines.
        levels: nominal coverages, ascending, all supported by the number of engines.
        quantiles: [level], largest score inside the interval.
        form: of the scales, chosen on the validation engines.
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

    @model_validator(mode="after")
    def _check_consistency(self) -> "Calibration":
        if len(self.quantiles) != len(self.levels) or self.levels != sorted(set(self.levels)):
            raise ValueError("levels should be ascending, with a quantile for each")
        if not len(self.knots) == len(self.late) == len(self.early):
            raise ValueError("knots, late and early should have the same length")
        if self.knots != sorted(self.knots):
            raise ValueError("knots should be ascending")
        # an infinite quantile is no plain value, and an interval of all RULs of no use
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
        """The level to use where none is requested; None where no level is supported."""
        return preferred_level(self.levels)

    def bounds(
        self, predicted: NDArray[np.float64], level: float, cap: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper bounds of the intervals, cycles, both in [0, cap].

        Args:
            predicted: [window], clamped to [0, cap], cycles.
            level: one of `levels`.
            cap: of labels and predictions, cycles. An upper bound there means 'the cap or more'.
        """
        bound = self.quantiles[self.levels.index(level)]
        return self.scales.at(predicted).bounds(predicted, bound, cap)


def fit_calibration(
    validation: CalibrationPredictions,
    calibration: CalibrationPredictions | None,
    engines: list[int],
    levels: Sequence[float],
    cap: int,
) -> Calibration:
    """Calibrate the intervals of a model.

    The scales, and their form by the interval score, come from the validation engines. With
    reserved calibration engines the quantiles come from those, and the guarantee of
    `conformal_quantile` holds exactly. Otherwise they come from the validation engines, each
    scored with scales cross-fitted on the others; these engines also chose the epoch, so the
    guarantee holds only approximately.

    Args:
        validation: every cycle of the validation engines.
        calibration: every cycle of the calibration engines, if any.
        engines: numbers of the engines behind the quantiles.
        levels: requested coverages; those that the engines do not support are left out.
        cap: of labels and predictions, cycles.
    """
    # `crossed` chooses the form in either case: on the engines that it was fitted on, the more
    # flexible form would always look better
    fitted = {form: _fit(validation, form) for form in FORMS}
    crossed = {form: _cross_fit(validation, form) for form in FORMS}
    form = min(FORMS, key=lambda form: _interval_score(validation, crossed[form], cap))
    if calibration is None:
        # scored in its own units, an engine would get too small a score, and the interval be narrow
        scores = crossed[form].scores(validation.predicted, validation.true)
        engine = validation.engine
    else:
        # these engines fitted nothing, so the scores are exchangeable with a new engine's
        scales = fitted[form].at(calibration.predicted)
        scores = scales.scores(calibration.predicted, calibration.true)
        engine = calibration.engine
    feasible = supported_levels(levels, len(engines))
    return Calibration(
        kind="validation" if calibration is None else "calibration",
        engines=engines,
        levels=list(feasible),
        quantiles=[conformal_quantile(scores, engine, level) for level in feasible],
        form=form,
        knots=fitted[form].knots.tolist(),
        late=fitted[form].late.tolist(),
        early=fitted[form].early.tolist(),
    )


def _fit(predictions: CalibrationPredictions, form: Form) -> ScaleCurve:
    return ScaleCurve.fit(predictions.predicted, predictions.true, predictions.engine, form)


def _cross_fit(predictions: CalibrationPredictions, form: Form) -> ErrorScales:
    """Scales of each cycle, fitted on the engines of the other folds; a single engine on itself."""
    # by engine, not by cycle: cycles of one engine in both parts would leak its errors
    _, number = np.unique(predictions.engine, return_inverse=True)
    fold = number % _FOLDS
    late, early = np.empty(len(fold)), np.empty(len(fold))
    for k in range(int(fold.max()) + 1):
        inside = fold == k
        rest = ~inside if not inside.all() else inside
        scales = _fit(
            CalibrationPredictions(*(values[rest] for values in vars(predictions).values())), form
        )
        late[inside], early[inside] = scales.at(predictions.predicted[inside])
    return ErrorScales(late, early)


def _interval_score(predictions: CalibrationPredictions, scales: ErrorScales, cap: int) -> float:
    """Mean interval score at coverage 0.9; lower is better.

    Width + 2/α·(distance of the truth from the interval), α = 0.1; all engines have the same
    weight. Source: Gneiting and Raftery, "Strictly proper scoring rules, prediction, and
    estimation", JASA 2007, section 6.2. Width alone would favour intervals that miss large errors.
    """
    predicted, true = predictions.predicted, predictions.true
    weights = engine_weights(predictions.engine)
    scores = scales.scores(predicted, true)
    order = np.argsort(scores, kind="stable")
    # the plain quantile, without a mass at infinity: forms are compared, nothing is guaranteed
    reached = int(np.searchsorted(np.cumsum(weights[order]), PREFERRED))
    bound = float(scores[order][min(reached, len(order) - 1)])
    lower, upper = scales.bounds(predicted, bound, cap)
    outside = np.maximum(lower - true, 0) + np.maximum(true - upper, 0)
    return float(np.sum(weights * (upper - lower + 2 / (1 - PREFERRED) * outside)))


def validate_levels(levels: Sequence[float], engines: int) -> tuple[float, ...]:
    """Return requested levels, ascending, without duplicates.

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
    """Describe why a number of engines supports none of some levels."""
    lowest = min(levels)
    wanted = ", ".join(f"{level:g}" for level in levels)
    return (
        f"{counted(engines, 'calibration engine')} for levels {wanted}, of which "
        f"{lowest:g} needs at least {engines_needed(lowest)}"
    )
