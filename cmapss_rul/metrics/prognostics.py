"""Prognostics metrics of RUL predictions over the life of an engine.

Source of all metrics: Saxena, Celaya, Saha, Saha and Goebel, "Metrics for Offline Evaluation of
Prognostic Performance", International Journal of Prognostics and Health Management 1 (2010).
Symbols: t a cycle, r(t) the predicted and r*(t) the true RUL at t, t_EoL the cycle of the
failure (r* = 0), t_P the first cycle whose prediction is scored.

Difference from the paper: predictions are points, so the criterion on the probability mass
within the bounds (β) becomes a yes-no criterion.

Every function takes `cycle`, `predicted` and `true` of the same shape [n], n ≥ 1, cycles ascending,
and RULs in cycles. A metric that is undefined for an engine is None, never a placeholder number.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.metrics.regression import errors

ALPHA = 0.2
"""Half-width of the α-λ cone, as a fraction of the true RUL."""

HORIZON_ALPHA = 0.05
"""Half-width of the band of the prognostic horizon, as a fraction of t_EoL."""

LAMBDA = 0.5
"""Time of the α-λ test, as a fraction of the time from t_P to t_EoL."""


@dataclass(frozen=True)
class PrognosticMetrics:
    """Prognostics metrics of one engine.

    Attributes:
        alpha_lambda: whether the prediction at t_λ lies within the cone; None if the record ends
            earlier.
        prognostic_horizon: cycles from the first prediction within the band to the failure;
            None if there is none.
        relative_accuracy: at t_λ; 1 is perfect, negative an error larger than the RUL.
        cumulative_relative_accuracy: mean relative accuracy before the failure.
        convergence: cycles, lower is a faster decline of the absolute error; None for a single
            prediction and for zero error.
    """

    alpha_lambda: bool | None
    prognostic_horizon: int | None
    relative_accuracy: float | None
    cumulative_relative_accuracy: float | None
    convergence: float | None


_NAMES = [field.name for field in fields(PrognosticMetrics)]


def prognostic_metrics(
    cycle: NDArray[Any], predicted: NDArray[Any], true: NDArray[Any]
) -> PrognosticMetrics:
    """Compute all metrics of one engine with the default α and λ."""
    return PrognosticMetrics(
        alpha_lambda=alpha_lambda(cycle, predicted, true),
        prognostic_horizon=prognostic_horizon(cycle, predicted, true),
        relative_accuracy=relative_accuracy(cycle, predicted, true),
        cumulative_relative_accuracy=cumulative_relative_accuracy(predicted, true),
        convergence=convergence(cycle, predicted, true),
    )


def end_of_life(cycle: NDArray[Any], true: NDArray[Any]) -> float:
    """t_EoL = t + r*(t), the cycle of the failure; may lie beyond the end of the record.

    >>> end_of_life(np.array([5, 6]), np.array([10, 9]))
    15
    """
    # the same for every row, since raw labels fall by one per cycle; capped ones do not
    end: float = (cycle[-1] + true[-1]).item()
    return end


def index_at_lambda(cycle: NDArray[Any], true: NDArray[Any], lam: float = LAMBDA) -> int | None:
    """Index of the first cycle at or after t_λ = t_P + λ·(t_EoL − t_P).

    None where the record ends before t_λ.

    >>> index_at_lambda(np.array([1, 2, 3]), np.array([4, 3, 2]))
    2
    >>> index_at_lambda(np.array([1]), np.array([4])) is None
    True
    """
    moment = cycle[0] + lam * (end_of_life(cycle, true) - cycle[0])
    index = int(np.searchsorted(cycle, moment))  # the later one if t_λ falls between two cycles
    return index if index < len(cycle) else None


def alpha_lambda(
    cycle: NDArray[Any],
    predicted: NDArray[Any],
    true: NDArray[Any],
    alpha: float = ALPHA,
    lam: float = LAMBDA,
) -> bool | None:
    """α-λ accuracy: (1 − α)·r*(t_λ) ≤ r(t_λ) ≤ (1 + α)·r*(t_λ).

    Its mean over engines is the share of engines with a correct prediction at λ. None where the
    record ends before t_λ.

    >>> alpha_lambda(np.array([1, 2, 3]), np.array([9, 9, 2.4]), np.array([4, 3, 2]))
    True
    """
    off = errors(predicted, true)
    index = index_at_lambda(cycle, true, lam)
    # 1e-9: bounds such as 1.2 · 10 are inexact in floating point
    return None if index is None else bool(abs(off[index]) <= alpha * true[index] + 1e-9)


def prognostic_horizon(
    cycle: NDArray[Any], predicted: NDArray[Any], true: NDArray[Any], alpha: float = HORIZON_ALPHA
) -> int | None:
    """PH = t_EoL − t_i, t_i the first cycle with |r(t_i) − r*(t_i)| ≤ α·t_EoL.

    How long before the failure a prediction first is accurate enough to act on. As in the paper,
    only the first one counts, even if later ones leave the band again. None if no prediction lies
    within the band.

    >>> prognostic_horizon(np.array([98, 99]), np.array([9, 5]), np.array([2, 1]))
    1
    """
    end = end_of_life(cycle, true)
    within = np.flatnonzero(np.abs(errors(predicted, true)) <= alpha * end + 1e-9)
    return (end - cycle[within[0]]).item() if len(within) else None


def relative_accuracy(
    cycle: NDArray[Any], predicted: NDArray[Any], true: NDArray[Any], lam: float = LAMBDA
) -> float | None:
    """RA_λ = 1 − |r*(t_λ) − r(t_λ)| / r*(t_λ).

    None where the record ends before t_λ, or the true RUL there is 0.

    >>> relative_accuracy(np.array([1, 2, 3]), np.array([9, 9, 3]), np.array([4, 3, 2]))
    0.5
    """
    off = np.abs(errors(predicted, true))
    index = index_at_lambda(cycle, true, lam)
    return None if index is None or true[index] == 0 else float(1 - off[index] / true[index])


def cumulative_relative_accuracy(predicted: NDArray[Any], true: NDArray[Any]) -> float | None:
    """CRA = mean over t of 1 − |r*(t) − r(t)| / r*(t), all weights equal.

    Excludes the cycle of the failure, where r* = 0. None if it is the only cycle.

    >>> cumulative_relative_accuracy(np.array([4, 1, 5]), np.array([2, 1, 0]))
    0.5
    """
    off = np.abs(errors(predicted, true))
    alive = np.asarray(true) > 0
    return float(np.mean(1 - off[alive] / np.asarray(true)[alive])) if alive.any() else None


def convergence(cycle: NDArray[Any], predicted: NDArray[Any], true: NDArray[Any]) -> float | None:
    """Convergence C_M: distance from (t_P, 0) to the centroid of the area under the error curve.

    With M(t) = |r(t) − r*(t)|, constant from each cycle to the next,

        C_M = √((x − t_P)² + y²),
        x = ½ Σ (t_{i+1}² − t_i²)·M(t_i) / A,  y = ½ Σ (t_{i+1} − t_i)·M(t_i)² / A,
        A = Σ (t_{i+1} − t_i)·M(t_i).

    Lower is faster: an error that is large at first and small later has its centroid near t_P.
    Comparable on the same engines only, because it grows with the length of the record. None for
    a single prediction, and if M is 0 everywhere.

    >>> convergence(np.array([1, 2, 4]), np.array([6, 1, 1]), np.array([3, 2, 0])).__round__(4)
    1.5556
    """
    error = np.abs(errors(predicted, true))[:-1]  # the last cycle bounds no further area
    time = cycle - cycle[0]  # t_P = 0, so x − t_P is x
    step = np.diff(time)
    area = float(np.sum(step * error))
    if area == 0:
        return None
    x = 0.5 * np.sum(np.diff(time**2) * error) / area
    y = 0.5 * np.sum(step * error**2) / area
    return float(np.hypot(x, y))


@dataclass(frozen=True)
class EnginePrognostics:
    """Prognostics metrics of one engine.

    Attributes:
        scored: number of scored cycles.
        metrics: None if no cycle is scored.
    """

    engine: int | str
    scored: int
    metrics: PrognosticMetrics | None

    def as_dict(self) -> dict[str, Any]:
        """Return the plain values for evaluation.json."""
        metrics = dict.fromkeys(_NAMES) if self.metrics is None else asdict(self.metrics)
        return {"engine": self.engine, "scored": self.scored, **metrics}


@dataclass(frozen=True)
class MeanMetric:
    """Mean of a metric over the engines for which it is defined, and their number."""

    value: float | None
    engines: int


@dataclass(frozen=True)
class FleetPrognostics:
    """Prognostics metrics of a fleet.

    Attributes:
        cap: cap of the predictions, cycles; an engine is scored once its true RUL is at most this.
    """

    cap: int
    mean: dict[str, MeanMetric]
    engines: list[EnginePrognostics]

    @property
    def definition(self) -> dict[str, Any]:
        """Parameters of the metrics, as plain values."""
        return {
            "source": "Saxena et al., IJPHM 1 (2010)",
            "labels": "raw",
            "from": f"the first cycle with a true RUL of at most {self.cap}",
            "alpha": ALPHA,
            "lambda": LAMBDA,
            "horizon_alpha": HORIZON_ALPHA,
        }

    def as_dict(self) -> dict[str, Any]:
        """Return the plain values for evaluation.json."""
        return {
            "definition": self.definition,
            "mean": {name: asdict(mean) for name, mean in self.mean.items()},
            "engines": [engine.as_dict() for engine in self.engines],
        }


def fleet_prognostics(
    engine: NDArray[Any],
    cycle: NDArray[Any],
    predicted: NDArray[np.float64],
    true: NDArray[Any],
    cap: int,
) -> FleetPrognostics:
    """Compute the prognostics metrics of each engine, and their means over engines.

    An engine's predictions are scored from the first cycle whose true RUL is at most the cap:
    before that, a prediction at the cap means 'the cap or more', which has no error. An engine
    that never gets there has no metrics. At that first cycle a constant prediction of the cap is
    correct without any skill, so prognostic horizons of about the cap are not informative.

    Args:
        engine: [window], number or name; the windows of an engine are adjacent.
        cycle: [window].
        predicted: [window], RUL, cycles.
        true: [window], raw RUL, cycles.
        cap: cap of the predictions, cycles.
    """
    # engines may be names in any order, so boundaries are where neighbours differ
    starts = np.flatnonzero(np.r_[True, engine[1:] != engine[:-1]])
    engines = []
    for start, end in zip(starts, [*starts[1:], len(true)], strict=True):
        rows = np.arange(start, end)[true[start:end] <= cap]
        # a record that ends long before the failure may never get below the cap
        scored = (cycle[rows], predicted[rows], true[rows])
        metrics = prognostic_metrics(*scored) if len(rows) else None
        # .item(): JSON has no NumPy scalars
        engines.append(EnginePrognostics(engine[start].item(), len(rows), metrics))
    mean = {name: _mean_metric(name, engines) for name in _NAMES}
    return FleetPrognostics(cap, mean, engines)


def _mean_metric(name: str, engines: Sequence[EnginePrognostics]) -> MeanMetric:
    found = [getattr(engine.metrics, name) for engine in engines if engine.metrics is not None]
    # undefined values are excluded, not counted as 0; `engines` is the number of the others
    values = [float(value) for value in found if value is not None]
    return MeanMetric(float(np.mean(values)) if values else None, len(values))
