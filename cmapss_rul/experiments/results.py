"""What came of a run, read back from its folder."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cmapss_rul.evaluation.save import EvaluationFiles
from cmapss_rul.experiments.grid import GridRun
from cmapss_rul.experiments.oracle import path_of, read_notes
from cmapss_rul.experiments.runs import COMMIT
from cmapss_rul.system.errors import RulError
from cmapss_rul.system.text import one_line, printable
from cmapss_rul.training.loggers import Row
from cmapss_rul.training.runs import RunFolder

FIGURES = {
    "last_capped": ("last", "capped"),
    "last_raw": ("last", "raw"),
    "every_capped": ("every", "capped"),
    "every_raw": ("every", "raw"),
}
"""Names of the four ways to score, by windows and labels."""


@dataclass(frozen=True, eq=False)
class Result:
    """A run that was trained and evaluated.

    Attributes:
        run: which.
        rows: of metrics.csv, one an epoch.
        best_epoch: that validation chose.
        evaluation: what evaluation.json holds.
        engines: [engine], numbers or names of the test engines, as texts.
        true: [engine], capped RUL at their last windows, cycles.
        errors: [engine], predicted − true there, cycles.
        oracle: test RMSE by epoch; empty without the oracle.
        commit: of the code that trained it, where that is known.
    """

    run: GridRun
    rows: list[Row]
    best_epoch: int
    evaluation: dict[str, Any]
    engines: NDArray[Any]
    true: NDArray[np.float64]
    errors: NDArray[np.float64]
    oracle: dict[int, float]
    commit: str | None

    def score(self, name: str, figure: str) -> float | None:
        """Return a test figure, or None where it is too large for a number.

        Args:
            name: one of `FIGURES`.
            figure: rmse or nasa.
        """
        windows, labels = FIGURES[name]
        value = self.evaluation["metrics"][windows][labels][figure]
        return None if value is None else float(value)

    @property
    def rmse(self) -> float:
        """Test RMSE of the last windows on capped labels, cycles; the epoch is validation's."""
        return float(np.sqrt(np.mean(np.square(self.errors))))

    @property
    def best(self) -> Row:
        """The row of the epoch that validation chose."""
        return self.rows[self.best_epoch - 1]

    @property
    def clipped_share(self) -> float:
        """Share of all steps whose gradient was clipped; epochs have equally many steps."""
        return float(np.mean([row["clipped_share"] for row in self.rows]))

    @property
    def seconds(self) -> float:
        """Seconds of training and validation, start-up aside."""
        return float(sum(row["seconds"] for row in self.rows))

    @property
    def oracle_optimism(self) -> float | None:
        """RMSE chosen by validation − that of the best test epoch, cycles."""
        return self.rmse - min(self.oracle.values()) if self.oracle else None

    @property
    def validation_gap(self) -> float | None:
        """Test RMSE of every window, capped − validation RMSE, cycles."""
        tested = self.score("every_capped", "rmse")
        return None if tested is None else tested - float(self.best["val_rmse"])


def read_result(run: GridRun, folder: Path) -> Result:
    """Read what a finished and evaluated run left behind.

    Raises:
        RulError: a file is missing or is not as it was written.
    """
    files = RunFolder(folder)
    targets = EvaluationFiles.of(files.best)
    last = files.open(files.last)
    try:
        evaluation = json.loads(targets.metrics.read_bytes())
        table = pd.read_csv(targets.predictions, dtype={"engine": str}, keep_default_na=False)
        true = table["true_rul_capped"].to_numpy(dtype=np.float64)
        return Result(
            run=run,
            rows=last.rows,
            best_epoch=last.loop.best_epoch,
            evaluation=evaluation,
            engines=table["engine"].to_numpy(dtype=np.object_),
            true=true,
            errors=table["predicted_rul"].to_numpy(dtype=np.float64) - true,
            oracle=read_notes(path_of(folder)) if run.oracle else {},
            commit=_commit_in(folder / COMMIT),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RulError(
            f"{printable(folder)}: its evaluation cannot be read: {one_line(error)[:200]}; remove "
            f"{targets.metrics.name} and {targets.predictions.name} there and call again"
        ) from error


def _commit_in(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8").strip() or None
    except (OSError, ValueError):
        return None


def commit() -> str | None:
    """Commit of the code, marked where files differ from it; None outside of a checkout.

    Code and configurations count. The ledger beside those is what runs are written to.
    """
    package = Path(__file__).parents[1]
    known = _git(package, "ls-files", "--error-unmatch", "__init__.py")
    head = _git(package, "rev-parse", "HEAD") if known is not None else None
    if head is None:
        return None
    where = (".", "../configs/*.yaml")
    changed = _git(package, "status", "--porcelain", "--untracked-files=no", *where)
    return head.strip() + (" with changes" if changed else "")


def _git(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout
