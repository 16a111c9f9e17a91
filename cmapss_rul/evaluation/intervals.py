"""The intervals of a trained model: at which level, how often they held, and what must be said."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.evaluation.predictions import Predictions, Truth
from cmapss_rul.intervals.calibration import unsupported_reason
from cmapss_rul.intervals.conformal import DEFAULT_LEVELS, validate_level
from cmapss_rul.metrics.coverage import interval_coverage, mean_by_engine
from cmapss_rul.metrics.regression import in_band, rul_bands
from cmapss_rul.system.errors import UsageError
from cmapss_rul.system.text import printable
from cmapss_rul.training.trained_model import TrainedModel

PROMISE = (
    "at least the level, for a cycle drawn evenly from the whole life of an engine like those it "
    "is made from, in the mean over engines; not for each RUL, nor for cut records' last cycles"
)
"""What conformal prediction by engine promises, and what it does not."""

Ends = tuple[NDArray[np.float64], NDArray[np.float64]]


def level_of(model: TrainedModel, asked: float | None = None) -> float | None:
    """The level of the intervals to show: the one asked for, else the one nearest to 0.9.

    Returns:
        None where the model carries no intervals and none were asked for.

    Raises:
        UsageError: the model was not calibrated at the level asked for.
    """
    calibration = model.calibration
    levels = [] if calibration is None else calibration.levels
    if asked is not None:
        validate_level(asked)
    else:
        return None if calibration is None else calibration.default_level
    if not levels:
        raise UsageError(
            f"{printable(model.path)} carries no intervals ({why_none(model)}), so there is none "
            f"at level {asked:g}; leave --level out to predict without them"
        )
    if asked not in levels:
        there = ", ".join(f"{level:g}" for level in levels)
        raise UsageError(
            f"{printable(model.path)} was not calibrated at level {asked:g}; expected one of "
            f"{there}, or `rul calibrate` with --level {asked:g} before"
        )
    return asked


def ends_of(model: TrainedModel, rul: NDArray[np.float64], level: float) -> Ends:
    """Lower and upper end of the intervals around predictions.

    Args:
        model: calibrated at the level.
        rul: [window], clamped to [0, cap], cycles.
        level: one of the model's.
    """
    assert model.calibration is not None
    return model.calibration.bounds(rul, level, model.config.data.cap)


def why_none(model: TrainedModel) -> str:
    """Say why a model has no intervals."""
    calibration = model.calibration
    if model.config.split.by == "windows":
        return "every engine trained"
    if calibration is None:
        return "the run was not calibrated; rul calibrate does it"
    return unsupported_reason(len(calibration.engines), DEFAULT_LEVELS)


def about(model: TrainedModel) -> dict[str, Any] | None:
    """What must be said about a model's intervals; None where there are none."""
    calibration = model.calibration
    if calibration is None or not calibration.levels:
        return None
    return {
        "levels": calibration.levels,
        "level": calibration.default_level,
        "kind": calibration.kind,
        "engines": len(calibration.engines),
        "mark": calibration.caveat or None,
        "form": calibration.form,
        "promise": PROMISE,
    }


def coverage_of(
    model: TrainedModel, predictions: Predictions, truth: Truth, last: NDArray[np.int64]
) -> dict[str, Any]:
    """How often the intervals of each level hold the truth on the test engines.

    Args:
        model: whose intervals they are.
        predictions: at every cycle of every engine.
        truth: the same.
        last: [engine], the row of each engine's last window.

    Returns:
        What `about` says, and in `coverage` for each level: `last` and `every` window, each with
        `capped` and `raw` labels and `bands` of the true RUL. Without intervals `levels` is
        empty, and `why` says why.
    """
    said = about(model)
    if said is None:
        return {"levels": [], "why": why_none(model)}
    cap = model.config.data.cap
    found = []
    for level in said["levels"]:
        lower, upper = ends_of(model, predictions.rul, level)
        every = np.arange(len(lower))
        scored = {
            name: _scored(lower[rows], upper[rows], truth.at(rows), predictions.engine[rows], cap)
            for name, rows in (("last", last), ("every", every))
        }
        found.append({"level": level, **scored})
    return {**said, "coverage": found}


def _scored(
    lower: NDArray[np.float64],
    upper: NDArray[np.float64],
    truth: Truth,
    engine: NDArray[np.int64] | NDArray[np.str_],
    cap: int,
) -> dict[str, Any]:
    """Coverage of some windows.

    On capped labels an upper end at the cap means 'the cap or more'; on raw labels it is taken
    at its word, so that no interval holds a RUL above the cap.
    """
    raw = dataclasses.asdict(interval_coverage(lower, upper, truth.raw, engine))
    above = mean_by_engine(truth.raw > cap, engine)
    bands = []
    for low, high in rul_bands(cap):
        inside = in_band(truth.raw, low, high)
        parts = (lower[inside], upper[inside], truth.capped[inside], engine[inside])
        there = dataclasses.asdict(interval_coverage(*parts)) if inside.any() else None
        bands.append({"from": low, "below": high, "capped": there})
    return {
        "capped": dataclasses.asdict(interval_coverage(lower, upper, truth.capped, engine)),
        "raw": {**raw, "above_cap": above},
        "bands": bands,
    }
