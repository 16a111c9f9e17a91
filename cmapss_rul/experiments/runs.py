"""Run folders of a grid: finished runs, and their results."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cmapss_rul.config.yaml import to_yaml
from cmapss_rul.evaluation.save import EvaluationFiles
from cmapss_rul.experiments.grid import GridRun
from cmapss_rul.experiments.identity import comparable
from cmapss_rul.experiments.oracle import oracle_file, read_oracle
from cmapss_rul.experiments.summaries import RunEvaluation
from cmapss_rul.system.errors import CheckpointError, RulError, one_line
from cmapss_rul.system.files import write_atomic
from cmapss_rul.training.checkpoint import Checkpoint
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.reporters import Row
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.trained_model import TrainedModel

COMMIT = "commit.txt"
"""File in a run folder with the commit of the code that trained the run."""

VIEWS = {
    "last_capped": ("last", "capped"),
    "last_raw": ("last", "raw"),
    "every_capped": ("every", "capped"),
    "every_raw": ("every", "raw"),
}
"""Windows and labels in evaluation.json of each view of the test set."""


class DamagedRun(RulError):
    """Raised for a run folder that cannot be resumed, to be trained again from the start."""


@dataclass(frozen=True)
class History:
    """The epochs of a finished run.

    Attributes:
        best_epoch: epoch selected by validation; in an ensemble, the maximum over networks.
        best_sha256: SHA-256 of best.pt.
        out_of_fold: validation metrics of an ensemble, whose `rows` are those of all networks.
    """

    rows: list[Row]
    best_epoch: int
    best_sha256: str
    out_of_fold: Mapping[str, float] | None = None

    @property
    def curve(self) -> list[Row]:
        """One row per epoch; in an ensemble, the mean over the networks trained that long."""
        by_epoch: dict[float, list[Row]] = {}
        for row in self.rows:
            by_epoch.setdefault(row["epoch"], []).append(row)
        return [
            {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
            if len(rows) > 1
            else rows[0]
            for rows in by_epoch.values()
        ]

    @property
    def best(self) -> Mapping[str, float]:
        """Validation metrics of the selected epoch, named as in metrics.csv."""
        return self.out_of_fold or self.rows[self.best_epoch - 1]


def run_folder(run: GridRun, folder: Path) -> Path:
    """Return the folder of a run of the grid in `folder`."""
    return folder / "runs" / run.name


def finished_history(config: RunConfig, folder: Path, *, oracle: bool) -> History | None:
    """Read the history of a finished run; None if it is to be started or resumed.

    Repairs `metrics.csv` and `config.yaml` if the process was killed at the very end.

    Raises:
        DamagedRun: the run cannot be resumed, or has another configuration; or, with `oracle`,
            the test RMSE of an epoch is missing.
    """
    run = RunFolder(folder)
    if config.split.is_ensemble:
        return _finished_ensemble(config, run)
    if not run.last.exists():
        if run.previous.exists():
            return None
        if run.metrics.exists():
            raise DamagedRun("it has metrics.csv and no last.pt")
        remove(folder)  # stopped before its first checkpoint
        return None
    last = _open_checked(config, run)
    epochs = set(range(1, last.loop.epoch + 1))
    if oracle and not epochs <= read_oracle(oracle_file(folder)).keys():
        raise DamagedRun("oracle.csv is missing or incomplete")
    if not last.is_finished():
        return None
    run.repair(last)
    # from the grid, not the checkpoint: data paths may have changed since the training
    text = to_yaml(config)
    if not run.config.is_file() or run.config.read_bytes() != text.encode():
        write_atomic(run.config, text)
    return History(last.rows, last.loop.best_epoch, run.sha256(run.best))


def _open_checked(config: RunConfig, run: RunFolder) -> Checkpoint:
    """Read the checkpoint to resume from; raise DamagedRun if it or best.pt is invalid."""
    try:
        # with a damaged last.pt, training resumes from previous.pt, and reports it
        last, _ = run.newest()
        _check_same(config, last)
        if last.loop.epoch and not run.best.exists():
            raise DamagedRun("best.pt is missing")
        if run.best.exists():
            _check_same(config, run.open(run.best))
    except CheckpointError as error:
        raise DamagedRun(one_line(error)) from error
    return last


def _finished_ensemble(config: RunConfig, run: RunFolder) -> History | None:
    """Read the history of a finished ensemble."""
    folds = [run.fold(fold) for fold in range(len(config.split.members))]
    histories = [
        finished_history(config.model_copy(update={"split": split}), fold.path, oracle=False)
        for split, fold in zip(config.split.members, folds, strict=True)
    ]
    rows = [row for history in histories if history for row in history.rows]
    if None in histories or not run.best.exists():
        return None
    try:
        found = run.open(run.best)
        _check_same(config, found)
    except CheckpointError as error:
        raise DamagedRun(one_line(error)) from error
    if [member.get("sha256") for member in found.members] != [f.sha256(f.best) for f in folds]:
        return None  # killed before best.pt of the ensemble was updated
    epoch = max(history.best_epoch for history in histories if history)
    return History(rows, epoch, run.sha256(run.best), found.out_of_fold)


def _check_same(config: RunConfig, checkpoint: Checkpoint) -> None:
    """Refuse a checkpoint of another configuration or seed, or a malformed one.

    Also loads the weights, which resumption and evaluation need.
    """
    saved = TrainedModel.from_checkpoint(checkpoint).config
    if comparable(saved) != comparable(config):
        raise DamagedRun(f"{checkpoint.path.name} is of another configuration")
    if saved.seed != config.seed:
        raise DamagedRun(f"{checkpoint.path.name} is of another seed")


def remove(folder: Path) -> None:
    """Remove a run folder, or a file in its place."""
    if folder.is_symlink() or not folder.is_dir():
        folder.unlink(missing_ok=True)
    else:
        shutil.rmtree(folder)


@dataclass(frozen=True, eq=False)
class RunResult:
    """Results of a trained and evaluated run.

    Attributes:
        engines: [engine], numbers or names of the test engines.
        true: [engine], capped RUL at the last windows, cycles.
        errors: [engine], predicted − true, cycles.
        oracle: test RMSE by epoch; empty without the oracle.
        commit: commit of the code that trained it, if known.
    """

    run: GridRun
    history: History
    evaluation: RunEvaluation
    engines: NDArray[Any]
    true: NDArray[np.float64]
    errors: NDArray[np.float64]
    oracle: dict[int, float]
    commit: str | None

    def score(self, view: str, metric: Literal["rmse", "nasa"]) -> float | None:
        """Return a metric in one of `VIEWS`; None if it is not finite."""
        windows, labels = VIEWS[view]
        scores = self.evaluation.metrics[windows][labels]
        return scores.rmse if metric == "rmse" else scores.nasa

    @property
    def rmse(self) -> float:
        """Test RMSE of the last windows on capped labels, cycles, at the selected epoch."""
        # from the predictions, whose errors the bootstrap over engines resamples
        return float(np.sqrt(np.mean(np.square(self.errors))))

    @property
    def clipped_share(self) -> float | None:
        """Share of steps with a clipped gradient; all epochs have the same number of steps."""
        if self.run.cell.baseline:
            return None
        return float(np.mean([row["clipped_share"] for row in self.history.rows]))

    @property
    def seconds(self) -> float:
        """Seconds of training and validation, without start-up."""
        return float(sum(row["seconds"] for row in self.history.rows))

    @property
    def oracle_optimism(self) -> float | None:
        """Test RMSE of the selected epoch − that of the best test epoch, cycles."""
        return self.rmse - min(self.oracle.values()) if self.oracle else None

    @property
    def validation_gap(self) -> float | None:
        """Test RMSE of every window, capped − validation RMSE, cycles."""
        tested = self.score("every_capped", "rmse")
        return None if tested is None else tested - float(self.history.best["val_rmse"])


def read_result(run: GridRun, history: History, folder: Path) -> RunResult:
    """Read the evaluation of a finished run; RulError if a file is missing or damaged."""
    targets = EvaluationFiles.of(RunFolder(folder).best)
    try:
        evaluation = RunEvaluation.load(targets.metrics)
        # as strings: pandas would read the names '007' and 'NA' as 7 and NaN
        table = pd.read_csv(targets.predictions, dtype={"engine": str}, keep_default_na=False)
        true = table["true_rul_capped"].to_numpy(dtype=np.float64)
        return RunResult(
            run=run,
            history=history,
            evaluation=evaluation,
            engines=_engines(table["engine"].to_list()),
            true=true,
            errors=table["predicted_rul"].to_numpy(dtype=np.float64) - true,
            oracle=read_oracle(oracle_file(folder)) if run.oracle else {},
            commit=_read_commit(folder / COMMIT),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RulError(
            f"{folder}: its evaluation cannot be read: {one_line(error)[:200]}; remove "
            f"{targets.metrics.name} and {targets.predictions.name} there and call again"
        ) from error


def _engines(texts: list[str]) -> NDArray[Any]:
    """Convert the engines to numbers, if all of them are.

    The type must be that of the evaluation: the bootstrap sorts engines, and '10' sorts before
    '2', so that it would draw others.
    """
    if all(re.fullmatch(r"0|-?[1-9][0-9]{0,17}", text) for text in texts):
        return np.array([int(text) for text in texts], dtype=np.int64)
    return np.array(texts, dtype=np.str_)


def _read_commit(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError):
        return None


def commit() -> str | None:
    """Return the commit of the code, marked if files differ; None outside a git checkout.

    Considers only code and configurations, not the ledger, which comparisons change.
    """
    package = Path(__file__).parents[1]
    # a package that is installed inside another project's checkout does not belong to it
    tracked = _git(package, "ls-files", "--error-unmatch", "__init__.py")
    head = _git(package, "rev-parse", "HEAD") if tracked is not None else None
    if head is None:
        return None
    paths = (".", "../configs/*.yaml")
    changed = _git(package, "status", "--porcelain", "--untracked-files=no", *paths)
    return head.strip() + (" with changes" if changed else "")


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout
