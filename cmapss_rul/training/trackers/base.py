"""Interface of a tracker, and the description of a run for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cmapss_rul.training.reporters import Row

PROJECT = "cmapss_rul"
"""Default name of the project or experiment; the library's environment variables override it."""


@dataclass(frozen=True)
class TrackedRun:
    """Description of a run for a tracker.

    Attributes:
        folder: run folder.
        name: name of the run, as listed by `rul runs`.
        parameters: values of the resolved configuration by dotted key, without data folders.
        tags: subset, balancer and seed, as listed by `rul runs`, and the version.
        group: name shared by the runs of a comparison.
        id: id of the run in the tracker; None for a new run.
        epochs: number of epochs already logged, according to the run folder.
    """

    folder: Path
    name: str
    parameters: Mapping[str, str | int | float | bool]
    tags: Mapping[str, str]
    group: str | None = None
    id: str | None = None
    epochs: int = 0


class Tracker(Protocol):
    """Backend of an experiment tracker; called from a single thread, never within a step.

    The constructor imports the library. It raises ImportError if that is not installed, and
    UsageError if it cannot be used.
    """

    local: bool
    """Whether it only writes to the run folder: it is then called synchronously by the loop."""

    def open(self, run: TrackedRun) -> tuple[str | None, int]:
        """Start a run, or continue run `run.id`.

        Returns:
            Its id (None if the folder identifies it), and the number of epochs already logged.
        """

    def log(self, rows: Sequence[Row]) -> None:
        """Log rows of metrics.csv; the epoch is the step."""

    def attach(self, files: Sequence[Path], summary: Mapping[str, float]) -> None:
        """Upload files, and log single values such as the test RMSE."""

    def close(self, *, failed: bool) -> None:
        """End the run; `failed` also if it was interrupted and may be resumed."""


def tag(column: str) -> str:
    """Return the name of a column in a tracker; most group names by the part before a slash.

    >>> tag("val_rmse"), tag("learning_rate")
    ('val/rmse', 'learning_rate')
    """
    group, _, name = column.partition("_")
    return f"{group}/{name}" if group in ("train", "weight", "val", "test") else column


def values_of(row: Row) -> dict[str, float]:
    """Return the metrics of a row, by their names in a tracker.

    >>> values_of({"epoch": 3, "val_rmse": 12.5})
    {'val/rmse': 12.5}
    """
    return {tag(name): value for name, value in row.items() if name != "epoch"}


def kinds_of(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Group files by kind: model or result.

    >>> kinds_of([Path("run/best.pt")])
    {'model': [PosixPath('run/best.pt')]}
    """
    found: dict[str, list[Path]] = {}
    for file in files:
        found.setdefault("model" if file.suffix == ".pt" else "result", []).append(file)
    return found
