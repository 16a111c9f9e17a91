"""Runs all measurements of a benchmark and describes the machine."""

import contextlib
import os
import platform
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from cmapss_rul.bench.accuracy import measure_accuracy, measure_splits
from cmapss_rul.bench.data import PEER_MISSING, measure_data, measure_loader, peer_version
from cmapss_rul.bench.inference import measure_inference
from cmapss_rul.bench.measurement import nest_keys
from cmapss_rul.bench.options import QUICK, BenchOptions, Repetitions
from cmapss_rul.bench.scale import ENGINES, draw_scale, measure_scale
from cmapss_rul.bench.startup import measure_startup
from cmapss_rul.bench.steps import measure_balancers, measure_matmul_shares, measure_steps
from cmapss_rul.data.columns import SubsetName, file_name
from cmapss_rul.data.verification import provenance
from cmapss_rul.training.config import TrainConfig
from cmapss_rul.training.device import pick_device
from cmapss_rul.version import __version__

Part = Callable[[BenchOptions], dict[str, Any]]
PARTS: Mapping[str, Part] = {
    "startup of the program": measure_startup,
    "text files to tensors": measure_data,
    "gathering of batches": measure_loader,
    "training steps": measure_steps,
    "training steps and their matrix products alone": measure_matmul_shares,
    "balancers": measure_balancers,
    "inference": measure_inference,
    "time to the target accuracy": measure_accuracy,
}
"""Name of each measurement → its function, in order."""


def bench(
    subset: SubsetName,
    *,
    splits: int | None = None,
    seeds: int = 3,
    data_dir: Path | None = None,
    device: str = "auto",
    quick: bool = False,
    report: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measure speed and memory on one subset of C-MAPSS.

    Args:
        subset: FD001 to FD004.
        splits: number of splits of the training engines, to measure only the time to the target
            accuracy.
        seeds: seeds per split.
        data_dir: folder of the text files; by default that of the configurations.
        device: auto, cpu or cuda, for the networks.
        quick: the same measurements with fewer repetitions.
        report: called with the name of each measurement before it starts.

    Returns:
        Plain values with the keys of the table, and `<key>_spread` for each median.

    Raises:
        RulError: a measurement failed, or, as DataError, a file cannot be provided.
    """
    torch_device = pick_device(device)
    sizes, parts = QUICK if quick else Repetitions(), PARTS
    if splits is not None:
        sizes = Repetitions(seeds=tuple(range(seeds)), repeats=1)
        part = partial(measure_splits, splits=splits, report=report)
        parts = {f"time to the target accuracy on {splits} splits": part}
    with tempfile.TemporaryDirectory(prefix="rul-bench-") as folder:
        options = BenchOptions.for_subset(subset, data_dir, torch_device.type, sizes, Path(folder))
        result = run_parts(options, parts, report)
    return result | ({"quick": quick} if splits is None else {})


def bench_scale(
    picture: Path, *, quick: bool = False, report: Callable[[str], None] = print
) -> dict[str, Any]:
    """Measure time and memory on simulated fleets, and plot them.

    The PNG at `picture` is replaced if it exists; `quick` omits the larger fleets. Returns the
    machine and, as `points`, each `Point` with its time and memory per row.

    Raises:
        RulError: a measurement failed, or the plot cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="rul-bench-") as folder:
        points = measure_scale(Path(folder), ENGINES[:3] if quick else ENGINES, report=report)
    draw_scale(points, picture)
    rates = ("microseconds_a_row", "bytes_a_row")
    return {
        "machine": inspect_machine(pick_device("cpu")),
        "points": [
            asdict(point) | {name: getattr(point, name) for name in rates} for point in points
        ],
    }


def run_parts(
    options: BenchOptions, parts: Mapping[str, Part], report: Callable[[str], None]
) -> dict[str, Any]:
    """Run measurements; the result includes their conditions."""
    options.fetch_files()  # not timed
    data = options.config.data
    origin = provenance(Path(data.dir) / file_name("train", data.subset))
    start = time.perf_counter()
    flat: dict[str, Any] = {
        "subset": data.subset,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": "official files" if origin.official else origin.mark,
        "machine": inspect_machine(pick_device(options.device)),
        "threads": options.threads,
        "peer_missing": None if peer_version() else PEER_MISSING,
        "sizes": asdict(options.sizes),
    }
    for name, measure in parts.items():
        report(name)
        flat |= measure(options)
    flat["minutes"] = (time.perf_counter() - start) / 60
    return nest_keys(flat)


# ---- the machine -----------------------------------------------------------------------------


def inspect_machine(device: torch.device) -> dict[str, Any]:
    """Return processor, memory, GPU, system, versions and load, without host and user names."""
    return {
        "processor": _processor(),
        "cores": TrainConfig().thread_count(),  # available to this process, as in a container
        "memory_mb": _memory_mb(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_average": _load(),  # a busy machine distorts even ratios
        "versions": {
            "cmapss_rul": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            **{name: metadata.version(name) for name in ("numpy", "pandas")},
            "rul-datasets": peer_version(),
        },
    }


def _processor() -> str:
    with contextlib.suppress(OSError):  # Linux only
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_mb() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
    except (AttributeError, ValueError, OSError):
        return None


def _load() -> float | None:
    """Return the load average over the last minute; None if the system has none."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
