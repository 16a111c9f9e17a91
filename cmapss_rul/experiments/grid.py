"""Grid of a comparison: configurations × balancers × axes × seeds, resolved and validated."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cmapss_rul.balancers.torchjd import REFUSED
from cmapss_rul.config.load import apply_overrides, from_mapping
from cmapss_rul.config.schema import choices
from cmapss_rul.config.shipped import find_config, shipped_configs
from cmapss_rul.config.yaml import read_yaml
from cmapss_rul.data.split import LEAK
from cmapss_rul.display.text import nearest, nearest_first
from cmapss_rul.experiments.axes import format_override, key_exists, key_of, names_first, value_at
from cmapss_rul.experiments.identity import as_text, comparable, config_digest, digest_of
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.config import RunConfig, flatten
from cmapss_rul.training.gradient_boosting import GRADIENT_BOOSTING, find_regressor

_LONGEST_NAME = 120
"""Characters of a run folder's name without digest and seed; Windows limits paths to 260."""


@dataclass(frozen=True)
class Cell:
    """The unit of comparison: a configuration with a balancer and a value of each axis.

    Attributes:
        config: name of the configuration file, without suffix.
        settings: values of the grid's axes, by dotted key.
        label: the balancer, then the settings as `key=value`; unique in its configuration.
        resolved: the configuration, with seed 0 and one thread.
        baseline: whether this is gradient boosting instead of a network, named in `balancer`.
    """

    config: str
    balancer: str
    settings: dict[str, Any]
    label: str
    resolved: RunConfig
    baseline: bool = False

    @property
    def subset(self) -> str:
        """Subset of C-MAPSS, or the name of a user's file."""
        return self.resolved.data.fleet_name

    @property
    def leak(self) -> str | None:
        """The warning about a split by windows; None for a split by engines."""
        return LEAK if self.resolved.split.by == "windows" else None

    @property
    def key(self) -> tuple[str, str]:
        """Configuration and label; unique in the grid."""
        return self.config, self.label

    @property
    def folder_name(self) -> str:
        """Name of its run folders without the seed; valid on any file system."""
        settings = [f"{key}={as_text(value)}" for key, value in self.settings.items()]
        plain = "-".join([self.config, self.balancer.replace(" ", "_"), *settings])
        safe = re.sub(r"[^A-Za-z0-9._=+-]", "_", plain)
        if safe == plain and len(safe) <= _LONGEST_NAME:
            return safe
        # a digest identifies the cell if its name was shortened or changed
        unique = digest_of([self.config, self.label, comparable(self.resolved)])[:8]
        return f"{safe[:_LONGEST_NAME]}-{unique}"


@dataclass(frozen=True)
class GridRun:
    """A cell with a seed; `name` is that of its folder, and unique in the grid."""

    name: str
    cell: Cell
    seed: int
    oracle: bool = False

    @property
    def config(self) -> RunConfig:
        """The run's configuration."""
        # without validation, which a test shows to be unnecessary: only the seed differs
        return self.cell.resolved.model_copy(update={"seed": self.seed})


@dataclass(frozen=True)
class Grid:
    """Cells and seeds to compare.

    All cells have the same seeds, so that comparisons are paired. With `oracle`, runs record the
    test RMSE of each epoch.
    """

    cells: list[Cell]
    seeds: list[int]
    oracle: bool = False

    @property
    def runs(self) -> list[GridRun]:
        """All runs, seed by seed, so that paired results are available early."""
        return [
            GridRun(f"{cell.folder_name}-s{seed}", cell, seed, self.oracle and not cell.baseline)
            for seed in self.seeds
            for cell in self.cells
        ]

    def identity(self) -> dict[str, Any]:
        """Return plain values that are equal for equal grids."""
        return {
            "seeds": sorted(self.seeds),  # their order does not matter
            "oracle": self.oracle,
            "cells": {f"{c.config} {c.label}": comparable(c.resolved) for c in self.cells},
        }

    @property
    def digest(self) -> str:
        """First 12 hex digits of the digest of the identity."""
        return digest_of(self.identity())[:12]


