"""Reporters, which receive the events of a run; metrics.csv and train.log."""

import csv
import io
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.model.network import Network
from cmapss_rul.system.errors import RulError, one_line, printable
from cmapss_rul.system.files import write_atomic

# columns may be added but not renamed: resumed runs and other programs read them by name
COLUMNS = (
    "epoch",
    "train_rul_loss",
    "train_health_loss",
    "weight_rul",
    "weight_health",
    "grad_norm",
    "clipped_share",
    "learning_rate",
    "val_rmse",
    "val_nasa",
    "val_cut_rmse",
    "val_cut_nasa",
    "val_health_accuracy",
    "windows_per_second",
    "seconds",
)
"""Columns of metrics.csv."""

TIMES = COLUMNS[-2:]
"""Columns that differ between equal runs; they must be the last ones."""
ADDED_COLUMNS = {"val_cut_rmse": math.nan, "val_cut_nasa": math.nan}
"""Columns missing in older runs, with their default values."""

Row = Mapping[str, float]


def write_metrics(path: Path, rows: Sequence[Row]) -> None:
    """Write metrics.csv atomically, from the whole history, so that it matches a checkpoint."""
    write_atomic(path, metrics_text(rows))


def metrics_text(rows: Sequence[Row]) -> str:
    """Format the content of metrics.csv."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read metrics.csv.

    Raises:
        RulError: the file is missing or malformed.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
        return [{name: float((ADDED_COLUMNS | row)[name]) for name in COLUMNS} for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise RulError(f"{printable(path)}: cannot be read: {reason}") from error


class Reporter:
    """Base class of observers of a run, whose event handlers do nothing by default.

    Reporters never influence a run; with several processes, only rank 0 has any.
    """

    def member_start(self, fold: int, folds: int) -> None:
        """Called in an ensemble before training the network of a fold, counted from 0."""

    def epoch_start(self, epoch: int, epochs: int, windows: int, done: int) -> None:
        """Called at the start of an epoch of `windows` windows.

        `done` of them are already trained, which is not 0 only if the run resumes within the epoch.
        """

    def batch_end(self, windows: int) -> None:
        """Called after a training step; the device has not been synchronised."""

    def evaluated(self, epoch: int, network: Network, preprocessor: Preprocessor) -> None:
        """Called after the validation of an epoch, before its checkpoint is saved.

        After a crash before the checkpoint, the epoch is trained again and this is called again.
        Must change neither the network nor a random generator.

        `epoch` counts from 1; the network has the averaged weights, if there are any.
        """

    def epoch_end(self, row: Row, best: bool) -> None:
        """Called after an epoch was trained, evaluated and saved."""

    def note(self, text: str) -> None:
        """Called with a message for the user."""

    def warning(self, text: str) -> None:
        """Called with a message about a failure that does not affect the run."""
        self.note(text)

    def detail(self, text: str) -> None:
        """Called with a message for the log only."""


def _forward(event: str) -> Callable[..., None]:
    def forward(self: "Reporters", *args: Any, **options: Any) -> None:
        for member in self.members:
            getattr(member, event)(*args, **options)

    return forward


class Reporters(Reporter):
    """Forwards every event to several reporters."""

    def __init__(self, members: Iterable[Reporter]) -> None:
        self.members = list(members)

    # explicit: with `__getattr__`, mypy would not find a misspelt event
    member_start = _forward("member_start")
    epoch_start = _forward("epoch_start")
    batch_end = _forward("batch_end")
    evaluated = _forward("evaluated")
    epoch_end = _forward("epoch_end")
    note = _forward("note")
    warning = _forward("warning")
    detail = _forward("detail")


class LogFile(Reporter):
    """Appends epochs and messages to train.log, with time stamps."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def epoch_end(self, row: Row, best: bool) -> None:
        """Log the metrics of the epoch."""
        metrics = ", ".join(f"{name} {row[name]:.6g}" for name in COLUMNS)
        self.detail(metrics + (", best so far" if best else ""))

    def note(self, text: str) -> None:
        """Log the message."""
        self.detail(text)

    def detail(self, text: str) -> None:
        """Log the message."""
        # opened for each line, so that a killed process loses no line
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
