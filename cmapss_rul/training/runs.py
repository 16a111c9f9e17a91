"""Run folders: what they hold, how they are numbered, and which of them is unfinished.

runs/<config>-s<seed>/, then …-2, …-3; of an ensemble runs/<config>-5folds-s<seed>/
    config.yaml     resolved; trains again as it is
    metrics.csv     one row an epoch
    train.log       messages and epochs, with times
    best.pt         the epoch that validation chose
    last.pt         where training resumes
    previous.pt     the last.pt before that, should it be damaged
    trackers.json   ids of the run in its trackers, if it has any

An ensemble has config.yaml, best.pt and fold-0/, fold-1/, …, which are such folders.
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
"""Keys that may differ when a run resumes: they change the result in its last bits at most."""


class RunFolder:
    """The files of one run.

    A checkpoint is read once and remembered until its file changes or `release` is called, so
    callers can pass on this object instead of what they read. Pickling keeps only the path.
    """

    def __init__(self, path: Path, resumed_by: Path | None = None) -> None:
        self.path = path
        # a fold is resumed by its ensemble, whose other folds would otherwise wait for ever
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
        # jobs of `rul compare` are pickled: checkpoints that were read stay behind
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
        """Folder of one network of an ensemble, counted from 0."""
        return RunFolder(self.path / f"fold-{number}", resumed_by=self.path)

    @property
    def folds(self) -> list["RunFolder"]:
        """The folders of an ensemble's networks that exist; none of a single network."""
        found = (path for path in self.path.glob("fold-*") if path.name[5:].isdecimal())
        return [self.fold(int(path.name[5:])) for path in sorted(found, key=natural_order)]

    def is_finished(self) -> bool:
        """Whether nothing is left to train; False without a checkpoint.

        Raises:
            CheckpointError: it cannot be read.
        """
        if self.folds:  # written when all are finished
            return self.best.exists()
        return self.resumable and self.newest()[0].is_finished()

    def newest(self) -> tuple[Checkpoint, str]:
        """Read the newest undamaged checkpoint to resume from.

        Returns:
            The checkpoint, and what is wrong with `last.pt` where it is `previous.pt`.

        Raises:
            CheckpointError: about `last.pt`, if both are damaged; or a part is malformed.
        """
        try:
            content, _ = self._read(self.last)
        except CheckpointError as error:
            try:
                content, _ = self._read(self.previous)
            except CheckpointError:
                # about last.pt: previous.pt is a reserve that the user need not know of
                raise error from None
            damage = f"{error}; resuming from {self.previous.name}, the checkpoint before it"
            return Checkpoint.from_content(content, self.previous), damage
        return Checkpoint.from_content(content, self.last), ""

    def open(self, path: Path) -> Checkpoint:
        """Read one of the folder's checkpoints.

        Raises:
            CheckpointError: with the path and what is wrong with the file.
        """
        return Checkpoint.from_content(self._read(path)[0], path)

    def sha256(self, path: Path) -> str:
        """SHA-256 of the file of a checkpoint, from the same reading as its content.

        Raises:
            CheckpointError: as `open`.
        """
        return self._read(path)[1]

    def release(self) -> None:
        """Forget what was read."""
        self._read_files.clear()

    def _read(self, path: Path) -> tuple[dict[str, Any], str]:
        try:
            status = path.stat()
        except OSError:
            return checkpoint_file.read_with_digest(path)  # which raises with the reason
        # each write makes a new file under the old name, so these three tell whether it changed
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        if path not in self._read_files or self._read_files[path][0] != version:
            self._read_files[path] = version, *checkpoint_file.read_with_digest(path)
        return self._read_files[path][1:]

    def repair(self, last: Checkpoint) -> None:
        """Complete the folder of a finished run whose process was killed at the very end.

        Args:
            last: content of `last.pt`, from which metrics.csv follows.
        """
        remove_partial_files(self.path)
        # the loop writes metrics.csv after last.pt, so it may lack the last epoch
        text = metrics_text(last.rows)
        if not self.metrics.is_file() or self.metrics.read_bytes() != text.encode():
            write_atomic(self.metrics, text)


def numbered_folders(name: str, seed: int, root: Path = ROOT) -> list[RunFolder]:
    """Find the folders of a configuration's name and seed, the newest (highest) last."""
    pattern = re.compile(re.escape(f"{name}-s{seed}") + r"(?:-(\d+))?")
    found = []
    for path in root.iterdir() if root.is_dir() else ():
        match = pattern.fullmatch(path.name)
        if match and path.is_dir():
            # the first folder has no number; as numbers, since as text 10 would come before 2
            found.append((int(match[1] or 1), path))
    return [RunFolder(path) for _, path in sorted(found)]


def next_folder(name: str, seed: int, root: Path = ROOT) -> RunFolder:
    """Name a folder that does not exist yet: `<name>-s<seed>`, then `…-2`, `…-3`."""
    first = root / f"{name}-s{seed}"
    existing = numbered_folders(name, seed, root)
    if not existing:
        return RunFolder(first)
    suffix = existing[-1].path.name.removeprefix(first.name)
    return RunFolder(root / f"{first.name}-{int(suffix[1:] or 1) + 1}")


def folder_to_resume(name: str, seed: int, root: Path = ROOT) -> RunFolder | None:
    """Find the newest unfinished run of a name and seed; else the newest; None without any.

    A folder without a checkpoint was stopped before its first one, and is unfinished; one that
    has metrics.csv as well has lost its `last.pt`, and cannot be resumed.
    """
    existing = numbered_folders(name, seed, root)
    found = newest_unfinished(existing)
    return found or (existing[-1] if existing else None)


def newest_unfinished(runs: Sequence[RunFolder]) -> RunFolder | None:
    """Find the last unfinished run of a list; None without any."""
    for run in reversed(runs):
        lost = not (run.resumable or run.folds) and run.metrics.exists()
        if not (lost or run.is_finished()):
            return run
        # a search through many runs would otherwise hold the checkpoints of all
        run.release()
    return None


def newest_runs(root: Path = ROOT) -> list[RunFolder]:
    """List the folders that hold a run's configuration or checkpoint, the newest last."""
    found = []
    with contextlib.suppress(OSError):
        for path in root.iterdir():
            run = RunFolder(path)
            files = [file for file in (run.last, run.best, run.config) if file.is_file()]
            if files:
                # last.pt where it exists: config.yaml tells only when the run started
                found.append((files[0].stat().st_mtime_ns, natural_order(path), run))
    return [run for *_, run in sorted(found, key=lambda entry: entry[:2])]


def natural_order(path: Path) -> list[Any]:
    """Sort key by which digits compare as numbers; texts and numbers alternate in it."""
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]
