"""Run folders: files, names, and search for runs to resume.

runs/<config>-s<seed>/, then …-2, …-3; for an ensemble runs/<config>-5folds-s<seed>/
    config.yaml     resolved configuration, which reproduces the run
    metrics.csv     one row per epoch
    train.log       messages and epochs, with time stamps
    best.pt         checkpoint of the epoch selected by validation
    last.pt         checkpoint to resume from
    previous.pt     the previous last.pt, in case that one is damaged
    trackers.json   ids of the run in its trackers, if it has any

An ensemble has config.yaml, best.pt and the run folders fold-0/, fold-1/, …
"""

import contextlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cmapss_rul.system.errors import CheckpointError, printable
from cmapss_rul.system.files import remove_partial_files, write_atomic
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.checkpoint import Checkpoint
from cmapss_rul.training.reporters import metrics_text

ROOT = Path("runs")
MAY_CHANGE = {"train.threads"}
"""Keys that may differ when a run resumes: they change at most the last bits of results."""


class RunFolder:
    """The files of a run.

    Caches checkpoints until the file changes or `release` is called, so that callers can pass
    this object instead of a checkpoint. Pickling keeps only the path.
    """

    def __init__(self, path: Path, resumed_by: Path | None = None) -> None:
        self.path = path
        # a fold is resumed through its ensemble, or the other folds would never be trained
        self.resumed_by = resumed_by or path
        self.config = path / "config.yaml"
        self.metrics = path / "metrics.csv"
        self.log = path / "train.log"
        self.best = path / checkpoint_file.BEST
        self.last = path / "last.pt"
        self.previous = path / "previous.pt"
        self.trackers = path / "trackers.json"
        self._read_files: dict[Path, tuple[tuple[int, ...], dict[str, Any], str]] = {}

    def __reduce__(self) -> tuple[type["RunFolder"], tuple[Path]]:
        # jobs of `rul compare` are pickled, without cached checkpoints
        return RunFolder, (self.path,)

    def __str__(self) -> str:
        return printable(self.path)

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def resumable(self) -> bool:
        """Whether there is a checkpoint to resume from."""
        return self.last.exists() or self.previous.exists()

    def fold(self, number: int) -> "RunFolder":
        """Return the folder of one network of an ensemble, counted from 0."""
        return RunFolder(self.path / f"fold-{number}", resumed_by=self.path)

    @property
    def folds(self) -> list["RunFolder"]:
        """Existing folders of an ensemble's networks; empty for a single network."""
        found = (path for path in self.path.glob("fold-*") if path.name[5:].isdecimal())
        return [self.fold(int(path.name[5:])) for path in sorted(found, key=natural_order)]

    def is_finished(self) -> bool:
        """Whether training is finished; False without a checkpoint.

        Raises:
            CheckpointError: it cannot be read.
        """
        if self.folds:  # best.pt is written once all networks are finished
            return self.best.exists()
        return self.resumable and self.newest()[0].is_finished()

    def newest(self) -> tuple[Checkpoint, str]:
        """Read the newest undamaged checkpoint to resume from.

        Returns:
            The checkpoint, and the error of `last.pt` if it is `previous.pt`.

        Raises:
            CheckpointError: about `last.pt` if both are damaged; or a part is malformed.
        """
        try:
            content, _ = self._read(self.last)
        except CheckpointError as error:
            try:
                content, _ = self._read(self.previous)
            except CheckpointError:
                # the error of last.pt: users need not know about the backup
                raise error from None
            damage = f"{error}; resuming from {self.previous.name}, the checkpoint before it"
            return Checkpoint.from_content(content, self.previous), damage
        return Checkpoint.from_content(content, self.last), ""

    def open(self, path: Path) -> Checkpoint:
        """Read a checkpoint of this folder.

        Raises:
            CheckpointError: the file is invalid; names path and reason.
        """
        return Checkpoint.from_content(self._read(path)[0], path)

    def sha256(self, path: Path) -> str:
        """Return the SHA-256 of a checkpoint, of the same bytes that `open` reads.

        Raises:
            CheckpointError: as for `open`.
        """
        return self._read(path)[1]

    def release(self) -> None:
        """Clear the cache of checkpoints."""
        self._read_files.clear()

    def _read(self, path: Path) -> tuple[dict[str, Any], str]:
        try:
            status = path.stat()
        except OSError:
            return checkpoint_file.read_with_digest(path)  # which raises with the reason
        # files are replaced on each write, so a changed file has another inode, time or size
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        if path not in self._read_files or self._read_files[path][0] != version:
            self._read_files[path] = version, *checkpoint_file.read_with_digest(path)
        return self._read_files[path][1:]

    def repair(self, last: Checkpoint) -> None:
        """Complete metrics.csv of a finished run whose process was killed at the very end.

        Args:
            last: content of `last.pt`.
        """
        remove_partial_files(self.path)
        # metrics.csv is written after last.pt, so it may lack the last epoch
        text = metrics_text(last.rows)
        if not self.metrics.is_file() or self.metrics.read_bytes() != text.encode():
            write_atomic(self.metrics, text)


def numbered_folders(name: str, seed: int, root: Path = ROOT) -> list[RunFolder]:
    """List the folders named after a configuration and seed, by number, the newest last."""
    pattern = re.compile(re.escape(f"{name}-s{seed}") + r"(?:-(\d+))?")
    found = []
    for path in root.iterdir() if root.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match and path.is_dir():
            # the first folder has no number; sorted as numbers, not as text
            found.append((int(match[1] or 1), path))
    return [RunFolder(path) for _, path in sorted(found)]


def next_folder(name: str, seed: int, root: Path = ROOT) -> RunFolder:
    """Return the next unused folder in the sequence `<name>-s<seed>`, `…-2`, `…-3`."""
    first = root / f"{name}-s{seed}"
    existing = numbered_folders(name, seed, root)
    if not existing:
        return RunFolder(first)
    suffix = existing[-1].path.name.removeprefix(first.name)
    return RunFolder(root / f"{first.name}-{int(suffix[1:] or 1) + 1}")


def folder_to_resume(name: str, seed: int, root: Path = ROOT) -> RunFolder | None:
    """Return the newest unfinished run of a name and seed, else the newest; None without any.

    A folder without a checkpoint was stopped before the first one, and is unfinished; if it has
    metrics.csv, it has lost its `last.pt` and cannot be resumed.
    """
    existing = numbered_folders(name, seed, root)
    found = newest_unfinished(existing)
    return found or (existing[-1] if existing else None)


def newest_unfinished(runs: Sequence[RunFolder]) -> RunFolder | None:
    """Return the last unfinished run of a list; None without any."""
    for run in reversed(runs):
        lost = not (run.resumable or run.folds) and run.metrics.exists()
        if not (lost or run.is_finished()):
            return run
        # do not keep the checkpoints of all runs in memory
        run.release()
    return None


def newest_runs(root: Path = ROOT) -> list[RunFolder]:
    """List the folders with a run's configuration or checkpoint, the newest last."""
    found = []
    with contextlib.suppress(OSError):
        for path in root.iterdir():
            run = RunFolder(path)
            files = [file for file in (run.last, run.best, run.config) if file.is_file()]
            if files:
                # last.pt if it exists: the time of config.yaml is the start of the run
                found.append((files[0].stat().st_mtime_ns, natural_order(path), run))
    return [run for *_, run in sorted(found, key=lambda entry: entry[:2])]


def natural_order(path: Path) -> list[Any]:
    """Sort key for natural order: digits compare as numbers."""
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]
