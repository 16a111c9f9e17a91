"""Prognostics metrics of a fleet: each engine by itself, and the mean over engines."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.evaluation.predictions import Predictions, Truth
from cmapss_rul.metrics.prognostics import (
    ALPHA,
    HORIZON_ALPHA,
    LAMBDA,
    PrognosticMetrics,
    prognostic_metrics,
)

_NAMES = [field.name for field in dataclasses.fields(PrognosticMetrics)]


def prognostics_of(
    predictions: Predictions, truth: Truth, starts: NDArray[np.int64], cap: int
) -> dict[str, Any]:
    """Work out the prognostics metrics on raw labels.

    An engine's predictions are scored from the first cycle whose true RUL is at most the cap:
    before it a prediction at the cap says 'the cap or more', which is no RUL to be compared.
    An engine that never gets there has no metrics. Where the label reaches the cap, a prediction
    at the cap is right without any skill: horizons of some cap cycles come cheap.

    Args:
        predictions: at every cycle of every engine.
        truth: the same.
        starts: [engine], first row of each engine.
        cap: of the predictions, cycles.

    Returns:
        `definition`: the choices made; `mean`: of each metric over the engines that have it,
        and how many these are; `engines`: the metrics of each.
    """
    engines = []
    for start, end in zip(starts, [*starts[1:], len(truth.raw)], strict=True):
        rows = np.arange(start, end)[truth.raw[start:end] <= cap]
        found = dict.fromkeys(_NAMES)
        if len(rows):
            scored = prognostic_metrics(
                predictions.cycle[rows], predictions.rul[rows], truth.raw[rows]
            )
            found = dataclasses.asdict(scored)
        engines.append({"engine": predictions.engine[start].item(), "scored": len(rows), **found})
    return {
        "definition": {
            "source": "Saxena et al., IJPHM 1 (2010)",
            "labels": "raw",
            "from": f"the first cycle with a true RUL of at most {cap}",
            "alpha": ALPHA,
            "lambda": LAMBDA,
            "horizon_alpha": HORIZON_ALPHA,
        },
        "mean": {name: _mean([engine[name] for engine in engines]) for name in _NAMES},
        "engines": engines,
    }


def _mean(values: Sequence[Any]) -> dict[str, Any]:
    there = [float(value) for value in values if value is not None]
    return {"value": float(np.mean(there)) if there else None, "engines": len(there)}
