"""rul-datasets, the most complete public loader of these data, from the extra `bench`."""

import importlib
import importlib.util
import os
import shutil
import time
import warnings
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from cmapss_rul.bench.results import Reading
from cmapss_rul.bench.workers import peak_memory_mb
from cmapss_rul.data.columns import SubsetName, file_name

MISSING = "needs rul-datasets and requests: pip install 'cmapss_rul[bench]'"
"""Said where the peer is not installed."""

_DERIVED = ("dev_*", "val_*", "*.pkl")
"""What its first call writes beside the text files."""


def peer_version() -> str | None:
    """Return the peer's version; None where it, or what it needs, is not installed."""
    if not all(importlib.util.find_spec(name) for name in ("rul_datasets", "requests")):
        return None
    return metadata.version("rul-datasets")


def fill_root(data: Path, subset: SubsetName, root: Path) -> None:
    """Lay the user's files where the peer looks for them.

    Args:
        data: folder of the text files.
        subset: whose files are wanted.
        root: the peer's data root; made here.
    """
    folder = root / "CMAPSS"
    folder.mkdir(parents=True)
    for kind in ("train", "test", "RUL"):
        shutil.copyfile(data / file_name(kind, subset), folder / file_name(kind, subset))


def peer_data(root: Path, subset: SubsetName, window: int, *, fresh: bool) -> Callable[[], Reading]:
    """Make the peer ready to prepare a subset, imports done.

    Args:
        root: its data root, filled.
        subset: one of C-MAPSS.
        window: cycles in a window.
        fresh: take away what a former call has left, so that it starts from the text files.
    """
    if fresh:
        for pattern in _DERIVED:
            for path in (root / "CMAPSS").glob(pattern):
                path.unlink()
    module = _module(root, subset, window, batch_size=1)

    def prepare() -> Reading:
        start = time.perf_counter()
        module().to_dataset("dev")
        return Reading(time.perf_counter() - start, peak_memory_mb())

    return prepare


def peer_loader(
    root: Path, subset: SubsetName, window: int, batch_size: int
) -> Callable[[], Reading]:
    """Make the peer's training loader ready; a turn goes through all windows once."""
    ready = _module(root, subset, window, batch_size)()

    def load() -> Reading:
        start, windows = time.perf_counter(), 0
        for _, rul in ready.train_dataloader():
            windows += len(rul)
        return Reading(windows / (time.perf_counter() - start), peak_memory_mb())

    return load


def _module(root: Path, subset: SubsetName, window: int, batch_size: int) -> Callable[[], Any]:
    """Import the peer; return a function that prepares and sets up its data module."""
    warnings.simplefilter("ignore")  # it warns of each step of a first call
    os.environ["RUL_DATASETS_DATA_ROOT"] = str(root)  # read by its import
    rul_datasets: Any = importlib.import_module("rul_datasets")

    def ready() -> Any:
        reader = rul_datasets.CmapssReader(fd=int(subset[2:]), window_size=window)
        module = rul_datasets.RulDataModule(reader, batch_size)
        module.prepare_data()
        module.setup()
        return module

    return ready
