"""All measurements of a benchmark, one after another."""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cmapss_rul.bench.accuracy import accuracy
from cmapss_rul.bench.data import data, loader
from cmapss_rul.bench.inference import inference
from cmapss_rul.bench.machine import machine
from cmapss_rul.bench.medians import nested
from cmapss_rul.bench.options import QUICK, Setting, Sizes
from cmapss_rul.bench.peer import MISSING, peer_version
from cmapss_rul.bench.scale import ENGINES, draw, scale
from cmapss_rul.bench.startup import startup
from cmapss_rul.bench.steps import balancers, share_of_matmul_limit, step
from cmapss_rul.data.columns import SubsetName, file_name
from cmapss_rul.data.verification import provenance
from cmapss_rul.training.device import pick_device

PARTS: Mapping[str, Callable[[Setting], dict[str, Any]]] = {
    "starting the program": startup,
    "text files to tensors": data,
    "gathering of batches": loader,
    "training steps": step,
    "training steps and their matrix products alone": share_of_matmul_limit,
    "balancers": balancers,
    "predicting": inference,
    "time to a good model": accuracy,
}
"""What is measured, in this order."""


def bench(
    subset: SubsetName,
    *,
    data_dir: Path | None = None,
    device: str = "auto",
    quick: bool = False,
    tell: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Measure everything that the demands name, on one subset.

    Args:
        subset: one of C-MAPSS.
        data_dir: folder of the text files; that of the configurations by default.
        device: auto, cpu or cuda, where networks run.
        quick: the same measurements fewer times, for a first look.
        tell: told what is measured next.

    Returns:
        Plain values under the demands' keys, `<key>_spread` beside each median.

    Raises:
        DataError: a file is not to be had.
        RulError: a measurement failed.
    """
    where = pick_device(device)
    with tempfile.TemporaryDirectory(prefix="rul-bench-") as folder:
        sizes = QUICK if quick else Sizes()
        setting = Setting.of(subset, data_dir, where.type, sizes, Path(folder))
        return measured(setting, PARTS, tell) | {"quick": quick}


def measured_scale(
    picture: Path, *, quick: bool = False, tell: Callable[[str], None] = print
) -> dict[str, Any]:
    """Measure time and memory of simulated fleets, and draw them.

    Args:
        picture: PNG by the number of engines; replaced if it is there.
        quick: leave out the larger fleets.
        tell: told what is measured next.

    Returns:
        The machine, and under `points` each `Point` with its time and memory a row.

    Raises:
        RulError: a measurement failed, or the picture cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="rul-bench-") as folder:
        points = scale(Path(folder), ENGINES[:3] if quick else ENGINES, tell=tell)
    draw(points, picture)
    rates = ("microseconds_a_row", "bytes_a_row")
    return {
        "machine": machine(pick_device("cpu")),
        "points": [
            asdict(point) | {name: getattr(point, name) for name in rates} for point in points
        ],
    }


def measured(
    setting: Setting,
    parts: Mapping[str, Callable[[Setting], dict[str, Any]]],
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Do some of the measurements, and say what they were made on."""
    setting.provide()
    start = time.perf_counter()
    flat: dict[str, Any] = {
        "subset": setting.config.data.subset,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "files": _files(setting),
        "machine": machine(pick_device(setting.device)),
        "threads": setting.threads,
        "peer_missing": None if peer_version() else MISSING,
        "sizes": asdict(setting.sizes),
    }
    for name, part in parts.items():
        tell(name)
        flat |= part(setting)
    flat["minutes"] = (time.perf_counter() - start) / 60
    return nested(flat)


def _files(setting: Setting) -> str:
    own = setting.config.data
    file = provenance(Path(own.dir) / file_name("train", own.subset))
    return "official files" if file.official else file.mark
