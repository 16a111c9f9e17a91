"""Benchmark of data preparation and batch assembly against rul-datasets.

rul-datasets ("peer" in keys and names) is the most complete public loader of these data; the
extra `bench` installs it.
"""

import importlib
import importlib.util
import os
import shutil
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from cmapss_rul.bench.measurement import (
    Contender,
    Measurement,
    Summary,
    alternate,
    measure_once,
    peak_memory_mb,
    summarise_ratios,
)
from cmapss_rul.bench.options import PEER_WINDOW, BenchOptions, set_up_ours, with_data
from cmapss_rul.data.columns import SubsetName, file_name
from cmapss_rul.system.memory import keep_freed_memory
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.inputs import load_data

WINDOWS = (30, 60, 120)
"""Window lengths of the assembled batches, cycles."""

PEER_MISSING = "needs rul-datasets and requests: pip install 'cmapss_rul[bench]'"

_DERIVED = ("dev_*", "val_*", "*.pkl")
"""Files that rul-datasets writes beside the text files on its first call."""


# ---- measurements ----------------------------------------------------------------------------


def measure_data(options: BenchOptions) -> dict[str, Any]:
    """Time the preparation from text files to tensors in new processes, without imports.

    Both read one subset with the sensors, window and cap of rul-datasets, which always reads the
    test file, too. Cold is a first call: rul-datasets writes the training file as two text files
    and saves its scaler, ours writes its cache. Cached is a later call.
    """
    config = _copy_train_file(options)
    contenders: dict[str, Callable[[], Measurement]] = {
        "cold": partial(measure_once, prepare_our_data, config, fresh=True),
        "cached": partial(measure_once, prepare_our_data, config, fresh=False),
    }
    if peer_version():
        peer = partial(
            measure_once, prepare_peer_data, _peer_root(options), config.data.subset, PEER_WINDOW
        )
        contenders = {  # cached after cold, which writes the files
            "peer cold": partial(peer, fresh=True),
            "peer cached": partial(peer, fresh=False),
            **contenders,
        }
    turns = alternate(contenders, options.sizes.starts)
    seconds = {name: [turn.value for turn in each] for name, each in turns.items()}
    memory = {name: [turn.peak_mb for turn in each] for name, each in turns.items()}
    result: dict[str, Any] = {
        "data.cold_ratio_to_peer": None,
        "data.cached_ratio_to_peer": None,
        "data.cold_seconds": Summary.of(seconds["cold"]),
        "data.cached_seconds": Summary.of(seconds["cached"]),
        "data.peak_memory_mb": Summary.of(memory["cold"]),
        "data.peer_peak_memory_mb": None,
    }
    if "peer cold" not in seconds:
        return result
    return result | {
        "data.cold_ratio_to_peer": summarise_ratios(seconds["peer cold"], seconds["cold"]),
        "data.cached_ratio_to_peer": summarise_ratios(seconds["peer cached"], seconds["cached"]),
        "data.peer_cold_seconds": Summary.of(seconds["peer cold"]),
        "data.peer_again_seconds": Summary.of(seconds["peer cached"]),
        "data.peer_peak_memory_mb": Summary.of(memory["peer cold"]),
    }


def measure_loader(options: BenchOptions) -> dict[str, Any]:
    """Time the assembly of shuffled batches by window length, and that of rul-datasets."""
    config = options.peer_config
    contenders = {
        str(window): Contender(
            prepare_our_loader, with_data(config, window=window), options.threads
        )
        for window in WINDOWS
    }
    if peer_version():
        root, batch_size = _peer_root(options), config.train.batch_size
        contenders["peer"] = Contender(
            prepare_peer_loader, root, config.data.subset, PEER_WINDOW, batch_size
        )
    try:
        turns = alternate(contenders, options.sizes.passes)
    finally:
        for contender in contenders.values():
            contender.close()
    rates = {name: Summary.of([turn.value for turn in each]) for name, each in turns.items()}
    peaks = {name: max(turn.peak_mb for turn in each) for name, each in turns.items()}
    peer_rate = rates.pop("peer", None)
    peaks.pop("peer", None)
    return {
        "loader.windows_per_second": rates,
        "loader.peak_memory_mb": peaks,
        "loader.peer_windows_per_second": peer_rate,
    }


# ---- ours ------------------------------------------------------------------------------------


