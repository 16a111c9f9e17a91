"""Cross-validation over test folds: one result of all engines, each tested by another network."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cmapss_rul.experiments.identity import comparable, digest_of
from cmapss_rul.experiments.runs import RunResult
from cmapss_rul.metrics.bootstrap import percentile_interval, resampled_rmse


def cross_validations(results: Sequence[RunResult]) -> Iterator[str]:
    """Yield a sentence on each configuration of which every fold was held out once a seed.

    Its RMSE is over random cuts, each engine of the same weight, in the mean over seeds; the
    interval is a bootstrap over all engines.
    """
    groups: dict[str, dict[int, list[RunResult]]] = {}
    for result in results:
        configuration = comparable(result.run.cell.resolved)
        if configuration["split"]["test_folds"] is None:
            continue
        del configuration["split"]["test_fold"]
        by_seed = groups.setdefault(digest_of([configuration, result.run.cell.balancer]), {})
        by_seed.setdefault(result.run.seed, []).append(result)
    for by_seed in groups.values():
        folds = next(iter(by_seed.values()))[0].run.cell.resolved.split.test_folds
        complete = [runs for runs in by_seed.values() if len(runs) == folds]
        if complete:
            yield _describe(complete, folds)


def _describe(seeds: Sequence[Sequence[RunResult]], folds: int | None) -> str:
    engines = [_engine_errors(runs) for runs in seeds]
    names = sorted(engines[0])
    squares = np.array([[errors[name] for name in names] for errors in engines])
    rmse = float(np.sqrt(squares.mean(axis=1)).mean())
    drawn = resampled_rmse(squares, np.array(names))
    interval = ""
    if drawn is not None:
        low, high = percentile_interval(drawn.mean(axis=0))
        interval = f" (95 % interval over engines {low:.2f} to {high:.2f})"
    several = f", mean of {len(seeds)} seeds" if len(seeds) > 1 else ""
    first = seeds[0][0].run.cell
    unit = first.resolved.data.unit
    return (
        f"{first.config}: cross-validation over {folds} folds: RMSE {rmse:.2f} {unit}{interval} at "
        f"random cuts of {len(names)} engines, each held out once, capped labels{several}"
    )


def _engine_errors(runs: Sequence[RunResult]) -> dict[str, float]:
    """Mean squared error of each engine, by name, of the folds of one seed."""
    found: dict[str, float] = {}
    for run in runs:
        cuts: dict[str, Any] = run.evaluation["cuts"]
        found |= cuts["by_engine"]
    return found
