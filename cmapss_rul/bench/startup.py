"""Benchmark of the startup times of commands and of training, in new processes."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from cmapss_rul.bench.measurement import Summary, alternate, measure_once, summarise_ratios
from cmapss_rul.bench.options import BenchOptions
from cmapss_rul.system.errors import RulError, one_line
from cmapss_rul.system.memory import keep_freed_memory
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.reporters import Reporter
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.train import train


def measure_startup(options: BenchOptions) -> dict[str, Any]:
    """Time whole commands, `import torch`, and the start of training up to its first step."""
    run = _short_run(options)
    arguments = ["evaluate", str(run.path), "--output", str(options.folder / "evaluated")]
    # not `rul`, which on the PATH may belong to another environment
    contenders = {
        "torch": partial(time_command, "-c", "import torch"),
        "help": partial(time_command, "-m", "cmapss_rul", "--help"),
        "evaluate": partial(time_command, "-m", "cmapss_rul", *arguments),
        "first step": partial(_first_step, options),
    }
    seconds = alternate(contenders, options.sizes.starts)
    return {
        "startup.import_torch_seconds": Summary.of(seconds["torch"]),
        "startup.help_seconds": Summary.of(seconds["help"]),
        "startup.evaluate_seconds": Summary.of(seconds["evaluate"]),
        "startup.evaluate_ratio_to_import_torch": summarise_ratios(
            seconds["evaluate"], seconds["torch"]
        ),
        "startup.first_step_seconds": Summary.of(seconds["first step"]),
    }


def _short_run(options: BenchOptions) -> RunFolder:
    """Train a few steps to have a run to evaluate; this also fills the cache."""
    short = {"epochs": 1, "window_share": 0.01}  # the accuracy does not matter
    config = options.fd001.model_copy(
        update={"train": options.fd001.train.model_copy(update=short)}
    )
    return measure_once(_prepare_run, config, options.folder / "evaluated-run")


def _prepare_run(config: RunConfig, folder: Path) -> Callable[[], RunFolder]:
    return lambda: train(config, folder, device="cpu")


def time_command(*arguments: str) -> float:
    """Return the seconds that `python` takes with these arguments; RulError if it fails."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *arguments], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        # the last line of a traceback has the error
        message = one_line(done.stderr.decode(errors="replace"))[-300:]
        command = f"python {' '.join(arguments)}"
        raise RulError(f"{command} ended with exit code {done.returncode}: {message}")
    return seconds


def _first_step(options: BenchOptions) -> float:
    number = len(list(options.folder.glob("first-step-*")))  # each turn trains in a new folder
    return measure_once(prepare_first_step, options.fd001, options.folder / f"first-step-{number}")


class _FirstStepDone(Exception):
    """Raised after the first step to end the training."""


class _StopAtFirstStep(Reporter):
    """Reporter that ends the training after its first step."""

    def batch_end(self, windows: int) -> None:
        """End the training."""
        del windows
        raise _FirstStepDone


def prepare_first_step(config: RunConfig, folder: Path) -> Callable[[], float]:
    """Do the imports; a turn returns the seconds until the first training step is done."""
    keep_freed_memory()

    def run() -> float:
        start = time.perf_counter()
        with contextlib.suppress(_FirstStepDone):
            train(config, folder, reporters=[_StopAtFirstStep()])
        return time.perf_counter() - start

    return run
