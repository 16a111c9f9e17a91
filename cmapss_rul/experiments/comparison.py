"""From the results of a grid's runs to its comparison: cells, pairs, ranks and notes."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any

import numpy as np

from cmapss_rul.data.split import LEAK
from cmapss_rul.experiments.grid import Cell, Grid
from cmapss_rul.experiments.identity import comparable, config_digest
from cmapss_rul.experiments.optimism import leak_optimism, oracle_optimism
from cmapss_rul.experiments.oracle import MARK
from cmapss_rul.experiments.records import (
    CellProtocol,
    CellSummary,
    Comparison,
    FileDigest,
    GridSummary,
    MissingRun,
    Pair,
    RunSummary,
    Scores,
    Spread,
    ValidationScores,
)
from cmapss_rul.experiments.runs import SCORES, RunResult
from cmapss_rul.experiments.statistics import (
    compare_pairs,
    correct_pairs,
    engine_interval,
    mean_ranks,
)
from cmapss_rul.system.errors import RulError

_OF_ONE_SEED = {"digest", "versions", "seed", "runs", "epoch"}
"""Parts of a run's protocol that do not belong to the whole cell."""


def compare_results(
    grid: Grid, results: Sequence[RunResult], errors: Mapping[str, str]
) -> Comparison:
    """Compare the cells of a grid by the results of their runs.

    Args:
        grid: which was trained and evaluated.
        results: of the runs that succeeded.
        errors: of the runs that failed, by name.

    Raises:
        RulError: a data file of one name differed between runs.
    """
    _check_same_data(results)
    by_cell: dict[tuple[str, str], list[RunResult]] = {cell.key: [] for cell in grid.cells}
    for result in results:
        by_cell[result.run.cell.key].append(result)
    cells = [_summarise_cell(cell, by_cell[cell.key]) for cell in grid.cells]
    pairs: list[Pair] = []
    for config in dict.fromkeys(cell.config for cell in grid.cells):
        labels = [cell.label for cell in grid.cells if cell.config == config]
        pairs += compare_pairs(config, {label: by_cell[config, label] for label in labels})
    comparison = Comparison(
        grid=GridSummary(digest=grid.digest, seeds=grid.seeds, oracle=grid.oracle),
        cells=cells,
        pairs=correct_pairs(pairs),
        ranks=mean_ranks(cells),
        oracle=oracle_optimism(results) if grid.oracle else None,
        leak=leak_optimism(results) or None,
        missing=[MissingRun(run=name, error=error) for name, error in errors.items()],
        notes=[],
    )
    return comparison.model_copy(update={"notes": list(_notes(comparison))})


def _check_same_data(results: Sequence[RunResult]) -> None:
    """Refuse to compare runs that were trained or tested on different files."""
    first: dict[str, tuple[str, str]] = {}
    for result in results:
        for name, file in result.evaluation["protocol"]["digest"].items():
            run, digest = first.setdefault(name, (result.run.name, file["canonical_sha256"]))
            if file["canonical_sha256"] != digest:
                raise RulError(
                    f"{name} was another file for {run} than for {result.run.name}; remove the "
                    "run folder of one and call again"
                )


def _summarise_cell(cell: Cell, results: Sequence[RunResult]) -> CellSummary:
    scores = {protocol: _spread_of_scores(results, protocol) for protocol in SCORES}
    protocol = results[0].evaluation["protocol"] if results else None
    return CellSummary(
        config=cell.config,
        subset=cell.subset,
        balancer=cell.balancer,
        settings=cell.settings,
        label=cell.label,
        leak=cell.leak,
        files=protocol and protocol["files"],
        n_seeds=len(results),
        rmse=scores["last_capped"].rmse,
        nasa=scores["last_capped"].nasa,
        rmse_interval_over_engines=engine_interval(results),
        last_raw=scores["last_raw"],
        every_capped=scores["every_capped"],
        every_raw=scores["every_raw"],
        validation=ValidationScores(
            rmse=spread([r.best["val_rmse"] for r in results]),
            nasa_mean=spread([r.best["val_nasa"] for r in results]),
            health_accuracy=spread([r.best["val_health_accuracy"] for r in results]),
        ),
        clipped_share=spread([r.clipped_share for r in results]),
        epochs=spread([len(r.history.rows) for r in results]),
        best_epoch=spread([r.history.best_epoch for r in results]),
        seconds=spread([r.seconds for r in results]),
        runs=[_summarise_run(result) for result in results],
        config_digest=config_digest(cell.resolved),
        configuration=comparable(cell.resolved),
        commit=", ".join(sorted({r.commit or "unknown" for r in results})) or None,
        versions=_versions(results),
        data=protocol and _digests(protocol),
        protocol=protocol and _protocol_of_cell(protocol),
    )


