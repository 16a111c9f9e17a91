"""Metrics on whole held-out records: at random cuts, and of censored engines."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Fleet, Times
from cmapss_rul.data.labels import cap_rul, run_to_failure_rul
from cmapss_rul.data.split import FEW_ENGINES
from cmapss_rul.data.testset import EvaluationSet
from cmapss_rul.display.table import Table
from cmapss_rul.display.text import counted, row_noun
from cmapss_rul.evaluation.predictions import predict_fleet
from cmapss_rul.metrics.bootstrap import percentile_interval, resampled_rmse
from cmapss_rul.metrics.censored import BoundMetrics, bound_metrics, cut_concordance
from cmapss_rul.metrics.regression import SHORTEST_CUT, nasa_mean, random_cut_weights, rmse
from cmapss_rul.training.trained_model import TrainedModel


@dataclass(frozen=True)
class CutMetrics:
    """Expected metrics at random cuts of the records, capped labels; see `random_cut_weights`.

    Attributes:
        earliest: cycles of the shortest truncated record.
        rmse: cycles.
        rmse_interval: 95 % bootstrap interval of the RMSE over engines; None for a single engine.
        train_mean_rmse: RMSE of a constant, the mean training label.
        test_mean_rmse: RMSE of a constant, the mean of the scored labels (an oracle).
        by_engine: mean squared error of each engine, by its name, cycles².
    """

    engines: int
    earliest: int
    rmse: float
    rmse_interval: tuple[float, float] | None
    nasa_mean: float
    train_mean_rmse: float
    test_mean_rmse: float
    by_engine: dict[str, float]


@dataclass(frozen=True)
class CensoredMetrics:
    """Metrics of a model on held-out engines that have not failed.

    Attributes:
        bounds: violations of the capped lower bounds of the RUL, at every cycle; None if no
            censored engine was held out.
        concordance: Harrell's index of all held-out engines at random cuts; 0.5 by chance.
    """

    bounds: BoundMetrics | None
    concordance: float | None


def held_out_metrics(
    model: TrainedModel, tested: EvaluationSet
) -> tuple[CutMetrics | None, CensoredMetrics | None]:
    """Compute the metrics of a model on whole held-out records.

    Both are None with a separate test file, the second also without censored training records.
    """
    if tested.whole is None:
        return None, None
    predicted, true = _predict(model, tested.whole)
    censored = None
    if model.engines.censored:
        censored = _censored_metrics(model, tested.whole, predicted, tested.censored)
    return _cut_metrics(model, tested, tested.whole, predicted, true), censored


def _cut_metrics(
    model: TrainedModel,
    tested: EvaluationSet,
    fleet: Fleet,
    predicted: NDArray[np.float64],
    true: Times,
) -> CutMetrics:
    seen = fleet.cycles_seen
    weights = random_cut_weights(fleet.engine, seen)
    kept = weights > 0  # excludes engines whose records are too short for a cut
    predicted, true, weights = predicted[kept], true[kept], weights[kept]
    engines, number = np.unique(fleet.engine[kept], return_inverse=True)
    squares = np.bincount(number, np.square(predicted - true)) / np.bincount(number)
    drawn = resampled_rmse(squares.reshape(1, -1), engines)

    def rmse_of(constant: float) -> float:
        return rmse(np.full(len(true), constant), true, weights)

    return CutMetrics(
        engines=len(engines),
        earliest=int(seen[kept].min()),
        rmse=rmse(predicted, true, weights),
        rmse_interval=None if drawn is None else percentile_interval(drawn[0]),
        nasa_mean=nasa_mean(predicted, true, weights),
        train_mean_rmse=rmse_of(model.data.mean_label),
        test_mean_rmse=rmse_of(float(np.average(true, weights=weights))),
        by_engine={
            str(tested.names[number - 1]): square
            for number, square in zip(engines.tolist(), squares.tolist(), strict=True)
        },
    )


def _censored_metrics(
    model: TrainedModel, whole: Fleet, predicted: NDArray[np.float64], censored: Fleet | None
) -> CensoredMetrics:
    bounds, lengths = None, whole.lengths
    if censored is not None:
        at_least, bound = _predict(model, censored)
        bounds = bound_metrics(at_least, bound, censored.engine)
        predicted = np.concatenate([predicted, at_least])
        lengths = np.concatenate([lengths, censored.lengths])
    failed = np.arange(len(lengths)) < len(whole.lengths)
    index = cut_concordance(predicted, lengths, failed, SHORTEST_CUT)
    return CensoredMetrics(bounds, index)


def _predict(model: TrainedModel, fleet: Fleet) -> tuple[NDArray[np.float64], Times]:
    """Return predicted RUL and capped label (or lower bound) at every cycle, [row]."""
    return predict_fleet(model, fleet).rul, cap_rul(
        run_to_failure_rul(fleet), model.config.data.cap
    )


def few_engines(found: CutMetrics) -> str:
    """Return a warning about a result on few engines; empty if there are enough."""
    if found.engines >= FEW_ENGINES:
        return ""
    return (
        f"only {counted(found.engines, 'test engine')}: the result may be very different on other "
        "engines; split.test_folds tests every engine once (docs/own-fleet.md)"
    )


def censored_table(found: CensoredMetrics, unit: str) -> Table:
    """Tabulate the metrics on engines that have not failed."""
    return Table(
        "Censored engines: consistency of the predictions with their records",
        ["metric", "value", "meaning"],
        [list(row) for row in _censored_rows(found, unit)],
        "lrl",
    )


def _censored_rows(found: CensoredMetrics, unit: str) -> Iterator[tuple[str, str, str]]:
    bounds = found.bounds
    if bounds is not None:
        engines = counted(bounds.engines, "held-out engine")
        yield (
            "bounds violated", f"{bounds.violated:.1%}",
            f"share of the {row_noun(unit)}s of {engines} with a prediction below the remaining "
            f"{unit} of the record (or the cap); 0 is best",
        )  # fmt: skip
        yield (
            "shortfall", f"{bounds.shortfall:.2f} {unit}",
            "mean distance below these bounds, 0 for predictions above",
        )  # fmt: skip
    index = "–" if found.concordance is None else f"{found.concordance:.3f}"
    yield (
        "concordance index", index,
        "share of pairs of held-out engines, cut at random, in the correct order; 0.5 by chance",
    )  # fmt: skip
