"""What two usual ways of choosing feign: the oracle's and the leak's optimism, in cycles."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from cmapss_rul.data.split import LEAK
from cmapss_rul.experiments.identity import as_text
from cmapss_rul.experiments.oracle import MARK
from cmapss_rul.experiments.results import Result
from cmapss_rul.experiments.statistics import MeanInterval, mean_interval

_SPLIT = "split.by"


def oracle_optimism(results: Sequence[Result]) -> list[dict[str, Any]]:
    """RMSE chosen by validation − that of the best test epoch, per subset.

    Balancers of one seed share their split, so each seed counts once, by the mean over the
    cells that it has in common with the other seeds. Runs split by windows are left out.

    Args:
        results: of a grid with the oracle; without it nothing is found.
    """
    honest = [r for r in results if r.oracle_optimism is not None and not r.run.cell.leak]
    found = []
    for subset in sorted({r.run.cell.subset for r in honest}):
        by_seed: dict[int, dict[tuple[str, str], float]] = {}
        for r in honest:
            if r.run.cell.subset == subset and r.oracle_optimism is not None:
                cell = (r.run.cell.config, r.run.cell.label)
                by_seed.setdefault(r.run.seed, {})[cell] = r.oracle_optimism
        cells = set.intersection(*(set(of_seed) for of_seed in by_seed.values()))
        means = [float(np.mean([by[c] for c in cells])) for by in by_seed.values() if cells]
        optimism = mean_interval(means)
        found.append(
            {
                "subset": subset,
                "n_seeds": len(means),
                "n_cells": len(cells),
                "optimism": _plain(optimism),
                "mark": MARK,
                "sentence": _said(f"{subset}: optimism of the best test epoch", optimism, MARK),
            }
        )
    return found


def leak_optimism(results: Sequence[Result]) -> list[dict[str, Any]]:
    """(Test − validation RMSE) split by windows, less the same split by engines.

    Every window, capped labels, paired by seed; for each two cells that differ in `split.by`
    alone.

    Args:
        results: of a grid with both splits; without them nothing is found.
    """
    gaps: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for result in results:
        cell = result.run.cell
        if result.validation_gap is None:
            continue
        others = [f"{k}={as_text(v)}" for k, v in cell.settings.items() if k != _SPLIT]
        twins = gaps.setdefault((cell.config, " ".join([cell.balancer, *others])), {})
        of_split = twins.setdefault(cell.resolved.split.by, {})
        of_split[result.run.seed] = result.validation_gap
    subsets = {r.run.cell.config: r.run.cell.subset for r in results}
    return [
        _leak(config, subsets[config], label, twins["windows"], twins["engines"])
        for (config, label), twins in gaps.items()
        if {"windows", "engines"} <= twins.keys()
    ]


def _leak(
    config: str, subset: str, label: str, windows: dict[int, float], engines: dict[int, float]
) -> dict[str, Any]:
    seeds = sorted(windows.keys() & engines.keys())
    optimism = mean_interval([windows[seed] - engines[seed] for seed in seeds])
    return {
        "config": config,
        "subset": subset,
        "cell": label,
        "n_seeds": len(seeds),
        "gap_windows": _plain(mean_interval([windows[seed] for seed in seeds])),
        "gap_engines": _plain(mean_interval([engines[seed] for seed in seeds])),
        "optimism": _plain(optimism),
        "mark": LEAK,
        "sentence": _said(f"{config}, {label}: optimism of a split by windows", optimism, LEAK),
    }


def _plain(found: MeanInterval | None) -> dict[str, Any] | None:
    return None if found is None else dataclasses.asdict(found)


def _said(what: str, found: MeanInterval | None, mark: str) -> str:
    if found is None:
        return f"{what}: not known, for no seed ended well in every cell ({mark})."
    if found.interval is None:
        return f"{what}: {found.mean:z.2f} cycles; one seed, no interval ({mark})."
    low, high = found.interval
    return (
        f"{what}: {found.mean:z.2f} cycles, 95 % interval {low:z.2f} to {high:z.2f} over {found.n} "
        f"seeds ({mark})."
    )
