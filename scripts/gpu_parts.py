"""Measurements of scripts/measure-gpu; each returns plain values, on CUDA or on a CPU."""

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from cmapss_rul.bench.accuracy import measure_accuracy
from cmapss_rul.bench.measurement import Summary, alternate, nest_keys
from cmapss_rul.bench.options import QUICK, BenchOptions, Repetitions, set_up_ours
from cmapss_rul.bench.steps import Turn, full_batches, measure_steps, next_batch_step, time_steps
from cmapss_rul.system.signals import Interrupted
from cmapss_rul.training.checkpoint_file import read
from cmapss_rul.training.config import RunConfig, load_config
from cmapss_rul.training.inputs import load_data
from cmapss_rul.training.reporters import Reporter, Row
from cmapss_rul.training.train import train

ROOT = Path(__file__).parents[1]
GPU_TESTS = ("tests/training/test_step.py", "tests/evaluation/test_evaluate.py")

Result = dict[str, Any]


class Setting(NamedTuple):
    """Device, data folder, and whether to run with few repetitions."""

    device: str
    data: Path
    quick: bool

    @property
    def sizes(self) -> Repetitions:
        """Repetitions of the benchmarks, which share nine minutes."""
        if self.quick:
            return replace(QUICK, turns=2, pairs=1, usual_epochs=1)
        return replace(Repetitions(), seeds=(0,), repeats=1, turns=60, pairs=2, steps=8)

    def config(self, *sets: str) -> RunConfig:
        """Return the measured configuration: fd001, shortened if quick."""
        short = ["train.epochs=1", "train.window_share=0.01"] if self.quick else []
        return load_config("fd001", [f"data.dir={self.data}", *short, *sets])

    @property
    def turn(self) -> Turn:
        """A turn of steps on the device."""
        return Turn(self.device, torch.get_num_threads(), self.sizes.steps)


def run_tests(setting: Setting) -> Result:
    """Run the tests marked gpu, which are skipped without a GPU."""
    del setting
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *GPU_TESTS], cwd=ROOT, capture_output=True, text=True)
    last = (done.stdout.strip().splitlines() or [done.stderr.strip()])[-1]
    return {"summary": last, "passed": done.returncode == 0}


def count_synchronisations(setting: Setting) -> Result:
    """Count PyTorch's warnings about synchronisations in training steps, including batches."""
    step, steps = _step(setting.config(), setting.device), 2 if setting.quick else 20
    step()  # the first step allocates states and selects kernels
    cuda = setting.device == "cuda"
    if cuda:
        torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for _ in range(steps):
            step()
    texts = [str(each.message) for each in found]
    return {"steps": steps, "synchronisations": len(texts) if cuda else None, "first": texts[:1]}


def run_bench(measure: Callable[[BenchOptions], dict[str, Any]], setting: Setting) -> Result:
    """Run a measurement of `rul bench`."""
    config = setting.config("split.seed=0")
    with tempfile.TemporaryDirectory() as folder:
        options = (config, config, config, setting.device, setting.sizes, Path(folder))
        return nest_keys(measure(BenchOptions(*options)))


