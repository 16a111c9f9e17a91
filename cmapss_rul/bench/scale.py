"""Time and memory by the number of engines and the length of the window, on simulated fleets."""

import io
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from cmapss_rul.bench.workers import once, peak_memory_mb
from cmapss_rul.data.simulate import simulate
from cmapss_rul.system.files import write_atomic
from cmapss_rul.training.config import load_config
from cmapss_rul.training.inputs import load_data

ENGINES = (100, 300, 1_000, 3_000, 10_000)
WINDOWS = (30, 60, 120)
_BATCHES, _BATCH_SIZE = 100, 256


@dataclass(frozen=True)
class Point:
    """What a process of its own took to make a simulated fleet ready to train on.

    Attributes:
        engines: of the train file.
        window: length of a window, cycles.
        cached: whether the cache had the fleet; else it was read from its text.
        rows: of the train file.
        seconds: from the files to tensors, imports aside.
        gather: seconds to gather one window, in shuffled batches.
        base_mb: largest resident size before, imports included, MB.
        peak_mb: largest resident size after all of it, MB.
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
        """Time from the files to tensors."""
        return 1e6 * self.seconds / self.rows

    @property
    def bytes_a_row(self) -> float:
        """Memory beyond that of the imports."""
        return 1e6 * (self.peak_mb - self.base_mb) / self.rows


def scale(
    folder: Path,
    engines: Sequence[int] = ENGINES,
    windows: Sequence[int] = WINDOWS,
    tell: Callable[[str], object] = str,
) -> list[Point]:
    """Measure each number of engines with the first window, and the largest with each window.

    Args:
        folder: where the fleets are simulated, or lie from a call before.
        engines: numbers of engines, each at least 10.
        windows: lengths, cycles, multiples of the pooling of fd001 (3).
        tell: told what is measured next.

    Raises:
        RulError: a measurement failed.
    """
    first, most = windows[0], max(engines)
    wanted = dict.fromkeys([*((n, first) for n in engines), *((most, w) for w in windows)])
    points = []
    for count, window in wanted:
        tell(f"{count} engines, windows of {window} cycles")
        place = folder / str(count)
        simulate(place, engines=count, kinds=["train"])
        points += [once(ready, place, count, window, cached=cached) for cached in (False, True)]
    return points


def ready(place: Path, engines: int, window: int, *, cached: bool) -> Callable[[], Point]:
    """Make a process ready to measure one point, imports done.

    Args:
        place: folder of the simulated fleet.
        engines: of it.
        window: length of a window, cycles.
        cached: leave the cache where it is; else it is taken away.
    """
    import pandas  # noqa: F401  # what parses the text belongs to the imports

    torch.set_num_threads(1)
    settings = {"source": "simulated", "dir": place, "auxiliary": [], "window": window}
    config = load_config("fd001", [f"data.{key}={value}" for key, value in settings.items()])
    if not cached:
        shutil.rmtree(place / "cache", ignore_errors=True)

    def work() -> Point:
        base, start = peak_memory_mb(), time.perf_counter()
        training = load_data(config).training
        seconds, start = time.perf_counter() - start, time.perf_counter()
        for _ in range(_BATCHES):
            training.batch(torch.randint(len(training), (_BATCH_SIZE,)))
        gather = (time.perf_counter() - start) / (_BATCHES * _BATCH_SIZE)
        rows = len(training.windows.series)
        return Point(engines, window, cached, rows, seconds, gather, base, peak_memory_mb())

    return work


def draw(points: Sequence[Point], path: Path) -> None:
    """Draw time and memory of each row by the number of engines, and write a PNG.

    Args:
        points: of `scale`.
        path: of the picture; replaced if it is there.
    """
    from matplotlib.figure import Figure

    window = points[0].window
    figure = Figure(figsize=(8, 3.4), layout="constrained")
    time_axes, memory_axes = figure.subplots(1, 2)
    for cached, label, style in ((False, "from the text", "o-"), (True, "from the cache", "s--")):
        own = [point for point in points if point.cached is cached and point.window == window]
        engines = [point.engines for point in own]
        time_axes.plot(engines, [point.microseconds_a_row for point in own], style, label=label)
        memory_axes.plot(engines, [point.bytes_a_row for point in own], style, label=label)
    time_axes.set_ylabel("time, µs a row")
    memory_axes.set_ylabel("memory beyond imports, bytes a row")
    for axes in (time_axes, memory_axes):
        axes.set_xscale("log")
        axes.set_xlabel("engines (about 206 rows each)")
        axes.set_ylim(bottom=0)
        axes.grid(color="#DDDDDD")
    time_axes.legend()
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150)
    write_atomic(path, content.getvalue())
