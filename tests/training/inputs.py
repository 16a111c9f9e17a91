"""Shared by the tests of training: tiny configurations, reporters, comparison of runs."""

import csv
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from cmapss_rul.system.signals import Interrupted
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.reporters import COLUMNS, TIMES, Reporter
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.train import train

MODEL = {
    "cnn": {"channels": [3], "kernel": 3},
    "bilstm": {"hidden": 3},
    "attention": {"hidden": 3, "dropout": 0},
    "shared": {"hidden": [4], "dropout": 0},
    "rul_head": {"hidden": []},
    "health_head": {"hidden": []},
}
NOISY_MODEL = {
    "input_noise": 0.1,
    "sensor_offset": 0.1,
    "cnn": {"channels": [3], "kernel": 3, "dropout": 0.1, "batch_norm": True},
    "bilstm": {"hidden": 3, "layers": 2, "dropout": 0.1},
    "attention": {"hidden": 3, "dropout": 0.1},
    "shared": {"hidden": [4], "dropout": 0.1},
    "rul_head": {"hidden": [3], "dropout": 0.1},
    "health_head": {"hidden": [3], "dropout": 0.1},
}
TRAIN = {"epochs": 2, "batch_size": 20, "window_share": 0.05, "threads": 1}


def tiny_config_dict(folder: Path, **parts: Any) -> dict[str, Any]:
    """Configuration of a tiny run as a mapping.

    `train` and `data` override single keys; any other part is replaced as a whole.
    """
    train = {**TRAIN, **parts.pop("train", {})}
    data = {"dir": str(folder), "window": 5, "columns": ["sensor_2", "sensor_4", "sensor_11"]}
    data.update(parts.pop("data", {}))
    return {"data": data, "model": MODEL, "train": train, **parts}


def tiny_config(folder: Path, **parts: Any) -> RunConfig:
    """Configuration of a tiny run."""
    return RunConfig.model_validate(tiny_config_dict(folder, **parts))


def quick_regressor() -> Any:
    """scikit-learn's regressor with few bins: binning dominates the time of a small fit."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return partial(HistGradientBoostingRegressor, max_bins=16)


class Recorder(Reporter):
    """A reporter that counts steps and records rows and notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.rows: list[dict[str, float]] = []
        self.steps = 0

    def batch_end(self, windows: int) -> None:
        """Count a step."""
        del windows
        self.steps += 1

    def epoch_end(self, row: Any, best: bool) -> None:
        """Record a row."""
        del best
        self.rows.append(dict(row))

    def note(self, text: str) -> None:
        """Record a note."""
        self.notes.append(text)


class Stopper(Recorder):
    """A reporter that sends this process a signal after a given step or epoch.

    The handler runs at once, so that the loop finds the signal after the running step.
    """

    def __init__(
        self, *, step: int | None = None, epoch: int | None = None, number: int = signal.SIGINT
    ) -> None:
        super().__init__()
        self._step, self._epoch, self._number = step, epoch, number

    def batch_end(self, windows: int) -> None:
        """Count a step; stop after the requested one."""
        super().batch_end(windows)
        if self.steps == self._step:
            signal.raise_signal(self._number)

    def epoch_end(self, row: Any, best: bool) -> None:
        """Record a row; stop after the requested epoch."""
        super().epoch_end(row, best)
        if row["epoch"] == self._epoch:
            signal.raise_signal(self._number)


def train_interrupted(
    config: RunConfig, folder: Path | RunFolder, *, resume: bool = False, **when: int
) -> Interrupted:
    """Train until a `Stopper` with these arguments interrupts the run; return the error."""
    with pytest.raises(Interrupted) as caught:
        train(config, folder, device="cpu", resume=resume, reporters=[Stopper(**when)])
    return caught.value


def checkpoint_content(
    *,
    config: dict[str, Any] | None = None,
    split: dict[str, list[int]] | None = None,
    data: dict[str, Any] | None = None,
    host: dict[str, Any] | None = None,
    **loop: Any,
) -> dict[str, Any]:
    """Content of a checkpoint without weights, with every other part; `loop` overrides keys."""
    epochs = loop.get("epoch", 0)
    row = dict.fromkeys(COLUMNS[1:-2], 1.0)
    file = {"subset": "FD001", "name": "train_FD001.txt", "sha256": "b" * 64}
    file |= {"canonical_sha256": "c" * 64, "official": True, "simulated": False}
    clock = {"training": 0.0, "rows": [dict.fromkeys(TIMES, 1.0)] * epochs}
    auxiliary = [{**file, "engines": 3, **other} for other in (data or {}).get("auxiliary", [])]
    return {
        "format_version": checkpoint_file.FORMAT_VERSION,
        "versions": {"cmapss_rul": "0.1.0", "torch": "2.13.0", "python": "3.12"},
        "config": config or {},
        "data": {"mean_label": 80.0, **file, **(data or {}), "auxiliary": auxiliary},
        "preprocessor": {},
        "split": {"training": [1], "validation": [2], **(split or {})},
        "host": {
            "folder": "", "data_dir": "", "device": "cpu", "threads": 2, "ranks": 1,
            **(host or {}), "clock": clock,
        },
        "model": {},
        "loop": {
            "epoch": 0, "batch": 0, "step": 0, "sums": [0.0] * 6, "best_value": 11.5,
            "best_epoch": 0, "stale": 0,
            "history": [{"epoch": epoch, **row} for epoch in range(1, epochs + 1)], **loop,
        },
    }  # fmt: skip


def metric_rows(path: Path) -> list[dict[str, str]]:
    """Rows of metrics.csv without the two time columns."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [dict(list(row.items())[:-2]) for row in rows]


def comparable_content(path: Path) -> dict[str, Any]:
    """Content of a checkpoint without host facts: equal for equal runs."""
    content = checkpoint_file.read(path)
    del content["host"]
    return content


def differences(one: Any, other: Any, where: str = "") -> list[str]:
    """Differences of two nested contents in type, shape or any bit."""
    if type(one) is not type(other):
        return [f"{where}: {type(one).__name__} and {type(other).__name__}"]
    if isinstance(one, torch.Tensor):
        same = one.dtype == other.dtype and torch.equal(one, other)
        return [] if same else [where]
    if isinstance(one, dict):
        if one.keys() != other.keys():
            return [f"{where}: keys {one.keys() ^ other.keys()}"]
        pairs = [(key, one[key], other[key]) for key in one]
    elif isinstance(one, list | tuple):
        if len(one) != len(other):
            return [f"{where}: lengths"]
        pairs = [(i, *pair) for i, pair in enumerate(zip(one, other, strict=True))]
    else:
        return [] if one == other else [f"{where}: {one} and {other}"]
    return [found for key, a, b in pairs for found in differences(a, b, f"{where}/{key}")]


def assert_same_run(one: Path, other: Path) -> None:
    """Assert that two run folders are equal in every tensor, entry and metric."""
    for name in ("best.pt", "last.pt"):
        assert differences(comparable_content(one / name), comparable_content(other / name)) == []
    assert metric_rows(one / "metrics.csv") == metric_rows(other / "metrics.csv")


def file_bytes(folder: Path) -> dict[str, bytes]:
    """Content of all files of a folder, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def train_and_record(config: RunConfig, folder: Path, **options: Any) -> Recorder:
    """Train; return the reporter that recorded the run."""
    recorder = Recorder()
    train(config, folder, device="cpu", reporters=[recorder], **options)
    return recorder
