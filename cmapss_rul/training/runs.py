"""Run folders: what they hold, how they are numbered, and which of them is unfinished.

runs/<config>-s<seed>/, then …-2, …-3
    config.yaml     resolved; trains again as it is
    metrics.csv     one row an epoch
    train.log       messages and epochs, with times
    best.pt         the epoch that validation chose
    last.pt         where training resumes
    previous.pt     the last.pt before that, should it be damaged
"""

import re
from pathlib import Path
from typing import Any

from cmapss_rul.system.errors import CheckpointError
from cmapss_rul.system.files import remove_partial_files, write_atomic
from cmapss_rul.system.text import printable
from cmapss_rul.training import checkpoint
from cmapss_rul.training.checkpoint import Checkpoint
from cmapss_rul.training.loggers import metrics_text

ROOT = Path("runs")


class RunFolder:
    """The files of one run.

    A checkpoint is read once and remembered until its file changes or `release` is called, so
    whoever passes the same object on need not pass on what was read. Pickled, only the path goes.

    Args:
        path: of the folder; need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._contents: dict[Path, tuple[tuple[int, ...], dict[str, Any]]] = {}

    def __reduce__(self) -> tuple[type["RunFolder"], tuple[Path]]:
        return RunFolder, (self.path,)

    def __str__(self) -> str:
        return printable(self.path)

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
        """Messages and epochs, with times."""
        return self.path / "train.log"

    @property
    def best(self) -> Path:
        """The epoch that validation chose."""
        return self.path / checkpoint.BEST

    @property
    def last(self) -> Path:
        """Where training resumes."""
        return self.path / "last.pt"

    @property
    def previous(self) -> Path:
        """Where training resumes if `last` is damaged."""
        return self.path / "previous.pt"

    @property
    def resumable(self) -> bool:
        """Whether there is a checkpoint to resume from."""
        return self.last.exists() or self.previous.exists()

    def newest(self) -> tuple[Checkpoint, str]:
        """Read the newest undamaged checkpoint to resume from.

        Returns:
            The checkpoint, and what is wrong with `last.pt` where it is `previous.pt`.

        Raises:
            CheckpointError: about `last.pt`, if both are damaged; or a part is misshapen.
        """
        try:
            content = self._read(self.last)
        except CheckpointError as error:
            try:
                content = self._read(self.previous)
            except CheckpointError:
                raise error from None
            damage = f"{error}; resuming from {self.previous.name}, the checkpoint before it"
            return Checkpoint.from_content(content, self.previous), damage
        return Checkpoint.from_content(content, self.last), ""

    def open(self, path: Path) -> Checkpoint:
        """Read one of the folder's checkpoints.

        Raises:
            CheckpointError: with the path and what is wrong with the file.
        """
        return Checkpoint.from_content(self._read(path), path)

    def release(self) -> None:
        """Forget what was read."""
        self._contents.clear()

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            status = path.stat()
        except OSError:
            return checkpoint.read(path)  # which raises with the reason
        # each write makes a new file under the old name, so these three tell whether it changed
        version = (status.st_ino, status.st_mtime_ns, status.st_size)
        if path not in self._contents or self._contents[path][0] != version:
            self._contents[path] = version, checkpoint.read(path)
        return self._contents[path][1]

    def repair(self, last: Checkpoint) -> None:
        """Complete the folder of a finished run whose process was killed at the very end.

        Args:
            last: content of `last.pt`, from which metrics.csv follows.
        """
        remove_partial_files(self.path)
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
    for run in reversed(existing):
        if not run.resumable:
            unfinished = not run.metrics.exists()
        else:
            unfinished = not run.newest()[0].is_finished()
        if unfinished:
            return run
        run.release()
    return existing[-1] if existing else None
