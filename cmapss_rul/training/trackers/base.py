"""The interface of a tracker, and the description of a run that it receives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cmapss_rul.training.reporters import Row

PROJECT = "cmapss_rul"
"""Name of the project or experiment, unless the library's own variables name another one."""


@dataclass(frozen=True)
class TrackedRun:
    """A run, as it is described to a tracker.

    Attributes:
        folder: of the run.
        name: of the run, as `rul runs` lists it.
        parameters: keys of the resolved configuration, dotted, without the folders of the data.
        tags: subset, balancer and seed, as `rul runs` lists them, and the version.
        group: of the runs of one comparison.
        id: that the tracker gave the run before; None for a new one.
        epochs: that the tracker holds already, as far as the run's folder knows.
    """

    folder: Path
    name: str
    parameters: Mapping[str, str | int | float | bool]
    tags: Mapping[str, str]
    group: str | None = None
    id: str | None = None
    epochs: int = 0


class Tracker(Protocol):
    """A place where runs are kept. All calls come from one thread, and none from a step.

    The constructor imports the library: it raises ImportError where that is not installed, and
    UsageError where it cannot be used.
    """

    local: bool
    """Whether it only writes into the run's folder: then the loop waits for each call."""

    def open(self, run: TrackedRun) -> tuple[str | None, int]:
        """Start a run, or continue the one of `run.id`.

        Returns:
            Its id (None where the folder alone identifies it), and the epochs that it holds.
        """

    def log(self, rows: Sequence[Row]) -> None:
        """Add rows of metrics.csv; the epoch is the step."""

    def attach(self, files: Sequence[Path], summary: Mapping[str, float]) -> None:
        """Add or replace files, and single values such as the test RMSE."""

    def close(self, *, failed: bool) -> None:
        """End the run; `failed` also where it was interrupted and may be continued."""


def tag(column: str) -> str:
    """Name of a column in a tracker, many of which group names by the part before a slash.

    >>> tag("val_rmse"), tag("learning_rate")
    ('val/rmse', 'learning_rate')
    """
    group, _, name = column.partition("_")
    return f"{group}/{name}" if group in ("train", "weight", "val", "test") else column


def values_of(row: Row) -> dict[str, float]:
    """Name → value of each metric of a row.

    >>> values_of({"epoch": 3, "val_rmse": 12.5})
    {'val/rmse': 12.5}
    """
    return {tag(name): value for name, value in row.items() if name != "epoch"}


def kinds_of(files: Sequence[Path]) -> dict[str, list[Path]]:
    """Kind → files of it, where there are any: the model, and results.

    >>> kinds_of([Path("run/best.pt")])
    {'model': [PosixPath('run/best.pt')]}
    """
    found: dict[str, list[Path]] = {}
    for file in files:
        found.setdefault("model" if file.suffix == ".pt" else "result", []).append(file)
    return found
