"""A comparison as plain values: cells, pairs, ranks, and the sentences that follow."""

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np

from cmapss_rul.data.split import LEAK
from cmapss_rul.display.text import finite, json_text
from cmapss_rul.experiments.cells import Cell
from cmapss_rul.experiments.grid import Grid
from cmapss_rul.experiments.identity import comparable, config_digest
from cmapss_rul.experiments.optimism import leak_optimism, oracle_optimism
from cmapss_rul.experiments.oracle import MARK
from cmapss_rul.experiments.pairs import engine_interval, finish, pairs_of, ranks_of
from cmapss_rul.experiments.results import FIGURES, Result
from cmapss_rul.system.errors import RulError
from cmapss_rul.system.text import printable

_OF_A_SEED = {"digest", "versions", "seed", "runs", "epoch"}
"""Parts of a run's protocol that say nothing of the whole cell."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """A grid that was looked at.

    Attributes:
        grid: what was compared.
        results: of the runs that ended well, in the grid's order.
        missing: the error of each run that did not, by name.
        plain: everything that comparison.json holds.
        folder: where it is saved.
    """

    grid: Grid
    results: list[Result]
    missing: dict[str, str]
    plain: dict[str, Any]
    folder: Path

    def of(self, cell: Cell) -> list[Result]:
        """Return the results of one cell."""
        return [result for result in self.results if result.run.cell == cell]

    def as_json(self) -> str:
        """Return comparison.json; a figure too large for a number is null."""
        return json_text(finite(self.plain)) + "\n"

    def as_csv(self) -> str:
        """Return comparison.csv: one row a run, those that failed too."""
        text = io.StringIO()
        writer = csv.DictWriter(text, _CSV_COLUMNS, lineterminator="\n")
        writer.writeheader()
        by_name = {result.run.name: result for result in self.results}
        for run in self.grid.runs:
            facts = {
                "config": run.cell.config,
                "subset": run.cell.subset,
                "balancer": run.cell.balancer,
                "cell": run.cell.label,
                "seed": run.seed,
                "run": run.name,
                "leak": run.cell.leak or "",
                "error": self.missing.get(run.name, ""),
            }
            found = by_name.get(run.name)
            writer.writerow({**facts, **(_figures(found) if found else {})})
        return text.getvalue()


def compared(
    grid: Grid, results: Sequence[Result], missing: Mapping[str, str], folder: Path
) -> Comparison:
    """Work out everything that a grid's results say.

    Args:
        grid: what was compared.
        results: of the runs that ended well.
        missing: the error of each run that did not, by name.
        folder: of the comparison.

    Raises:
        RulError: a file of one name was not the same for all runs.
    """
    _check_same_data(results)
    by_cell = {
        (cell.config, cell.label): [r for r in results if r.run.cell == cell] for cell in grid.cells
    }
    cells = [_cell(cell, by_cell[cell.config, cell.label]) for cell in grid.cells]
    pairs = []
    for config in dict.fromkeys(cell.config for cell in grid.cells):
        labels = [cell.label for cell in grid.cells if cell.config == config]
        pairs += pairs_of(config, {label: by_cell[config, label] for label in labels})
    plain: dict[str, Any] = {
        "grid": {"digest": grid.digest, "seeds": grid.seeds, "oracle": grid.oracle},
        "cells": cells,
        "pairs": finish(pairs),
        "ranks": ranks_of(cells),
        "oracle": oracle_optimism(results) if grid.oracle else None,
        "leak": leak_optimism(results) or None,
        "missing": [{"run": name, "error": error} for name, error in missing.items()],
    }
    plain["notes"] = list(_notes(grid, plain))
    return Comparison(grid, list(results), dict(missing), plain, folder)


def _cell(cell: Cell, results: Sequence[Result]) -> dict[str, Any]:
    ways = {name: _scores(results, name) for name in FIGURES}
    return {
        "config": cell.config,
        "subset": cell.subset,
        "balancer": cell.balancer,
        "settings": cell.settings,
        "label": cell.label,
        "leak": cell.leak,
        "files": results[0].evaluation["protocol"]["files"] if results else None,
        "n_seeds": len(results),
        **ways.pop("last_capped"),
        "rmse_interval_over_engines": engine_interval(results),
        **ways,
        "validation": {
            "rmse": summary([r.best["val_rmse"] for r in results]),
            "nasa_mean": summary([r.best["val_nasa"] for r in results]),
            "health_accuracy": summary([r.best["val_health_accuracy"] for r in results]),
        },
        "clipped_share": summary([r.clipped_share for r in results]),
        "epochs": summary([len(r.rows) for r in results]),
        "best_epoch": summary([r.best_epoch for r in results]),
        "seconds": summary([r.seconds for r in results]),
        "runs": [{"seed": r.run.seed, "run": r.run.name, **_figures(r)} for r in results],
        "config_digest": config_digest(cell.resolved),
        "configuration": comparable(cell.resolved),
        "commit": ", ".join(sorted({r.commit or "unknown" for r in results})) or None,
        "versions": _versions(results),
        "data": results[0].evaluation["protocol"]["digest"] if results else None,
        "protocol": _protocol(results[0]) if results else None,
    }


def _scores(results: Sequence[Result], name: str) -> dict[str, Any]:
    return {
        figure: summary([r.score(name, figure) for r in results]) for figure in ("rmse", "nasa")
    }


def summary(values: Sequence[float | None]) -> dict[str, float | None]:
    """Mean and sd over seeds, with n − 1 below; null what cannot be had.

    >>> summary([1.0, 3.0]), summary([2.0]), summary([])
    ({'mean': 2.0, 'sd': 1.4142135623730951}, {'mean': 2.0, 'sd': None}, {'mean': None, 'sd': None})
    """
    numbers = [float(value) for value in values if value is not None]
    if not numbers or len(numbers) < len(values):
        return {"mean": None, "sd": None}
    sd = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
    return {"mean": float(np.mean(numbers)), "sd": sd}


_Figures = dict[str, Callable[[Result], Any]]
_FIGURES_OF_A_RUN: _Figures = {
    **{
        f"{figure}{'' if way == 'last_capped' else '_' + way}": methodcaller("score", way, figure)
        for way in FIGURES
        for figure in ("rmse", "nasa")
    },
    "val_rmse": lambda result: result.best["val_rmse"],
    "val_nasa_mean": lambda result: result.best["val_nasa"],
    "val_health_accuracy": lambda result: result.best["val_health_accuracy"],
    "clipped_share": lambda result: result.clipped_share,
    "epochs": lambda result: len(result.rows),
    "best_epoch": lambda result: result.best_epoch,
    "seconds": lambda result: round(result.seconds, 3),
}
_FIGURES_OF_THE_ORACLE: _Figures = {
    "oracle_test_rmse": lambda result: min(result.oracle.values()),
    "oracle_test_epoch": lambda result: min(result.oracle, key=result.oracle.__getitem__),
    "oracle_optimism": lambda result: result.oracle_optimism,
    "oracle_mark": lambda _: MARK,
}
_CSV_COLUMNS = (
    "config", "subset", "balancer", "cell", "seed", "run", "leak",
    *_FIGURES_OF_A_RUN, *_FIGURES_OF_THE_ORACLE, "error",
)  # fmt: skip


def _figures(result: Result) -> dict[str, Any]:
    """Every figure of one run; those of the oracle are named after it."""
    figures = _FIGURES_OF_A_RUN | (_FIGURES_OF_THE_ORACLE if result.oracle else {})
    return {name: figure(result) for name, figure in figures.items()}


def _versions(results: Sequence[Result]) -> dict[str, str]:
    trained = {
        name: ", ".join(sorted({r.evaluation["protocol"]["versions"]["trained"][name]
                                for r in results}))
        for name in (results[0].evaluation["protocol"]["versions"]["trained"] if results else ())
    }  # fmt: skip
    return {**trained, **{name: metadata.version(name) for name in ("numpy", "scipy")}}


def _protocol(result: Result) -> dict[str, Any]:
    protocol = result.evaluation["protocol"]
    kept = {key: value for key, value in protocol.items() if key not in _OF_A_SEED}
    kept["split"] = {k: v for k, v in kept["split"].items() if k != "seed"}
    return kept


def _check_same_data(results: Sequence[Result]) -> None:
    """Refuse to compare runs that were made from different files."""
    first: dict[str, tuple[str, str]] = {}
    for result in results:
        for name, file in result.evaluation["protocol"]["digest"].items():
            run, digest = first.setdefault(name, (result.run.name, file["canonical_sha256"]))
            if file["canonical_sha256"] != digest:
                raise RulError(
                    f"{printable(name)} was another file for {run} than for "
                    f"{result.run.name}; remove the run folder of one and call again"
                )


def _notes(grid: Grid, plain: Mapping[str, Any]) -> Iterator[str]:
    """What a reader must know about the whole, and what it could not give."""
    files = {cell["files"] for cell in plain["cells"]} - {None, "official files"}
    for what in sorted(files):
        yield f"data: {what}; no figure here is one of C-MAPSS"
    if any(cell["leak"] for cell in plain["cells"]):
        yield f"cells marked 'leak' were split by windows: {LEAK}"
    if grid.oracle:
        yield f"figures named 'oracle' are marked so: {MARK}; nothing else depends on them"
    if len(grid.seeds) == 1:
        yield "one seed: no sd, no interval and no test over seeds"
    if not plain["pairs"]:
        yield "one cell a configuration: nothing to compare with"
    if plain["ranks"] is None:
        yield "no ranks: fewer than two cells stand in every configuration"
    for entry in plain["missing"]:
        yield f"missing: {entry['run']} failed: {entry['error']}"
