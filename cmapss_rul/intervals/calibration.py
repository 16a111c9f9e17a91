"""What a trained model carries for its intervals, and how it is made from held-out engines."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from cmapss_rul.intervals.conformal import (
    PREFERRED,
    conformal_quantile,
    engine_weights,
    engines_needed,
    preferred,
    supported_levels,
    validate_level,
)
from cmapss_rul.intervals.scales import FORMS, ErrorScales, Form, ScaleCurve
from cmapss_rul.system.errors import UsageError

Kind = Literal["validation", "calibration"]
CHOSE = "these engines also chose the epoch"
"""The mark of intervals whose engines were not fresh, which make them a little too narrow."""

_FOLDS = 5

Engine = Annotated[int, Field(ge=0, lt=2**63)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=0, le=1e6)]
Positive = Annotated[float, Field(allow_inf_nan=False, gt=0, le=1e6)]


@dataclass(frozen=True, eq=False)
class HeldOutPredictions:
    """Predictions and labels at every cycle of engines that did not train.

    Attributes:
        predicted: [cycle], clamped to [0, cap], cycles.
        true: [cycle], capped, cycles.
        engine: [cycle], a number for each engine.
    """

    predicted: NDArray[np.float64]
    true: NDArray[np.float64]
    engine: NDArray[np.int64]


class Calibration(BaseModel):
    """Everything behind the intervals of a model, as plain values: an entry of its checkpoint.

    Attributes:
        kind: whose errors are behind the quantiles: those of the validation engines, which also
            chose the epoch, or of engines kept for this alone.
        engines: numbers of these engines.
        levels: rising; not more than these engines support.
        quantiles: [level], the score that bounds the interval.
        form: of the scales, chosen on the validation engines.
        knots, late, early: see `ScaleCurve`.
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    kind: Kind
    engines: list[Engine] = Field(min_length=1)
    levels: list[Annotated[float, Field(gt=0, lt=1)]]
    quantiles: list[Number]
    form: Form
    knots: list[Number] = Field(min_length=1)
    late: list[Positive]
    early: list[Positive]

    @model_validator(mode="after")
    def _parts_fit(self) -> "Calibration":
        if len(self.quantiles) != len(self.levels) or self.levels != sorted(set(self.levels)):
            raise ValueError("levels should rise, with a quantile for each")
        if not len(self.knots) == len(self.late) == len(self.early):
            raise ValueError("knots, late and early should have one length")
        if self.knots != sorted(self.knots):
            raise ValueError("knots should not fall")
        if self.levels and engines_needed(self.levels[-1]) > len(self.engines):
            raise ValueError(f"{len(self.engines)} engines do not support {self.levels[-1]:g}")
        return self

    @property
    def scales(self) -> ScaleCurve:
        """Usual errors over the predicted RUL."""
        return ScaleCurve(np.array(self.knots), np.array(self.late), np.array(self.early))

    @property
    def caveat(self) -> str:
        """What must be said beside every interval, or nothing."""
        return CHOSE if self.kind == "validation" else ""

    @property
    def default_level(self) -> float | None:
        """The level to show where none is asked for; None where there is none."""
        return preferred(self.levels)

    def bounds(
        self, predicted: NDArray[np.float64], level: float, cap: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Lower and upper end of the intervals, cycles, both in [0, cap].

        Args:
            predicted: [window], clamped to [0, cap], cycles.
            level: one of `levels`.
            cap: of labels and predictions, cycles. An upper end there means 'the cap or more'.
        """
        bound = self.quantiles[self.levels.index(level)]
        return self.scales.at(predicted).bounds(predicted, bound, cap)


def fit_calibration(
    validation: HeldOutPredictions,
    calibration: HeldOutPredictions | None,
    engines: list[int],
    levels: Sequence[float],
    cap: int,
) -> Calibration:
    """Make the intervals of a model.

    The validation engines give the scales, and their form by the interval score.
    Engines kept for calibration, which none of this saw, give the quantiles, and the promise of
    `quantile` holds exactly. Where none were kept, the validation engines give the quantiles too,
    each scored by the scales of the other ones; they have also chosen the epoch, so the promise
    holds nearly.

    Args:
        validation: every cycle of the validation engines.
        calibration: every cycle of the engines kept for calibration, if any.
        engines: numbers of those that give the quantiles.
        levels: those wanted; those that are not supported are left out.
        cap: of labels and predictions, cycles.
    """
    fitted = {form: _fit(validation, form) for form in FORMS}
    crossed = {form: _crossed(validation, form) for form in FORMS}
    form = min(FORMS, key=lambda form: _interval_score(validation, crossed[form], cap))
    if calibration is None:
        scores = crossed[form].scores(validation.predicted, validation.true)
        engine = validation.engine
    else:
        scales = fitted[form].at(calibration.predicted)
        scores = scales.scores(calibration.predicted, calibration.true)
        engine = calibration.engine
    kept = supported_levels(levels, len(engines))
    return Calibration(
        kind="validation" if calibration is None else "calibration",
        engines=engines,
        levels=list(kept),
        quantiles=[conformal_quantile(scores, engine, level) for level in kept],
        form=form,
        knots=fitted[form].knots.tolist(),
        late=fitted[form].late.tolist(),
        early=fitted[form].early.tolist(),
    )


def _fit(held_out: HeldOutPredictions, form: Form) -> ScaleCurve:
    return ScaleCurve.fit(held_out.predicted, held_out.true, held_out.engine, form)


def _crossed(held_out: HeldOutPredictions, form: Form) -> ErrorScales:
    """The scales of each cycle by the engines of the other folds; of a single engine by its own."""
    _, number = np.unique(held_out.engine, return_inverse=True)
    fold = number % _FOLDS
    late, early = np.empty(len(fold)), np.empty(len(fold))
    for k in range(int(fold.max()) + 1):
        mine = fold == k
        rest = ~mine if not mine.all() else mine
        scales = _fit(
            HeldOutPredictions(*(values[rest] for values in vars(held_out).values())), form
        )
        late[mine], early[mine] = scales.at(held_out.predicted[mine])
    return ErrorScales(late, early)


def _interval_score(held_out: HeldOutPredictions, scales: ErrorScales, cap: int) -> float:
    """Mean interval score where 0.9 of the truths are held; lower is better.

    Width + 2/α·(how far the truth lies outside), α = 0.1; each engine weighs the same. Source:
    Gneiting and Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 2007,
    section 6.2. Width alone would favour intervals that fail where they are needed.
    """
    predicted, true = held_out.predicted, held_out.true
    share, _ = engine_weights(held_out.engine)
    scores = scales.scores(predicted, true)
    order = np.argsort(scores, kind="stable")
    reached = int(np.searchsorted(np.cumsum(share[order]), PREFERRED))
    bound = float(scores[order][min(reached, len(order) - 1)])
    lower, upper = scales.bounds(predicted, bound, cap)
    outside = np.maximum(lower - true, 0) + np.maximum(true - upper, 0)
    return float(np.sum(share * (upper - lower + 2 / (1 - PREFERRED) * outside)))


def validate_levels(levels: Sequence[float], engines: int) -> tuple[float, ...]:
    """Return levels asked for, rising, each once.

    Raises:
        UsageError: one is none, or takes more engines than there are.
    """
    for level in levels:
        needed = engines_needed(validate_level(level))
        if needed > engines:
            raise UsageError(
                f"found {engines} calibration engine{'s' if engines != 1 else ''}, which support "
                f"levels up to {engines}/{engines + 1}; level {level:g} takes at least {needed}"
            )
    return tuple(sorted(set(levels)))


def unsupported_reason(engines: int, levels: Sequence[float]) -> str:
    """Say why so many engines give no interval at any of some levels."""
    lowest = min(levels)
    wanted = ", ".join(f"{level:g}" for level in levels)
    return (
        f"{engines} calibration engine{'s' if engines != 1 else ''} for levels {wanted}, of which "
        f"{lowest:g} takes at least {engines_needed(lowest)}"
    )
