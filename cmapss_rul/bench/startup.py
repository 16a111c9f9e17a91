"""From the command to its first sign of work, in fresh processes."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from cmapss_rul.bench.medians import Figure, ratio
from cmapss_rul.bench.options import Setting
from cmapss_rul.bench.workers import in_turn, once
from cmapss_rul.display.text import one_line
from cmapss_rul.system.errors import RulError
from cmapss_rul.system.memory import keep_freed_memory
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.loggers import Reporter
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.train import train


def startup(setting: Setting) -> dict[str, Any]:
    """Time whole commands beside `import torch`, and the way to the first training step."""
    run = _short_run(setting)
    words = ["evaluate", str(run.path), "--output", str(setting.folder / "evaluated")]
    sides = {
        "torch": partial(seconds_of, "-c", "import torch"),
        "help": partial(seconds_of, "-m", "cmapss_rul", "--help"),
        "evaluate": partial(seconds_of, "-m", "cmapss_rul", *words),
        "first step": partial(_first_step, setting),
    }
    seconds = in_turn(sides, setting.sizes.starts)
    return {
        "startup.import_torch_seconds": Figure.of(seconds["torch"]),
        "startup.help_seconds": Figure.of(seconds["help"]),
        "startup.evaluate_seconds": Figure.of(seconds["evaluate"]),
        "startup.evaluate_ratio_to_import_torch": ratio(seconds["evaluate"], seconds["torch"]),
        "startup.first_step_seconds": Figure.of(seconds["first step"]),
    }


def _short_run(setting: Setting) -> RunFolder:
    """Train a few steps for something to evaluate; this also fills the cache."""
    short = {"epochs": 1, "window_share": 0.01}
    config = setting.fd001.model_copy(
        update={"train": setting.fd001.train.model_copy(update=short)}
    )
    return once(_trained, config, setting.folder / "evaluated-run")


def _trained(config: RunConfig, folder: Path) -> Callable[[], RunFolder]:
    return lambda: train(config, folder, device="cpu")


def seconds_of(*words: str) -> float:
    """Time a Python command from its start to its end.

    Args:
        words: after `python`.

    Raises:
        RulError: it failed.
    """
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *words], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        said = one_line(done.stderr.decode(errors="replace"))[-300:]
        raise RulError(f"python {' '.join(words)} ended with exit code {done.returncode}: {said}")
    return seconds


def _first_step(setting: Setting) -> float:
    number = len(list(setting.folder.glob("first-step-*")))
    return once(until_first_step, setting.fd001, setting.folder / f"first-step-{number}")


class _Stepped(Exception):
    """The first step is done."""


class _FirstStep(Reporter):
    """A reporter that ends the run at its first step."""

    def batch_end(self, windows: int) -> None:
        """End the run."""
        del windows
        raise _Stepped


def until_first_step(config: RunConfig, folder: Path) -> Callable[[], float]:
    """Make `rul train` ready, imports done; a turn gives the seconds until its first step."""
    keep_freed_memory()

    def work() -> float:
        start = time.perf_counter()
        with contextlib.suppress(_Stepped):
            train(config, folder, reporters=[_FirstStep()])
        return time.perf_counter() - start

    return work
