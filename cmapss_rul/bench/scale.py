"""Benchmark of loading time and memory by fleet size and window length, on simulated fleets."""

import io
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from cmapss_rul.bench.measurement import measure_once, peak_memory_mb
from cmapss_rul.data.simulate import simulate
from cmapss_rul.system.files import write_atomic
from cmapss_rul.training.config import load_config
from cmapss_rul.training.inputs import load_data

ENGINES = (100, 300, 1_000, 3_000, 10_000)
WINDOWS = (30, 60, 120)
_BATCHES, _BATCH_SIZE = 100, 256


@dataclass(frozen=True)
class Point:
    """Cost of loading a simulated fleet for training, in a new process.

    Attributes:
        cached: loaded from the cache, else from the text file.
        seconds: time from files to tensors, without imports.
        gather: seconds per window for the assembly of shuffled batches.
        base_mb: peak resident set size after the imports, MB.
        peak_mb: peak resident set size at the end, MB.
    """

    engines: int
    window: int
    cached: bool
    rows: int
    seconds: float
    gather: float
    base_mb: float
    peak_mb: float

    @property
    def microseconds_a_row(self) -> float:
        """Time from files to tensors, microseconds per row."""
        return 1e6 * self.seconds / self.rows

    @property
    def bytes_a_row(self) -> float:
        """Memory in addition to that of the imports, bytes per row."""
        return 1e6 * (self.peak_mb - self.base_mb) / self.rows


def measure_scale(
    folder: Path,
    engines: Sequence[int] = ENGINES,
    windows: Sequence[int] = WINDOWS,
    report: Callable[[str], object] = str,
) -> list[Point]:
    """Measure each fleet size with the first window, and the largest fleet with each window.

    Args:
        folder: folder of the simulated fleets; those of an earlier call are reused.
        engines: numbers of engines, each at least 10.
        windows: window lengths, cycles, multiples of the pooling of fd001 (3).
        report: called with the name of each measurement before it starts.
    """
    first, most = windows[0], max(engines)
    wanted = dict.fromkeys([*((n, first) for n in engines), *((most, w) for w in windows)])
    points = []
    for count, window in wanted:
        report(f"{count} engines, windows of {window} cycles")
        fleet = folder / str(count)
        simulate(fleet, engines=count, kinds=["train"])
        points += [
            measure_once(prepare_point, fleet, count, window, cached=cached)
            for cached in (False, True)  # the first writes the cache
        ]
    return points


def prepare_point(fleet: Path, engines: int, window: int, *, cached: bool) -> Callable[[], Point]:
    """Do the imports; a turn measures one point, from the cache if `cached`."""
    import numpy.ma  # noqa: F401  # else imported by the parser at first use and timed

    torch.set_num_threads(1)
    settings = {"source": "simulated", "dir": fleet, "auxiliary": [], "window": window}
    config = load_config("fd001", [f"data.{key}={value}" for key, value in settings.items()])
    if not cached:
        shutil.rmtree(fleet / "cache", ignore_errors=True)

    def measure() -> Point:
        # a peak never falls, so the difference is a lower bound of the memory of the data
        base, start = peak_memory_mb(), time.perf_counter()
        training = load_data(config).training
        seconds, start = time.perf_counter() - start, time.perf_counter()
        for _ in range(_BATCHES):
            training.batch(torch.randint(len(training), (_BATCH_SIZE,)))
        gather = (time.perf_counter() - start) / (_BATCHES * _BATCH_SIZE)
        rows = len(training.windows.series)
        return Point(engines, window, cached, rows, seconds, gather, base, peak_memory_mb())

    return measure


def draw_scale(points: Sequence[Point], path: Path) -> None:
    """Plot time and memory per row by number of engines to a PNG."""
    from matplotlib.figure import Figure

    window = points[0].window
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    time_axes, memory_axes = figure.subplots(1, 2)
    for cached, label, style in ((False, "from text", "o-"), (True, "from cache", "s--")):
        line = [point for point in points if point.cached is cached and point.window == window]
        engines = [point.engines for point in line]
        time_axes.plot(engines, [point.microseconds_a_row for point in line], style, label=label)
        memory_axes.plot(engines, [point.bytes_a_row for point in line], style, label=label)
    time_axes.set_ylabel("time, µs per row")
    memory_axes.set_ylabel("memory beyond imports, bytes per row")
    for axes in (time_axes, memory_axes):
        axes.set_xscale("log")
        axes.set_xlabel("engines (about 206 rows each)")
        axes.set_ylim(bottom=0)  # else variations of a few per cent would look like growth
        axes.grid(color="#DDDDDD")
    time_axes.legend()
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    write_atomic(path, content.getvalue())