def make_grid(
    configs: Sequence[str],
    *,
    balancers: Sequence[str] | None = None,
    seeds: Sequence[int] = (0, 1, 2, 3, 4),
    axes: Mapping[str, Sequence[Any]] | None = None,
    sets: Sequence[str] = (),
    oracle: bool = False,
    baseline: bool = False,
) -> Grid:
    """Resolve and validate every cell of a grid, before anything is trained.

    Args:
        configs: YAML files or names of shipped configurations.
        balancers: names of balancers; by default that of each configuration.
        seeds: seeds of the runs of every cell.
        axes: values by dotted key; a key that only some balancers have varies only in those.
        sets: overrides for every cell that has the key.
        oracle: whether runs record the test RMSE of each epoch.
        baseline: whether to add gradient boosting: one cell for each configuration and each of
            its settings of data and split.

    Raises:
        UsageError: names all unknown names, or the first invalid key or value.

    >>> import cmapss_rul
    >>> len(cmapss_rul.make_grid(["fd001"], balancers=["fixed", "amnl"], seeds=[0, 1, 2]).runs)
    6
    """
    axes = dict(axes or {})
    paths = _find_configs(configs, balancers or [])
    _refuse_contradictions(balancers, sets)
    cells: list[Cell] = []
    used_keys: set[str] = set()
    for name, path in paths.items():
        source = _Source(name, read_yaml(path), str(path), sets, axes)
        for balancer in balancers or (None,):
            cells += source.cells(balancer)
        used_keys |= source.used_keys
    _refuse_unknown_keys(axes, sets, used_keys, cells)
    for cell in cells:
        if oracle and cell.resolved.split.is_ensemble:
            raise UsageError(
                "--oracle records the test RMSE of each epoch of a single network, but split.folds "
                "trains several; leave one out"
            )
        cell.resolved.balancer.build()  # report a missing extra once, not for each run
    if baseline:
        find_regressor()  # likewise
        cells += _baseline_cells(cells)
    return Grid(cells, list(seeds), oracle)


def _baseline_cells(cells: Sequence[Cell]) -> list[Cell]:
    """Return a gradient boosting cell for each configuration and setting that it depends on."""
    found: dict[tuple[str, str], Cell] = {}
    for cell in cells:
        if cell.resolved.split.is_ensemble:
            raise UsageError(
                "--baseline is tuned on the validation engines of a single split, which "
                "split.folds lacks; leave one out"
            )
        # settings of network, loss, balancer and training have no effect on it
        kept = {k: v for k, v in cell.settings.items() if k.startswith(("data.", "split."))}
        label = " ".join(
            [GRADIENT_BOOSTING, *(f"{key}={as_text(value)}" for key, value in kept.items())]
        )
        own = replace(cell, balancer=GRADIENT_BOOSTING, settings=kept, label=label, baseline=True)
        found.setdefault(own.key, own)
    return list(found.values())