def compare_precisions(setting: Setting) -> Result:
    """Time steps in single precision, TF32 and bfloat16."""
    plain, half = setting.config(), setting.config("train.mixed_precision=true")
    steps = {name: _step(config, setting.device) for name, config in
             {"fp32": plain, "tf32": plain, "bf16": half}.items()}  # fmt: skip

    def turn(name: str) -> float:
        torch.set_float32_matmul_precision("high" if name == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = name == "tf32"  # cuDNN's LSTM uses TF32 by default
        return time_steps(steps[name], setting.turn)

    turns = {name: partial(turn, name) for name in steps}
    return _medians(alternate(turns, setting.sizes.turns, warm_up=2))


def compare_compiled(setting: Setting) -> Result:
    """Time forward and backward passes: eager, compiled, and compiled with CUDA graphs.

    The compiler may skip the cuDNN LSTM. The error of a mode that fails is printed.
    """
    found: dict[str, list[float]] = {}
    modes = {"eager": None, "compiled": "default", "cuda_graphs": "reduce-overhead"}
    for name, mode in modes.items():
        try:
            passes = _passes(setting.config(), setting.device, mode)
            times = [time_steps(passes, setting.turn) for _ in range(5 if setting.quick else 33)]
            found[name] = times[3:]  # the first passes compile
        except Exception as error:  # a missing compiler fails only its mode
            found[name] = []
            print(f"{name}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
    return _medians(found)


def compare_jobs(setting: Setting) -> Result:
    """Time a grid of four runs, sequentially and in parallel, on one device."""
    found: Result = {}
    for jobs in (1, 4):
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable, "-m", "cmapss_rul", "compare", "--config", "fd001", "--seeds", "4",
                "--validation-only", "--device", setting.device, "--jobs", str(jobs), "--output",
                f"{folder}/grid", "--set", f"data.dir={setting.data}", "--set",
                f"train.epochs={1 if setting.quick else 3}", "--set",
                f"train.window_share={0.01 if setting.quick else 0.3}",
            ]  # fmt: skip
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            found[f"jobs_{jobs}_seconds"] = round(time.perf_counter() - start, 2)
    return {**found, "speed_up": found["jobs_1_seconds"] / found["jobs_4_seconds"]}


def resume_exactly(setting: Setting) -> Result:
    """Compare a run that was interrupted in its second epoch and resumed with one that was not."""
    config = setting.config("train.epochs=3", "train.window_share=0.02")
    with tempfile.TemporaryDirectory() as folder:
        whole, parts = Path(folder, "whole"), Path(folder, "parts")
        train(config, whole, device=setting.device)
        with contextlib.suppress(Interrupted):
            train(config, parts, device=setting.device, reporters=[_Stopper()])
        stopped = read(parts / "last.pt")["loop"]["epoch"]
        train(config, parts, device=setting.device, resume=True)
        one, other = (read(run / "last.pt")["model"] for run in (whole, parts))
    gaps = {name: float((one[name] - other[name]).abs().max()) for name in one}
    return {"stopped_after_epoch": stopped, "bit_exact": not any(gaps.values()),
            "largest_difference": max(gaps.values())}  # fmt: skip


PARTS: dict[str, tuple[Callable[[Setting], Result], float]] = {
    "tests": (run_tests, 90),
    "synchronisations": (count_synchronisations, 30),
    "resume": (resume_exactly, 45),
    "precision": (compare_precisions, 45),
    "steps": (partial(run_bench, measure_steps), 70),
    "jobs": (compare_jobs, 90),
    "compiled": (compare_compiled, 80),
    "accuracy": (partial(run_bench, measure_accuracy), 120),
}
"""Name → function and time limit in seconds, of nine minutes; the most reliable come first."""


class _Stopper(Reporter):
    """Interrupts a run in its second epoch, as Ctrl-C does."""

    def epoch_end(self, row: Row, best: bool) -> None:
        """Send the signal after the first epoch."""
        del best
        if row["epoch"] == 1:
            signal.raise_signal(signal.SIGINT)


def _step(config: RunConfig, device: str) -> Callable[[], object]:
    set_up_ours(config.train.thread_count())
    return next_batch_step(config, load_data(config), Turn(device, 1, 1))


def _passes(config: RunConfig, device: str, mode: str | None) -> Callable[[], object]:
    data = load_data(config).training.to(torch.device(device))
    network = config.build_network().to(device)
    called: Any = network if mode is None else torch.compile(network, mode=mode)
    batches = full_batches(data, config.train.batch_size)

    def once() -> None:
        batch = data.batch(next(batches))
        rul, health = called(batch.windows, batch.padding)
        network.zero_grad()
        (rul.square().mean() + health.square().mean()).backward()

    return once


def _medians(times: dict[str, list[float]]) -> Result:
    """Return median, spread and speed-up over the first entry; None for an entry without times."""
    first = Summary.of(next(iter(times.values()))).median
    found = {name: Summary.of(each) if each else None for name, each in times.items()}
    return {
        name: None if each is None else {**each._asdict(), "speed_up": first / each.median}
        for name, each in found.items()
    }