def _spread_of_scores(results: Sequence[RunResult], protocol: str) -> Scores:
    return Scores(
        rmse=spread([r.score(protocol, "rmse") for r in results]),
        nasa=spread([r.score(protocol, "nasa") for r in results]),
    )


def spread(values: Sequence[float | None]) -> Spread:
    """Mean and sd over seeds, with n − 1; None where a value is missing.

    >>> spread([1.0, 3.0]), spread([2.0]), spread([])  # doctest: +NORMALIZE_WHITESPACE
    (Spread(mean=2.0, sd=1.4142135623730951), Spread(mean=2.0, sd=None),
     Spread(mean=None, sd=None))
    """
    numbers = [float(value) for value in values if value is not None]
    if not numbers or len(numbers) < len(values):
        return Spread(mean=None, sd=None)
    sd = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
    return Spread(mean=float(np.mean(numbers)), sd=sd)


def _summarise_run(result: RunResult) -> RunSummary:
    values: dict[str, Any] = {"seed": result.run.seed, "run": result.run.name}
    for protocol in SCORES:
        suffix = "" if protocol == "last_capped" else f"_{protocol}"
        for metric in ("rmse", "nasa"):
            values[metric + suffix] = result.score(protocol, metric)
    values |= {
        "val_rmse": result.best["val_rmse"],
        "val_nasa_mean": result.best["val_nasa"],
        "val_health_accuracy": result.best["val_health_accuracy"],
        "clipped_share": result.clipped_share,
        "epochs": len(result.history.rows),
        "best_epoch": result.history.best_epoch,
        "seconds": round(result.seconds, 3),
    }
    if result.oracle:
        epoch = min(result.oracle, key=result.oracle.__getitem__)
        values |= {
            "oracle_test_rmse": result.oracle[epoch],
            "oracle_test_epoch": epoch,
            "oracle_optimism": result.oracle_optimism,
            "oracle_mark": MARK,
        }
    return RunSummary(**values)


def _versions(results: Sequence[RunResult]) -> dict[str, str]:
    """Versions that trained the runs, all that occur, and those that compare them."""
    trained = [result.evaluation["protocol"]["versions"]["trained"] for result in results]
    names = trained[0] if trained else {}
    versions = {name: ", ".join(sorted({run[name] for run in trained})) for name in names}
    return versions | {name: metadata.version(name) for name in ("numpy", "scipy")}


def _digests(protocol: Mapping[str, Any]) -> dict[str, FileDigest]:
    return {name: FileDigest(**file) for name, file in protocol["digest"].items()}


def _protocol_of_cell(protocol: Mapping[str, Any]) -> CellProtocol:
    shared = {key: value for key, value in protocol.items() if key not in _OF_ONE_SEED}
    shared["split"] = {key: value for key, value in shared["split"].items() if key != "seed"}
    return CellProtocol(**shared)


def _notes(comparison: Comparison) -> Iterator[str]:
    """What a reader must know of the whole, and what the grid does not allow."""
    files = {cell.files for cell in comparison.cells if cell.files is not None}
    for kind in sorted(files - {"official files"}):
        yield f"data: {kind}; no metric here is one of C-MAPSS"
    if any(cell.leak for cell in comparison.cells):
        yield f"cells marked 'leak' were split by windows: {LEAK}"
    if comparison.grid.oracle:
        yield f"metrics named 'oracle' are marked so: {MARK}; nothing else depends on them"
    if len(comparison.grid.seeds) == 1:
        yield "one seed: no sd, no interval and no test over seeds"
    if not comparison.pairs:
        yield "one cell a configuration: no pair to compare"
    if comparison.ranks is None:
        yield "no ranks: fewer than two cells exist in every configuration"
    for name, error in comparison.errors.items():
        yield f"missing: {name} failed: {error}"


def as_csv(grid: Grid, comparison: Comparison) -> str:
    """Return comparison.csv: one row a run, also those that failed."""
    metrics = [name for name in RunSummary.model_fields if name not in ("seed", "run")]
    text = io.StringIO()
    writer = csv.DictWriter(
        text,
        ("config", "subset", "balancer", "cell", "seed", "run", "leak", *metrics, "error"),
        lineterminator="\n",
    )
    writer.writeheader()
    by_name = {run.run: run for cell in comparison.cells for run in cell.runs}
    for run in grid.runs:
        row = {
            "config": run.cell.config,
            "subset": run.cell.subset,
            "balancer": run.cell.balancer,
            "cell": run.cell.label,
            "seed": run.seed,
            "run": run.name,
            "leak": run.cell.leak or "",
            "error": comparison.errors.get(run.name, ""),
        }
        summary = by_name.get(run.name)
        writer.writerow(row | (summary.model_dump(exclude_unset=True) if summary else {}))
    return text.getvalue()
