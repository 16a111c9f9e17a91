"""Shared by the tests of comparisons: synthetic results, and a grid small enough to train."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from cmapss_rul.experiments.comparison import compare_results
from cmapss_rul.experiments.grid import Grid, GridRun, make_grid
from cmapss_rul.experiments.results import Comparison
from cmapss_rul.experiments.runs import VIEWS, History, RunResult
from cmapss_rul.experiments.summaries import RunEvaluation
from cmapss_rul.system.errors import RulError, one_line
from cmapss_rul.system.workers import Job, JobEvent, OnJobEvent

TINY = {
    "data": {"window": 5, "columns": ["sensor_2", "sensor_4", "sensor_11"]},
    "model": {
        "cnn": {"channels": [3], "kernel": 3},
        "bilstm": {"hidden": 3},
        "attention": {"hidden": 3},
        "shared": {"hidden": [4]},
        "rul_head": {"hidden": []},
        "health_head": {"hidden": []},
    },
    "train": {"epochs": 2, "batch_size": 50, "window_share": 0.05, "threads": 2},
}


def write_config(path: Path, data: Path, **parts: Any) -> Path:
    """Write a configuration that trains on the files in `data` within a second."""
    plain = {key: {**value, **parts.get(key, {})} for key, value in TINY.items()}
    plain["data"]["dir"] = str(data)
    path.write_text(yaml.safe_dump({**parts, **plain}))
    return path


def run_in_process(jobs: Sequence[Job], processes: int, report: OnJobEvent) -> dict[str, str]:
    """Replacement of `workers.run_jobs` that runs the jobs one after another in this process.

    tests/system/test_workers.py tests the worker processes, and
    tests/experiments/test_compare.py runs a grid in them.
    """
    del processes
    errors = {}
    for job in jobs:
        report(JobEvent(job.name, "started"))
        try:
            job(lambda message, name=job.name: report(JobEvent(name, "progress", message)))
        except RulError as error:
            errors[job.name] = one_line(error)
        report(JobEvent(job.name, "ended", error=errors.get(job.name)))
    return errors


def grid(*configs: str, balancers=("fixed", "amnl"), seeds=(0, 1), **options: Any) -> Grid:
    """A grid of shipped configurations, for tests that train nothing."""
    return make_grid(configs or ["fd001"], balancers=balancers, seeds=seeds, **options)


def result(run: GridRun, rmse: float, **changes: Any) -> RunResult:
    """A synthetic result whose last-window errors are all ± `rmse`.

    `every` is the capped every-window RMSE.

    Validation RMSE falls by 1 per epoch to `val` in the last
    epoch, which is the best one.
    """
    every, val = changes.pop("every", rmse + 1), changes.pop("val", rmse + 2)
    epochs, simulated = changes.pop("epochs", 3), changes.pop("simulated", False)
    scores = dict(zip(VIEWS, (rmse, rmse + 10, every, rmse + 20), strict=True))
    metrics: dict[str, Any] = {"last": {}, "every": {}}
    for name, (windows, labels) in VIEWS.items():
        metrics[windows][labels] = {"rmse": scores[name], "nasa": 10 * scores[name]}
    digest = {
        f"{kind}_{run.cell.subset}.txt": {
            "sha256": "a", "canonical_sha256": "b", "official": not simulated,
            "simulated": simulated,
        }
        for kind in ("train", "test", "RUL")
    }  # fmt: skip
    protocol = {
        "subset": run.cell.subset,
        "files": "simulated, not the official files" if simulated else "official files",
        "digest": digest,
        "versions": {"trained": {"torch": "2.13.0"}, "evaluated": {"torch": "2.13.0"}},
        "seed": run.seed,
        "runs": "one run is one seed",
        "epoch": epochs,
        "engines": 6,
        "padded": 0,
        "windows": 600,
        "window": 60,
        "cap": 125,
        "auxiliary": dict.fromkeys(run.cell.resolved.data.auxiliary, 260),
        "selection": "validation engines only",
        "split": {"by": run.cell.resolved.split.by, "fraction": 0.2, "seed": run.seed,
                  "training_engines": 5, "validation_engines": 1,
                  "calibration_engines": 0},
    }  # fmt: skip
    rows = [
        {
            "epoch": epoch, "val_rmse": val + epochs - epoch, "val_nasa": 5.0,
            "val_health_accuracy": 0.9, "clipped_share": 0.5, "seconds": 10.0,
            "weight_rul": 0.01 * epoch, "weight_health": 1.0 / epoch,
        }
        for epoch in range(1, epochs + 1)
    ]  # fmt: skip
    plain = {
        "history": History(rows, changes.pop("best_epoch", epochs), "0" * 64),
        "evaluation": RunEvaluation.model_validate({"metrics": metrics, "protocol": protocol}),
        "engines": np.arange(1, 7),
        "true": np.array([10.0, 30, 50, 70, 90, 125]),
        "errors": rmse * np.array([1.0, -1, 1, -1, 1, -1]),
        "oracle": {},
        "commit": "c0ffee",
    }
    return RunResult(run=run, **{**plain, **changes})


def results(made: Grid, rmse: dict[str, list[float]], **changes: Any) -> list[RunResult]:
    """Synthetic results from an RMSE per seed for each label, equal in all configurations."""
    return [
        result(run, rmse[run.cell.label][made.seeds.index(run.seed)], **changes)
        for run in made.runs
    ]


def comparison(made: Grid, rmse: dict[str, list[float]], **changes: Any) -> Comparison:
    """A comparison of synthetic results."""
    return compare_results(made, results(made, rmse, **changes), {})


def histories(found: Sequence[RunResult]) -> dict[str, list[Any]]:
    """Metric rows of each run, by the run's name."""
    return {one.run.name: one.history.rows for one in found}