def _copy_train_file(options: BenchOptions) -> RunConfig:
    """Copy the training file, to keep the user's cache; return a configuration that reads it."""
    config, folder = options.peer_config, options.folder / "ours"
    folder.mkdir()
    name = file_name("train", config.data.subset)
    shutil.copyfile(Path(config.data.dir) / name, folder / name)
    return with_data(config, dir=str(folder))


def prepare_our_data(config: RunConfig, *, fresh: bool) -> Callable[[], Measurement]:
    """Do the imports; a turn loads the data, without the cache if `fresh`."""
    import numpy.ma  # noqa: F401  # else imported at first use, within the timed part

    keep_freed_memory()
    if fresh:  # not in `load`, which is timed
        shutil.rmtree(Path(config.data.dir) / "cache", ignore_errors=True)

    def load() -> Measurement:
        start = time.perf_counter()
        load_data(config)
        return Measurement(time.perf_counter() - start, peak_memory_mb())

    return load


def prepare_our_loader(config: RunConfig, threads: int) -> Callable[[], Measurement]:
    """Load the training windows; a turn assembles all of them once, in shuffled batches."""
    set_up_ours(threads)
    training = load_data(config).training

    def gather() -> Measurement:
        start = time.perf_counter()
        for index in torch.split(torch.randperm(len(training)), config.train.batch_size):
            training.batch(index)
        return Measurement(len(training) / (time.perf_counter() - start), peak_memory_mb())

    return gather


# ---- rul-datasets ----------------------------------------------------------------------------


def peer_version() -> str | None:
    """Return the version of rul-datasets; None if it or its dependency requests is missing."""
    # find_spec does not import them, which the parent process does not need; requests is an
    # undeclared dependency of rul-datasets
    if not all(importlib.util.find_spec(name) for name in ("rul_datasets", "requests")):
        return None
    return metadata.version("rul-datasets")


def fill_peer_root(data: Path, subset: str, root: Path) -> None:
    """Copy the text files of a subset to where rul-datasets expects them in its data root."""
    folder = root / "CMAPSS"
    folder.mkdir(parents=True)
    for kind in ("train", "test", "RUL"):
        shutil.copyfile(data / file_name(kind, subset), folder / file_name(kind, subset))


def _peer_root(options: BenchOptions) -> Path:
    """Return the data root of rul-datasets, created on the first call."""
    root, data = options.folder / "peer", options.config.data
    if not root.exists():
        fill_peer_root(Path(data.dir), data.subset, root)
    return root


def prepare_peer_data(
    root: Path, subset: SubsetName, window: int, *, fresh: bool
) -> Callable[[], Measurement]:
    """Import rul-datasets; a turn prepares a subset, without files of earlier calls if `fresh`."""
    if fresh:
        for pattern in _DERIVED:
            for path in (root / "CMAPSS").glob(pattern):
                path.unlink()
    set_up = _import_peer(root, subset, window, batch_size=1)  # the loader is not used

    def load() -> Measurement:
        start = time.perf_counter()
        set_up().to_dataset("dev")  # windows in memory, like the result of `load_data`
        return Measurement(time.perf_counter() - start, peak_memory_mb())

    return load


def prepare_peer_loader(
    root: Path, subset: SubsetName, window: int, batch_size: int
) -> Callable[[], Measurement]:
    """Set up the training loader of rul-datasets; a turn iterates over all windows once."""
    module = _import_peer(root, subset, window, batch_size)()

    def gather() -> Measurement:
        start, windows = time.perf_counter(), 0
        for _, rul in module.train_dataloader():
            windows += len(rul)
        return Measurement(windows / (time.perf_counter() - start), peak_memory_mb())

    return gather


def _import_peer(root: Path, subset: SubsetName, window: int, batch_size: int) -> Callable[[], Any]:
    """Import rul-datasets; return a function that prepares and sets up its data module."""
    warnings.simplefilter("ignore")  # a first call emits many
    os.environ["RUL_DATASETS_DATA_ROOT"] = str(root)  # read at import
    rul_datasets: Any = importlib.import_module("rul_datasets")

    def set_up() -> Any:
        reader = rul_datasets.CmapssReader(fd=int(subset[2:]), window_size=window)
        module = rul_datasets.RulDataModule(reader, batch_size)
        module.prepare_data()
        module.setup()
        return module

    return set_up