@dataclass
class _Source:
    """A configuration file, and the cells made from it."""

    name: str
    mapping: dict[str, Any]
    path: str
    sets: Sequence[str]
    axes: Mapping[str, Sequence[Any]]
    used_keys: set[str] = field(default_factory=set)
    labels: dict[str, str] = field(default_factory=dict)

    def cells(self, balancer: str | None) -> Iterator[Cell]:
        """Yield the cells of a balancer; None for that of the configuration."""
        base = [] if balancer is None else [f"balancer.name={balancer}"]
        base += [text for text in self.sets if self._accepts(base, key_of(text))]
        for settings in self._settings(base):
            texts = [format_override(key, settings[key]) for key in names_first(settings)]
            # one thread: several single-threaded processes use the cores better than one process
            resolved = from_mapping(
                RunConfig, self.mapping, [*base, *texts, "seed=0", "train.threads=1"], self.path
            )
            name = resolved.balancer.name
            # values as typed by the user, who searches for labels in tables and the ledger
            label = " ".join([name, *(f"{k}={as_text(v)}" for k, v in settings.items())])
            self._refuse_duplicate(label, resolved)
            plain = resolved.model_dump(mode="json")
            values = {key: value_at(plain, key) for key in settings}
            # as another configuration, so that ensembles are not ranked among single networks
            folds = f" ({resolved.split.folds} folds)" if resolved.split.is_ensemble else ""
            yield Cell(self.name + folds, name, values, label, resolved)

    def _settings(self, base: list[str]) -> list[dict[str, Any]]:
        """Return all combinations of the axes' values, skipping axes whose key does not exist."""
        partial: list[dict[str, Any]] = [{}]
        for key in names_first(self.axes):
            extended = []
            for settings in partial:
                texts = [format_override(*item) for item in settings.items()]
                if self._accepts([*base, *texts], key, everywhere=False):
                    extended += [{**settings, key: value} for value in self.axes[key]]
                else:
                    extended.append(settings)
            partial = extended
        order = list(self.axes)
        return [dict(sorted(s.items(), key=lambda item: order.index(item[0]))) for s in partial]

    def _accepts(self, base: list[str], key: str, everywhere: bool = True) -> bool:
        """Whether a key exists, given these overrides.

        With `everywhere`, unknown keys outside balancers are accepted, and reported by validation.
        """
        known = key_exists(apply_overrides(self.mapping, base), key)
        if known:
            self.used_keys.add(key)
        return known or (everywhere and not key.startswith("balancer."))

    def _refuse_duplicate(self, label: str, resolved: RunConfig) -> None:
        # equal cells would be compared as a pair, and cost twice the time
        other = self.labels.setdefault(config_digest(resolved), label)
        if other != label:
            raise UsageError(
                f"{self.path}: the cells '{other}' and '{label}' are the same; leave one out"
            )


# ---- what is refused -----------------------------------------------------------------------


def _find_configs(configs: Sequence[str], balancers: Sequence[str]) -> dict[str, Path]:
    """Find the configurations by name; report unknown configurations and balancers together."""
    paths: dict[str, Path] = {}
    wrong, problems = [], []
    for given in configs:
        try:
            name, path = find_config(given)
        except UsageError:
            wrong.append(given)
            continue
        if name in paths:
            raise UsageError(
                f"--config: two files are called '{name}', {paths[name]} and {path}; rename one, "
                "because run folders are named after it"
            )
        paths[name] = path
    if wrong:
        problems.append(_unknown("--config", "configuration", wrong, configs, shipped_configs()))
    known = [choice.name for choice in choices(RunConfig)["balancer.name"]]
    wrong = [name for name in balancers if name not in known]
    if wrong:
        problems.append(_unknown("--balancer", "balancer", wrong, balancers, known))
    if problems:
        raise UsageError("; ".join(problems))
    return paths


def _unknown(
    option: str, noun: str, wrong: list[str], given: Sequence[str], known: Iterable[str]
) -> str:
    listed = " and ".join(
        f"'{name}'" + (f" (refused: {REFUSED[name]})" if name in REFUSED else "") for name in wrong
    )
    rest = [name for name in given if name not in wrong]
    beside = f" beside {', '.join(rest)}" if rest else ""
    return (
        f"{option}: unknown {noun} {listed}{beside}; "
        f"expected one of: {', '.join(nearest_first(wrong[0], known))}"
    )


def _refuse_contradictions(balancers: Sequence[str] | None, sets: Sequence[str]) -> None:
    keys = [key_of(text) for text in sets]
    if "seed" in keys:
        raise UsageError("--set seed: use --seeds for the seeds of a grid, such as --seeds 7,")
    if balancers and "balancer.name" in keys:
        raise UsageError("--set balancer.name contradicts --balancer; leave one out")


def _refuse_unknown_keys(
    axes: Mapping[str, Any], sets: Sequence[str], used: set[str], cells: list[Cell]
) -> None:
    options = [("--grid", key) for key in axes]
    options += [("--set", key) for key in map(key_of, sets) if key.startswith("balancer.")]
    known = {key for cell in cells for key in flatten(cell.resolved.model_dump())}
    for option, key in options:
        if key not in used:
            meant = nearest(key, known)
            raise UsageError(
                f"{option} {key}: no configuration of this grid has this key"
                + (f"; did you mean {meant}?" if meant else "; list all keys with rul config show")
            )
