"""Run folders: what they hold, how they are named, and which of them is unfinished.

runs/<config>-s<seed>/, then …-2, …-3
    config.yaml     resolved; trains again as it is
    metrics.csv     one row an epoch
    train.log       what happened, with times
    best.pt         the epoch that validation chose
    last.pt         where training goes on
    previous.pt     the last.pt before that, should it be damaged
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmapss_rul.display.text import printable
from cmapss_rul.system.errors import CheckpointError
from cmapss_rul.system.files import remove_partial_files, write_atomic
from cmapss_rul.training import checkpoint
from cmapss_rul.training.loggers import Row, metrics_text

ROOT = Path("runs")


@dataclass(frozen=True)
class RunFolder:
    """The files of one run."""

    path: Path

    @property
    def config(self) -> Path:
        """The resolved configuration."""
        return self.path / "config.yaml"

    @property
    def metrics(self) -> Path:
        """One row an epoch."""
        return self.path / "metrics.csv"

    @property
    def log(self) -> Path:
        """What happened, with times."""
        return self.path / "train.log"

    @property
    def best(self) -> Path:
        """The epoch that validation chose."""
        return self.path / checkpoint.BEST

    @property
    def last(self) -> Path:
        """Where training goes on."""
        return self.path / "last.pt"

    @property
    def previous(self) -> Path:
        """Where training goes on if `last` is damaged."""
        return self.path / "previous.pt"

    @property
    def saved(self) -> bool:
        """Whether there is something to go on from."""
        return self.last.exists() or self.previous.exists()

    def __str__(self) -> str:
        return printable(self.path)


def newest(run: RunFolder) -> tuple[dict[str, Any], str]:
    """Content of the newest checkpoint to go on from that is whole.

    Returns:
        The content, and what is wrong with `last.pt` where it is not from there.

    Raises:
        CheckpointError: about `last.pt`, if none is whole.
    """
    try:
        return checkpoint.read(run.last), ""
    except CheckpointError as error:
        try:
            content = checkpoint.read(run.previous)
        except CheckpointError:
            raise error from None
        return content, f"{error}; going on from {run.previous.name}, the checkpoint before it"


def numbered(name: str, seed: int, root: Path = ROOT) -> list[RunFolder]:
    """Folders of a configuration's name and seed that exist, the newest (highest) last."""
    pattern = re.compile(re.escape(f"{name}-s{seed}") + r"(?:-(\d+))?")
    found = []
    for path in root.iterdir() if root.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match and path.is_dir():
            found.append((int(match[1] or 1), path))
    return [RunFolder(path) for _, path in sorted(found)]


def next_folder(name: str, seed: int, root: Path = ROOT) -> RunFolder:
    """A folder that does not exist yet: `<name>-s<seed>`, then `…-2`, `…-3`."""
    first = root / f"{name}-s{seed}"
    existing = numbered(name, seed, root)
    if not existing:
        return RunFolder(first)
    suffix = existing[-1].path.name.removeprefix(first.name)
    return RunFolder(root / f"{first.name}-{int(suffix[1:] or 1) + 1}")


def to_resume(name: str, seed: int, root: Path = ROOT) -> RunFolder | None:
    """The newest unfinished run of a name and seed; else the newest; None where there is none.

    A folder without a checkpoint was stopped before its first checkpoint, and is unfinished; one
    that has rows in metrics.csv has lost its `last.pt`, and cannot be gone on with.
    """
    existing = numbered(name, seed, root)
    for run in reversed(existing):
        if not run.saved:
            unfinished = not run.metrics.exists()
        else:
            with checkpoint.whole_parts(run.last):
                unfinished = not finished(newest(run)[0])
        if unfinished:
            return run
    return existing[-1] if existing else None


def rows_of(content: dict[str, Any]) -> list[Row]:
    """Rows of metrics.csv: an epoch's figures, then its times.

    Args:
        content: of a checkpoint.
    """
    history, times = content["loop"]["history"], content["host"]["clock"]["rows"]
    return [{**row, **own} for row, own in zip(history, times, strict=True)]


def make_whole(run: RunFolder, content: dict[str, Any]) -> None:
    """Make a finished run's folder what it would be, had its process not been killed at the end.

    Args:
        run: its folder.
        content: of `last.pt`.
    """
    remove_partial_files(run.path)
    text = metrics_text(rows_of(content))
    if not run.metrics.is_file() or run.metrics.read_bytes() != text.encode():
        write_atomic(run.metrics, text)


def finished(content: dict[str, Any]) -> bool:
    """Whether a checkpoint's last epoch, or early stopping, was reached.

    Args:
        content: of `last.pt`, its parts `config` and `loop` at least.
    """
    train, loop = content["config"]["train"], content["loop"]
    patience = train["patience"]
    stopped = patience is not None and loop["stale"] >= patience
    return bool(loop["epoch"] >= train["epochs"] or (stopped and not loop["batch"]))
