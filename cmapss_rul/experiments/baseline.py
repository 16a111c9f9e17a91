"""Gradient boosting cells of a grid (`rul compare --baseline`)."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from cmapss_rul.display.text import json_text
from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.evaluation.save import EvaluationFiles, save
from cmapss_rul.experiments.grid import GridRun
from cmapss_rul.experiments.jobs import (
    EvaluateJob,
    JobMessage,
    RunJob,
    TrainJob,
    evaluation_files,
    training_files,
)
from cmapss_rul.experiments.runs import COMMIT, DamagedRun, History, finished_history
from cmapss_rul.system.errors import one_line
from cmapss_rul.system.files import write_atomic
from cmapss_rul.system.workers import Send
from cmapss_rul.training.checkpoint_file import BEST
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.gradient_boosting import BoostingFit, fit_gradient_boosting, fit_inputs
from cmapss_rul.training.trackers.tracker_reporter import Tracking

FIT = "fit.json"
"""File in a baseline's run folder: selected hyperparameters, and the configuration."""


@dataclass(frozen=True)
class FitBaselineJob(RunJob):
    """Job that tunes gradient boosting for a run of a grid; opens no test file."""

    commit: str | None

    def __call__(self, send: Send) -> None:
        """Fit and save; raises as `fit_gradient_boosting`."""
        fit = fit_gradient_boosting(self.config, self.folder / BEST).fit
        assert fit is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self.folder / COMMIT, f"{self.commit or ''}\n")
        content = {"of": fit_inputs(self.config), "fit": fit.model_dump()}
        write_atomic(self.folder / FIT, json_text(content, indent=1) + "\n")
        send(JobMessage(f"{fit.trees} trees, val RMSE {fit.val_rmse:.2f}"))

    def sources(self) -> list[Path]:
        """Return the training files."""
        return training_files(self.config.data)


@dataclass(frozen=True)
class EvaluateBaselineJob(RunJob):
    """Job that repeats the selected fit and evaluates it, as `rul evaluate` does a network."""

    def __call__(self, send: Send) -> None:
        """Evaluate and save; raises as `evaluate`."""
        del send
        known, path = _read(self.folder), self.folder / BEST
        model = fit_gradient_boosting(self.config, path, known)
        save(evaluate(model, progress=False), EvaluationFiles.of(path))

    def sources(self) -> list[Path]:
        """Return the training files, test and RUL file."""
        return training_files(self.config.data) + evaluation_files(self.config.data)


def training_job(
    run: GridRun, folder: Path, device: str, code: str | None, tracking: Tracking
) -> TrainJob | FitBaselineJob:
    """Return the job that trains a network or tunes a baseline; `code` is the commit."""
    if run.cell.baseline:
        return FitBaselineJob(run.name, run.config, folder, code)
    # name explicitly, because Ray workers train in temporary folders
    tracking = replace(tracking, name=run.name)
    return TrainJob(run.name, run.config, folder, device, run.oracle, code, tracking)


def evaluation_job(run: GridRun, folder: Path, device: str) -> EvaluateJob | EvaluateBaselineJob:
    """Return the job that evaluates a run of a grid on the test set."""
    if run.cell.baseline:
        return EvaluateBaselineJob(run.name, run.config, folder)
    return EvaluateJob(run.name, run.config, folder, device)


def read_history(run: GridRun, folder: Path) -> History | None:
    """Read the history of a run of a network or baseline; see `finished_history`."""
    if run.cell.baseline:
        return finished_fit(run.config, folder)
    return finished_history(run.config, folder, oracle=run.oracle)


def finished_fit(config: RunConfig, folder: Path) -> History | None:
    """Read the fit of a baseline as a history with one row; None if there is none yet.

    Raises:
        DamagedRun: the file is invalid, or of another configuration or seed.
    """
    path = folder / FIT
    if not path.exists():
        return None
    try:
        content = path.read_bytes()
        saved = json.loads(content)["of"]
        if fit_inputs(config, saved) != fit_inputs(config):
            raise DamagedRun(f"{FIT} is of another configuration or seed")
        fit = _read(folder)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise DamagedRun(f"{FIT}: {one_line(error)[:200]}") from error
    row = {name: value for name, value in fit.model_dump().items() if name != "trees"}
    return History([{"epoch": fit.trees, **row}], 1, hashlib.sha256(content).hexdigest())


def _read(folder: Path) -> BoostingFit:
    return BoostingFit.model_validate(json.loads((folder / FIT).read_bytes())["fit"])
