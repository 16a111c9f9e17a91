"""Which runs a comparison is made of: configurations × balancers × axes × seeds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmapss_rul.balancers.torchjd import REFUSED
from cmapss_rul.config.schema import choices
from cmapss_rul.config.shipped import find_config, shipped_configs
from cmapss_rul.config.yaml import read_yaml
from cmapss_rul.display.text import by_nearness, nearest
from cmapss_rul.experiments.cells import Cell, Source, folder_name
from cmapss_rul.experiments.identity import comparable, digest_of
from cmapss_rul.system.errors import UsageError
from cmapss_rul.system.text import printable
from cmapss_rul.training.config import RunConfig, flatten


@dataclass(frozen=True)
class GridRun:
    """One run of a grid.

    Attributes:
        name: of its folder, unique in the grid.
        cell: to which it belongs.
        seed: of the run.
        oracle: whether it notes the best test epoch.
    """

    name: str
    cell: Cell
    seed: int
    oracle: bool = False

    @property
    def config(self) -> RunConfig:
        """The run's configuration."""
        return self.cell.with_seed(self.seed)


@dataclass(frozen=True)
class Grid:
    """A comparison that can be made.

    Attributes:
        cells: in the order of the lists.
        seeds: the same for every cell, so that comparisons are paired.
        oracle: whether the best test epoch is noted as well.
    """

    cells: list[Cell]
    seeds: list[int]
    oracle: bool = False

    @property
    def runs(self) -> list[GridRun]:
        """All runs, one seed after another, so that the first seeds are soon complete."""
        return [
            GridRun(f"{folder_name(cell)}-s{seed}", cell, seed, self.oracle)
            for seed in self.seeds
            for cell in self.cells
        ]

    def identity(self) -> dict[str, Any]:
        """Everything that makes this grid another than others, as plain values."""
        return {
            "seeds": sorted(self.seeds),
            "oracle": self.oracle,
            "cells": {f"{c.config} {c.label}": comparable(c.resolved) for c in self.cells},
        }

    @property
    def digest(self) -> str:
        """Short digest of the identity."""
        return digest_of(self.identity())[:12]


def make_grid(
    configs: Sequence[str],
    *,
    balancers: Sequence[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    axes: Mapping[str, Sequence[Any]] | None = None,
    sets: Sequence[str] = (),
    oracle: bool = False,
) -> Grid:
    """Resolve and check every cell of a grid; nothing is trained before all are valid.

    Args:
        configs: YAML files or names of shipped configurations.
        balancers: names; each configuration's own by default.
        seeds: of the runs.
        axes: dotted key → values; a key that only some balancers have varies in those alone.
        sets: overrides for every cell that has their key.
        oracle: whether the best test epoch is noted as well.

    Raises:
        UsageError: with all unknown names, or the first key or value that is not taken.
    """
    axes = dict(axes or {})
    found = _found(configs, balancers or [])
    _refuse_contradictions(balancers, sets)
    cells: list[Cell] = []
    taken: set[str] = set()
    for name, path in found.items():
        source = Source(name, read_yaml(path), printable(path), list(sets), axes)
        own: list[str | None] = [None]
        for balancer in balancers or own:
            cells += source.cells(balancer)
        taken |= source.taken
    _refuse_unknown_keys(axes, sets, taken, cells)
    for cell in cells:
        cell.resolved.balancer.build()  # says now, and not in each run, that an extra is missing
    return Grid(cells, list(seeds), oracle)


def _found(configs: Sequence[str], balancers: Sequence[str]) -> dict[str, Path]:
    """Find the configurations by name; say every unknown name of both lists at once."""
    found: dict[str, Path] = {}
    wrong = []
    for word in configs:
        try:
            name, path = find_config(word)
        except UsageError:
            wrong.append(word)
            continue
        if name in found:
            raise UsageError(
                f"--config: two files are called '{printable(name)}', {printable(found[name])} and "
                f"{printable(path)}; rename one, its name is that of its runs"
            )
        found[name] = path
    problems = (
        [_unknown("--config", "configuration", wrong, configs, shipped_configs())] if wrong else []
    )
    known = [choice.name for choice in choices(RunConfig)["balancer.name"]]
    wrong = [name for name in balancers if name not in known]
    if wrong:
        problems.append(_unknown("--balancer", "balancer", wrong, balancers, known))
    if problems:
        raise UsageError("; ".join(problems))
    return found


def _unknown(
    option: str, what: str, wrong: list[str], named: Sequence[str], known: Iterable[str]
) -> str:
    listed = " and ".join(
        f"'{printable(name)}'" + (f" (refused: {REFUSED[name]})" if name in REFUSED else "")
        for name in wrong
    )
    rest = [printable(name) for name in named if name not in wrong]
    beside = f" beside {', '.join(rest)}" if rest else ""
    return (
        f"{option}: there is no {what} {listed}{beside}; "
        f"expected of: {', '.join(by_nearness(wrong[0], known))}"
    )


def _refuse_contradictions(balancers: Sequence[str] | None, sets: Sequence[str]) -> None:
    keys = [text.partition("=")[0].strip() for text in sets]
    if "seed" in keys:
        raise UsageError("--set seed: the seeds of a grid are named by --seeds, such as --seeds 7,")
    if balancers and "balancer.name" in keys:
        raise UsageError("--set balancer.name contradicts --balancer; leave one out")


def _refuse_unknown_keys(
    axes: Mapping[str, Any], sets: Sequence[str], taken: set[str], cells: list[Cell]
) -> None:
    options = [("--grid", key) for key in axes]
    keys = [text.partition("=")[0].strip() for text in sets]
    options += [("--set", key) for key in keys if key.startswith("balancer.")]
    known = {key for cell in cells for key in flatten(cell.resolved.model_dump())}
    for option, key in options:
        if key not in taken:
            meant = nearest(key, known)
            raise UsageError(
                f"{option} {printable(key)}: no configuration of this grid has such a key"
                + (f"; did you mean {meant}?" if meant else "; see rul config show")
            )
