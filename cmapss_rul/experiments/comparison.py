"""Comparison of the cells of a grid by the results of its runs: cells, pairs, ranks, notes."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from cmapss_rul.data.split import LEAK
from cmapss_rul.experiments.grid import Cell, Grid
from cmapss_rul.experiments.identity import comparable, config_digest, digest_of
from cmapss_rul.experiments.optimism import leak_optimism, oracle_optimism
from cmapss_rul.experiments.oracle import MARK
from cmapss_rul.experiments.results import Comparison, GridSummary, MissingRun, Pair
from cmapss_rul.experiments.runs import VIEWS, RunResult
from cmapss_rul.experiments.statistics import (
    compare_pairs,
    correct_pairs,
    engine_interval,
    mean_ranks,
)
from cmapss_rul.experiments.summaries import (
    CellProtocol,
    CellSummary,
    RunProtocol,
    RunSummary,
    Scores,
    Spread,
    ValidationScores,
)
from cmapss_rul.metrics.bootstrap import percentile_interval, resampled_rmse
from cmapss_rul.system.errors import RulError

_OF_ONE_SEED: Mapping[str, bool | set[str]] = {
    **dict.fromkeys(("digest", "leaks", "versions", "seed", "runs", "epoch", "ensemble"), True),
    "split": {"seed"},
}
"""Parts of a run's protocol that are not common to the cell."""

_SUFFIXES = {name: "" if name == "last_capped" else f"_{name}" for name in VIEWS}
"""Suffix of a run's metrics, by view of the test set."""


def compare_results(
    grid: Grid, results: Sequence[RunResult], errors: Mapping[str, str], *, rank_all: bool = False
) -> Comparison:
    """Compare the cells of a grid by the results of its successful runs.

    `errors` are those of the other runs, by name; `rank_all` ranks cells of a configuration even if
    they trained on different data. Raises RulError if a data file differed between runs.
    """
    _check_same_data(results)
    # by the grid's cells, so that a cell whose runs all failed is included
    by_cell: dict[tuple[str, str], list[RunResult]] = {cell.key: [] for cell in grid.cells}
    for result in results:
        by_cell[result.run.cell.key].append(result)
    cells = [_summarise_cell(cell, by_cell[cell.key]) for cell in grid.cells]
    pairs: list[Pair] = []
    # within a configuration only: RMSEs on different subsets are not comparable
    for config in dict.fromkeys(cell.config for cell in grid.cells):
        labels = [cell.label for cell in grid.cells if cell.config == config]
        pairs += compare_pairs(config, {label: by_cell[config, label] for label in labels})
    comparison = Comparison(
        grid=GridSummary(digest=grid.digest, seeds=grid.seeds, oracle=grid.oracle),
        cells=cells,
        pairs=correct_pairs(pairs),
        ranks=mean_ranks(cells) if rank_all or not _different_data(cells) else None,
        oracle=oracle_optimism(results) if grid.oracle else None,
        leak=leak_optimism(results) or None,
        missing=[MissingRun(run=name, error=error) for name, error in errors.items()],
        notes=[],
    )
    return comparison.model_copy(
        update={"notes": [*cross_validations(results), *_notes(comparison)]}
    )


def _different_data(cells: Sequence[CellSummary]) -> bool:
    """Whether cells of a configuration trained on different subsets."""
    return len({(c.config, tuple(c.auxiliary)) for c in cells}) > len({c.config for c in cells})


def _check_same_data(results: Sequence[RunResult]) -> None:
    """Refuse to compare runs that were trained or tested on different files."""
    first: dict[str, tuple[str, str]] = {}
    for result in results:
        for name, file in result.evaluation.protocol.digest.items():
            run, digest = first.setdefault(name, (result.run.name, file.canonical_sha256))
            # canonical digests ignore line endings and trailing spaces
            if file.canonical_sha256 != digest:
                raise RulError(
                    f"{name} was another file for {run} than for {result.run.name}; remove the "
                    "run folder of one and call again"
                )


def _summarise_cell(cell: Cell, results: Sequence[RunResult]) -> CellSummary:
    runs = [_summarise_run(result) for result in results]

    def spread(name: str) -> Spread:
        return Spread.of([getattr(run, name) for run in runs])

    scores: dict[str, Any] = {
        view: Scores(rmse=spread(f"rmse{suffix}"), nasa=spread(f"nasa{suffix}"))
        for view, suffix in _SUFFIXES.items()
    }
    last_capped = scores.pop("last_capped")
    # of any run: what differs between seeds is removed below
    protocol = results[0].evaluation.protocol if results else None
    return CellSummary(
        config=cell.config,
        subset=cell.subset,
        balancer=cell.balancer,
        settings=cell.settings,
        label=cell.label,
        leak=cell.leak,
        leaks=sorted({text for result in results for text in result.evaluation.protocol.leaks}),
        files=protocol and protocol.files,
        n_seeds=len(results),
        rmse=last_capped.rmse,
        nasa=last_capped.nasa,
        rmse_interval_over_engines=engine_interval(results),
        validation=ValidationScores(
            rmse=spread("val_rmse"),
            nasa_mean=spread("val_nasa_mean"),
            health_accuracy=spread("val_health_accuracy"),
        ),
        clipped_share=spread("clipped_share"),
        epochs=spread("epochs"),
        best_epoch=spread("best_epoch"),
        # unrounded, unlike the seconds of a run's summary
        seconds=Spread.of([result.seconds for result in results]),
        runs=runs,
        config_digest=config_digest(cell.resolved),
        configuration=comparable(cell.resolved),
        # several if a grid was resumed after a change of the code
        commit=", ".join(sorted({r.commit or "unknown" for r in results})) or None,
        versions=_versions(results),
        data=protocol and protocol.digest,
        protocol=protocol and _without_seed(protocol),
        **scores,
    )


