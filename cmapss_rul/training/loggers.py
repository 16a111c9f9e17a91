"""What a run writes down, and whom it tells: metrics.csv, train.log, and a reporter."""

import csv
import io
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.display.text import one_line, printable
from cmapss_rul.model.network import Network
from cmapss_rul.system.errors import RulError
from cmapss_rul.system.files import write_whole

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
    "val_health_accuracy",
    "windows_per_second",
    "seconds",
)
"""Columns of metrics.csv; the last two are times, and differ between equal runs."""

Row = Mapping[str, float]


def write_metrics(path: Path, rows: Sequence[Row]) -> None:
    """Write metrics.csv in one step, from the loop's history: it never shows another epoch."""
    write_whole(path, metrics_text(rows))


def metrics_text(rows: Sequence[Row]) -> str:
    """What stands in metrics.csv."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read metrics.csv.

    Raises:
        RulError: it is not there, or not as `write_metrics` wrote it.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, strict=True))
        return [{name: float(row[name]) for name in COLUMNS} for row in rows]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise RulError(f"{printable(path)}: cannot be read: {reason}") from error


class Reporter(Protocol):
    """Whom the loop tells what it does; the command line shows it, tests collect it."""

    def start(self, epoch: int, epochs: int, windows: int, done: int) -> None:
        """An epoch of so many windows starts, or goes on after `done` of them."""

    def batch(self, windows: int) -> None:
        """A step on so many windows was taken; nothing was read back from the device."""

    def epoch(self, row: Row, best: bool) -> None:
        """An epoch was trained, evaluated and saved."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def detail(self, text: str) -> None:
        """Something for the log alone."""


class Observer(Protocol):
    """Who sees the network after each epoch, and on whom nothing in the run depends."""

    def __call__(self, epoch: int, network: Network, preprocessor: Preprocessor) -> None:
        """Look, and change neither the network nor a generator.

        Called before the epoch is saved: whoever is killed in between sees it again.

        Args:
            epoch: just trained and validated, from 1.
            network: with the weights that evaluation uses.
            preprocessor: fitted on the training engines.
        """


class Quiet:
    """A reporter that says nothing."""

    def start(self, epoch: int, epochs: int, windows: int, done: int) -> None:
        """Say nothing."""

    def batch(self, windows: int) -> None:
        """Say nothing."""

    def epoch(self, row: Row, best: bool) -> None:
        """Say nothing."""

    def note(self, text: str) -> None:
        """Say nothing."""

    def detail(self, text: str) -> None:
        """Say nothing."""


class Relay:
    """A reporter that passes everything on: the base of those that do one thing more.

    Args:
        inner: the reporter that is told.
    """

    def __init__(self, inner: Reporter) -> None:
        self.inner = inner

    def start(self, epoch: int, epochs: int, windows: int, done: int) -> None:
        """Pass on."""
        self.inner.start(epoch, epochs, windows, done)

    def batch(self, windows: int) -> None:
        """Pass on."""
        self.inner.batch(windows)

    def epoch(self, row: Row, best: bool) -> None:
        """Pass on."""
        self.inner.epoch(row, best)

    def note(self, text: str) -> None:
        """Pass on."""
        self.inner.note(text)

    def detail(self, text: str) -> None:
        """Pass on."""
        self.inner.detail(text)


class Logged(Relay):
    """A reporter that also appends to train.log.

    Args:
        path: of the log.
        inner: the reporter that is told as well.
    """

    def __init__(self, path: Path, inner: Reporter) -> None:
        super().__init__(inner)
        self.path = path

    def epoch(self, row: Row, best: bool) -> None:
        """Log the row and pass it on."""
        figures = ", ".join(f"{name} {row[name]:.6g}" for name in COLUMNS)
        self.log(figures + (", best so far" if best else ""))
        self.inner.epoch(row, best)

    def note(self, text: str) -> None:
        """Log the text and pass it on."""
        self.log(text)
        self.inner.note(text)

    def detail(self, text: str) -> None:
        """Log the text and pass it on."""
        self.log(text)
        self.inner.detail(text)

    def log(self, text: str) -> None:
        """Append a line with the time."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {text}\n")
