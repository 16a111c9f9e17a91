"""Metrics that whole held-out records allow: at random cuts, and those of censored engines."""

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
    """Metrics expected where records are cut at random, capped labels; see `random_cut_weights`.

    Attributes:
        earliest: cycles of the shortest record.
        rmse: cycles.
        rmse_interval: 95 % bootstrap interval of it over engines; None for a single engine.
        test_mean_rmse: RMSE of the mean of the scored labels, a constant that knows them.
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
        bounds: how often predictions at any cycle fall below what is known of the RUL, capped;
            None where no censored engine was held out.
        concordance: Harrell's index of all held-out engines, cut at random; 0.5 by chance.
    """

    bounds: BoundMetrics | None
    concordance: float | None


def held_out_metrics(
    model: TrainedModel, tested: EvaluationSet
) -> tuple[CutMetrics | None, CensoredMetrics | None]:
    """Score a model on the whole records of held-out engines; None where they do not allow it.

    The second are those of a model that was trained on censored records.
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
    kept = weights > 0  # an engine of a short record has no cut
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
    """[row], predicted RUL and capped label, or bound, at every cycle of whole records."""
    return predict_fleet(model, fleet).rul, cap_rul(
        run_to_failure_rul(fleet), model.config.data.cap
    )


def few_engines(found: CutMetrics) -> str:
    """Warn of a result that rests on few engines; empty where there are more."""
    if found.engines >= FEW_ENGINES:
        return ""
    return (
        f"this result rests on {counted(found.engines, 'test engine')}: other engines may give "
        "quite another; split.test_folds tests every engine once (docs/own-fleet.md)"
    )


def censored_table(found: CensoredMetrics, unit: str) -> Table:
    """Tabulate the metrics on engines that have not failed."""
    return Table(
        "Engines that have not failed: what their records say about the model",
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
            f"share of the {row_noun(unit)}s of {engines} with a prediction below the {unit} that "
            "the record still has, at most the cap; 0 is best",
        )  # fmt: skip
        yield (
            "shortfall", f"{bounds.shortfall:.2f} {unit}",
            "mean distance of the predictions below these bounds, 0 for the others",
        )  # fmt: skip
    index = "–" if found.concordance is None else f"{found.concordance:.3f}"
    yield (
        "concordance index", index,
        "share of pairs of held-out engines, cut at random, in the right order; 0.5 by chance",
    )  # fmt: skip
