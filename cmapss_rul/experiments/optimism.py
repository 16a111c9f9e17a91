"""Optimism of test-set selection and of window splits, in the unit of the RUL."""

from collections.abc import Mapping, Sequence

import numpy as np

from cmapss_rul.data.split import LEAK
from cmapss_rul.experiments.identity import as_text
from cmapss_rul.experiments.oracle import MARK
from cmapss_rul.experiments.results import LeakOptimism, MeanInterval, OracleOptimism
from cmapss_rul.experiments.runs import RunResult
from cmapss_rul.experiments.statistics import mean_interval
from cmapss_rul.experiments.summaries import join_units

_SPLIT = "split.by"
_Cell = tuple[str, str, str]  # configuration, subset, label without the split


def oracle_optimism(results: Sequence[RunResult]) -> list[OracleOptimism]:
    """Compute the optimism of test-set selection of the epoch, per subset.

    Test RMSE of the selected epoch − that of the best test epoch. Cells of one seed share their
    split and are not independent, so each seed is one observation: its mean over the cells that
    all seeds have. Runs with a split by windows are excluded. Empty without the oracle.
    """
    by_subset: dict[str, dict[int, dict[tuple[str, str], float]]] = {}
    for result in results:
        cell = result.run.cell
        if result.oracle_optimism is not None and not cell.leak:
            by_seed = by_subset.setdefault(cell.subset, {})
            by_seed.setdefault(result.run.seed, {})[cell.key] = result.oracle_optimism
    entries = []
    unit = join_units(result.run.cell.resolved.data.unit for result in results)
    for subset, by_seed in sorted(by_subset.items()):
        # means over different cells would not be comparable
        cells = set.intersection(*(set(of_seed) for of_seed in by_seed.values()))
        means = [float(np.mean([by[c] for c in cells])) for by in by_seed.values() if cells]
        optimism = mean_interval(means)
        entries.append(
            OracleOptimism(
                subset=subset,
                n_seeds=len(means),
                n_cells=len(cells),
                optimism=optimism,
                mark=MARK,
                sentence=_sentence(
                    f"{subset}: optimism of the best test epoch", optimism, MARK, unit
                ),
            )
        )
    return entries


def leak_optimism(results: Sequence[RunResult]) -> list[LeakOptimism]:
    """Compute the optimism of a split by windows, for cells that differ in `split.by` only.

    (Test − validation RMSE) of the split by windows − that of the split by engines; every window,
    capped labels, paired by seed.
    """
    gaps: dict[_Cell, dict[str, dict[int, float]]] = {}
    unit = join_units(result.run.cell.resolved.data.unit for result in results)
    for result in results:
        cell = result.run.cell
        if result.validation_gap is None:
            continue
        others = [f"{k}={as_text(v)}" for k, v in cell.settings.items() if k != _SPLIT]
        label = " ".join([cell.balancer, *others])
        by_split = gaps.setdefault((cell.config, cell.subset, label), {})
        by_split.setdefault(cell.resolved.split.by, {})[result.run.seed] = result.validation_gap
    return [
        _compare_splits(cell, by_split["windows"], by_split["engines"], unit)
        for cell, by_split in gaps.items()
        if {"windows", "engines"} <= by_split.keys()
    ]


def _compare_splits(
    cell: _Cell, windows: Mapping[int, float], engines: Mapping[int, float], unit: str
) -> LeakOptimism:
    config, subset, label = cell
    # minus the gap of the split by engines: test and validation differ even without a leak
    seeds = sorted(windows.keys() & engines.keys())
    optimism = mean_interval([windows[seed] - engines[seed] for seed in seeds])
    subject = f"{config}, {label}: optimism of a split by windows"
    return LeakOptimism(
        config=config,
        subset=subset,
        cell=label,
        n_seeds=len(seeds),
        gap_windows=mean_interval([windows[seed] for seed in seeds]),
        gap_engines=mean_interval([engines[seed] for seed in seeds]),
        optimism=optimism,
        mark=LEAK,
        sentence=_sentence(subject, optimism, LEAK, unit),
    )


def _sentence(subject: str, optimism: MeanInterval | None, mark: str, unit: str) -> str:
    if optimism is None:
        return f"{subject}: unknown, because no seed succeeded in every cell ({mark})."
    if optimism.interval is None:
        return f"{subject}: {optimism.mean:z.2f} {unit}; one seed, no interval ({mark})."
    low, high = optimism.interval
    return (
        f"{subject}: {optimism.mean:z.2f} {unit}, 95 % interval {low:z.2f} to {high:z.2f} over "
        f"{optimism.n} seeds ({mark})."
    )
