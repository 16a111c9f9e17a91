"""Tiny runs for the campaigns: their configuration, and the invariants of a run folder."""

import csv
import importlib
import os
from pathlib import Path

import torch
import yaml

from cmapss_rul.config.base import Config
from cmapss_rul.data.simulate import simulate
from cmapss_rul.system.errors import CheckpointError
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.runs import RunFolder
from tests.balancers.variants import MEMBERS
from tests.training.inputs import (
    NOISY_MODEL,
    comparable_content,
    differences,
    metric_rows,
    tiny_config_dict,
)

TRAIN = {
    "epochs": 4,
    "batch_size": 10,
    "window_share": 0.03,
    "ema": 0.9,
    "patience": 2,
    "warmup": 0.5,
    "schedule": {"name": "plateau", "patience": 0},
}
"""Everything that has state; some balancers stop early, some run to the last epoch."""


def balancers() -> list[str]:
    """Return the names of all balancers."""
    return [member().model_dump()["name"] for member in MEMBERS if issubclass(member, Config)]


SPLIT = {"calibration": 0.35}
"""Four of twelve engines for the intervals, enough for one level."""


def fleets(folder: Path) -> None:
    """Simulate the data of a tiny run: its own training file, and an auxiliary one."""
    simulate(folder, engines=12)
    simulate(folder, engines=3, faults=2, kinds=["train"])


def configuration(place: Path, data: Path, balancer: str) -> Path:
    """Write the configuration of a tiny run with a balancer; the file is named like it.

    Every second balancer, starting with the first, trains with Muon and AdamW.
    """
    optimiser = ("muon", "adamw")[balancers().index(balancer) % 2]
    keys = tiny_config_dict(
        data,
        data={"auxiliary": ["FD003"]},
        split=SPLIT,
        train={**TRAIN, "optimiser": optimiser},
        balancer={"name": balancer},
        model=NOISY_MODEL,
    )
    path = place / f"{balancer.replace(':', '_')}.yaml"
    path.write_text(yaml.safe_dump(keys))
    return path


def broken(folder: Path) -> list[str]:
    """Return violations of the invariants of a run folder, which hold after any crash."""
    run, found = RunFolder(folder), list[str]()
    known = None
    for path in (run.best, run.last, run.previous):
        if path.exists():
            try:
                content = checkpoint_file.read(path)
            except CheckpointError as error:
                found.append(str(error))
                continue
            if path == run.last:
                known = content["loop"]["epoch"]
    if run.metrics.exists():
        epochs = _epochs(run.metrics)
        if epochs != list(range(1, len(epochs) + 1)):
            found.append(f"metrics.csv has the epochs {epochs}")
        if known is None or len(epochs) > known:
            found.append(f"metrics.csv has {len(epochs)} epochs, last.pt {known}")
    if run.config.exists() and not yaml.safe_load(run.config.read_bytes()):
        found.append("config.yaml is empty")
    return found


def _epochs(path: Path) -> list[int]:
    with path.open(newline="") as file:
        return [int(row["epoch"]) for row in csv.DictReader(file)]


def unlike(expected: Path, folder: Path) -> list[str]:
    """Return how a finished run differs from the undisturbed one."""
    found = broken(folder)
    names = {path.name for path in folder.iterdir()} - {"train.log"}
    if names != {path.name for path in expected.iterdir()} - {"train.log"}:
        found.append(f"it holds {sorted(names)}")
    return found or unlike_checkpoints(expected, folder)


def unlike_checkpoints(expected: Path, folder: Path) -> list[str]:
    """Return how checkpoints and metrics of a finished run differ from the undisturbed ones."""
    found = []
    for name in ("best.pt", "last.pt"):
        found += [f"{name}{place}" for place in _differences(expected / name, folder / name)]
    if metric_rows(expected / "metrics.csv") != metric_rows(folder / "metrics.csv"):
        found.append("metrics.csv differs")
    return found


def _differences(one: Path, other: Path) -> list[str]:
    return differences(comparable_content(one), comparable_content(other))


_NEEDED = (
    "pandas", "pandas.core.computation", "httpx", "rich.console", "torch._dynamo",
    "cmapss_rul.cli.progress", "cmapss_rul.training.runs", "cmapss_rul.training.train",
    "cmapss_rul.evaluation.evaluate", "cmapss_rul.evaluation.save", "cmapss_rul.evaluation.tables",
    "cmapss_rul.evaluation.predict", "cmapss_rul.evaluation.export", "cmapss_rul.experiments.table",
    "cmapss_rul.experiments.compare", "cmapss_rul.reports.report", "cmapss_rul.cli.progress",
    "torch.export", "matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg",
)  # fmt: skip


def import_all() -> None:
    """Set one thread and import everything, so that forked children start at once."""
    torch.set_num_threads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for name in _NEEDED:
        importlib.import_module(name)
