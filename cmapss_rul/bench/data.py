"""From text files to tensors, and from there to batches, beside the peer."""

import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from cmapss_rul.bench.medians import Figure, ratio
from cmapss_rul.bench.options import PEER_WINDOW, Setting, as_ours
from cmapss_rul.bench.peer import fill_root, peer_data, peer_loader, peer_version
from cmapss_rul.bench.results import Reading
from cmapss_rul.bench.workers import Side, in_turn, once, peak_memory_mb
from cmapss_rul.data.columns import file_name
from cmapss_rul.system.memory import keep_freed_memory
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.inputs import load_data

WINDOWS = (30, 60, 120)
"""Lengths of windows that are gathered, cycles."""


def data(setting: Setting) -> dict[str, Any]:
    """Time the way from text files to tensors, each turn in a fresh process, imports aside.

    Both read one subset with the peer's sensors, window and cap. The peer also reads the test
    file, since its set-up is one call; ours opens train files alone. Cold is a first call: the
    peer divides its train file into two text files and keeps its scaler, ours writes its cache.
    From the cache is a later call of each.
    """
    config = _own_copy(setting)
    sides: dict[str, Callable[[], Reading]] = {
        "cold": partial(once, our_data, config, fresh=True),
        "cached": partial(once, our_data, config, fresh=False),
    }
    if peer_version():
        peer = partial(once, peer_data, _peer_root(setting), config.data.subset, PEER_WINDOW)
        sides = {
            "peer": partial(peer, fresh=True),
            "peer again": partial(peer, fresh=False),
            **sides,
        }
    turns = in_turn(sides, setting.sizes.starts)
    seconds = {name: [reading.value for reading in side] for name, side in turns.items()}
    memory = {name: [reading.peak_mb for reading in side] for name, side in turns.items()}
    found: dict[str, Any] = {
        "data.cold_ratio_to_peer": None,
        "data.cached_ratio_to_peer": None,
        "data.cold_seconds": Figure.of(seconds["cold"]),
        "data.cached_seconds": Figure.of(seconds["cached"]),
        "data.peak_memory_mb": Figure.of(memory["cold"]),
        "data.peer_peak_memory_mb": None,
    }
    if "peer" in turns:
        found |= {
            "data.cold_ratio_to_peer": ratio(seconds["peer"], seconds["cold"]),
            "data.cached_ratio_to_peer": ratio(seconds["peer again"], seconds["cached"]),
            "data.peer_cold_seconds": Figure.of(seconds["peer"]),
            "data.peer_again_seconds": Figure.of(seconds["peer again"]),
            "data.peer_peak_memory_mb": Figure.of(memory["peer"]),
        }
    return found


def _own_copy(setting: Setting) -> RunConfig:
    """Copy the train file to where its cache can be taken away."""
    config, folder = setting.plain_data, setting.folder / "ours"
    folder.mkdir()
    name = file_name("train", config.data.subset)
    shutil.copyfile(Path(config.data.dir) / name, folder / name)
    return config.model_copy(update={"data": config.data.model_copy(update={"dir": str(folder)})})


def _peer_root(setting: Setting) -> Path:
    """The peer's data root, filled once."""
    root, config = setting.folder / "peer", setting.config
    if not root.exists():
        fill_root(Path(config.data.dir), config.data.subset, root)
    return root


def our_data(config: RunConfig, *, fresh: bool) -> Callable[[], Reading]:
    """Make ours ready to prepare a subset, imports done.

    Args:
        config: of the data.
        fresh: take away the cache, so that it starts from the text file.
    """
    import numpy.ma  # noqa: F401
    import pandas  # noqa: F401  # both come with their first use, the peer's with its own import

    keep_freed_memory()
    if fresh:
        shutil.rmtree(Path(config.data.dir) / "cache", ignore_errors=True)

    def prepare() -> Reading:
        start = time.perf_counter()
        load_data(config)
        return Reading(time.perf_counter() - start, peak_memory_mb())

    return prepare


def loader(setting: Setting) -> dict[str, Any]:
    """Time the gathering of shuffled batches, by the length of the window, and the peer's."""
    passes, config = setting.sizes.passes, setting.plain_data
    sides = {
        str(window): Side(our_loader, _with_window(config, window), setting.threads)
        for window in WINDOWS
    }
    if peer_version():
        batch_size = config.train.batch_size
        sides["peer"] = Side(
            peer_loader, _peer_root(setting), config.data.subset, PEER_WINDOW, batch_size
        )
    try:
        turns = in_turn(sides, passes)
    finally:
        for side in sides.values():
            side.close()
    rates = {name: Figure.of([reading.value for reading in side]) for name, side in turns.items()}
    peaks = {name: max(reading.peak_mb for reading in side) for name, side in turns.items()}
    theirs = rates.pop("peer", None)
    peaks.pop("peer", None)
    return {
        "loader.windows_per_second": rates,
        "loader.peak_memory_mb": peaks,
        "loader.peer_windows_per_second": theirs,
    }


def _with_window(config: RunConfig, window: int) -> RunConfig:
    return config.model_copy(update={"data": config.data.model_copy(update={"window": window})})


def our_loader(config: RunConfig, threads: int) -> Callable[[], Reading]:
    """Make the training windows ready; a turn gathers each of them once, in shuffled batches."""
    as_ours(threads)
    training = load_data(config).training

    def load() -> Reading:
        start = time.perf_counter()
        for index in torch.split(torch.randperm(len(training)), config.train.batch_size):
            training.batch(index)
        return Reading(len(training) / (time.perf_counter() - start), peak_memory_mb())

    return load