def _summarise_run(result: RunResult) -> RunSummary:
    values: dict[str, Any] = {}
    for view, suffix in _SUFFIXES.items():
        values[f"rmse{suffix}"] = result.score(view, "rmse")
        values[f"nasa{suffix}"] = result.score(view, "nasa")
    if result.oracle:
        epoch = min(result.oracle, key=result.oracle.__getitem__)  # the first of equal ones
        values |= {
            "oracle_test_rmse": result.oracle[epoch],
            "oracle_test_epoch": epoch,
            "oracle_optimism": result.oracle_optimism,
            "oracle_mark": MARK,
        }
    return RunSummary(
        seed=result.run.seed,
        run=result.run.name,
        val_rmse=result.history.best["val_rmse"],
        val_nasa_mean=result.history.best["val_nasa"],
        val_health_accuracy=result.history.best["val_health_accuracy"],
        clipped_share=result.clipped_share,
        epochs=len(result.history.rows),
        best_epoch=result.history.best_epoch,
        seconds=round(result.seconds, 3),
        **values,
    )


def _versions(results: Sequence[RunResult]) -> dict[str, str]:
    """Return the versions of packages in training, and of those used in the comparison."""
    trained = [result.evaluation.protocol.versions.trained for result in results]
    names = trained[0] if trained else {}
    versions = {name: ", ".join(sorted({run[name] for run in trained})) for name in names}
    # installed versions: the statistics are computed in this process
    own = ["scikit-learn"] if any(result.run.cell.baseline for result in results) else []
    return versions | {name: metadata.version(name) for name in ("numpy", "scipy", *own)}


def _without_seed(protocol: RunProtocol) -> CellProtocol:
    return CellProtocol(**protocol.model_dump(exclude=_OF_ONE_SEED, exclude_unset=True))


def _notes(comparison: Comparison) -> Iterator[str]:
    """Yield caveats of the comparison, and reasons for missing statistics."""
    files = {cell.files for cell in comparison.cells if cell.files is not None}
    for kind in sorted(files - {"official files"}):
        yield f"data: {kind}; these are not metrics on C-MAPSS"
    if any(cell.leak for cell in comparison.cells):
        yield f"cells marked 'leak' were split by windows: {LEAK}"
    for cell in comparison.cells:
        yield from (f"{cell.config}, {cell.label}: optimistic: {text}" for text in cell.leaks)
    if comparison.grid.oracle:
        yield f"no other metric depends on those marked '{MARK}'"
    if len(comparison.grid.seeds) == 1:
        yield "one seed: no sd, no interval and no test over seeds"
    if len({cell.config for cell in comparison.cells}) == len(comparison.cells):
        yield "one cell per configuration: no pair to compare"
    if comparison.ranks is None and _different_data(comparison.cells):
        yield "no ranks: cells were trained on different data; --rank-all ranks them nevertheless"
    elif comparison.ranks is None:
        yield "no ranks: fewer than two cells exist in every configuration"
    for name, error in comparison.errors.items():
        yield f"missing: {name} failed: {error}"


def as_csv(grid: Grid, comparison: Comparison) -> str:
    """Return comparison.csv: one row per run, failed ones included."""
    columns = ["config", "subset", "balancer", "cell", "seed", "run", "leak"]
    columns += [name for name in RunSummary.model_fields if name not in columns]
    text = io.StringIO()
    writer = csv.DictWriter(text, [*columns, "error"], lineterminator="\n")
    writer.writeheader()
    summaries = {run.run: run for cell in comparison.cells for run in cell.runs}
    for run in grid.runs:
        cell, error = run.cell, comparison.errors.get(run.name, "")
        # fewer values than columns: the remaining columns are metrics
        values = (cell.config, cell.subset, cell.balancer, cell.label, run.seed, run.name)
        row = dict(zip(columns, (*values, cell.leak or ""), strict=False)) | {"error": error}
        if run.name in summaries:  # a failed run has no metrics
            # columns of the oracle stay empty without it
            row |= summaries[run.name].model_dump(exclude_unset=True)
        writer.writerow(row)
    return text.getvalue()


def cross_validations(results: Sequence[RunResult]) -> Iterator[str]:
    """Yield a sentence about each configuration with a complete cross-validation.

    RMSE at random cuts, with equal weights of all engines, averaged over seeds; the interval is a
    bootstrap over all engines.
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
    """Return the mean squared error of each engine, by name, over the folds of a seed."""
    found: dict[str, float] = {}
    for run in runs:
        assert run.evaluation.cuts is not None  # each fold holds engines out
        found |= run.evaluation.cuts.by_engine
    return found
