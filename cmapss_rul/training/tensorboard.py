"""The figures of a run as TensorBoard's event file: `rul train --logger tensorboard`."""

import csv
from pathlib import Path
from typing import Any, Self

from cmapss_rul.display.text import one_line
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.loggers import Relay, Reporter, Row
from cmapss_rul.training.runs import RunFolder

EVENTS = "events.out.tfevents.*"
"""Names of TensorBoard's files."""


class TensorBoard(Relay):
    """A reporter that also writes metrics.csv as scalars that `tensorboard --logdir runs` finds.

    They are read from metrics.csv, which never shows an epoch that the checkpoint does not know.
    A process that goes on with a run removes the event files there and writes all epochs anew, so
    that no epoch stands twice and none is missing; TensorBoard's axis of times then shows when
    that was, its axis of steps shows the epochs. Nothing is written before the first epoch.

    Args:
        folder: of the run.
        inner: the reporter that is told as well.

    Raises:
        UsageError: tensorboard is not installed.
    """

    def __init__(self, folder: Path, inner: Reporter) -> None:
        super().__init__(inner)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UsageError(
                f"--logger tensorboard: {one_line(error)}; pip install 'cmapss_rul[tensorboard]'"
            ) from error
        self._open = SummaryWriter
        self._run = RunFolder(folder)
        self._writer: Any = None  # its class is that of an extra
        self._written = 0

    def epoch(self, row: Row, best: bool) -> None:
        """Write the epoch, and those before it that this process has not written."""
        self._write()
        self.inner.epoch(row, best)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what is missing, and close the file.

        A run that was finished before told of no epoch. After an error nothing is written: the
        folder may be one that was refused.
        """
        if kind is None:
            self._write()
        if self._writer is not None:
            self._writer.close()

    def _write(self) -> None:
        rows = self._rows()
        if not rows:
            return
        if self._writer is None:
            for former in self._run.path.glob(EVENTS):
                former.unlink()
            # a TensorBoard that is looking forgets what the former file said from step 1 on
            self._writer = self._open(str(self._run.path), purge_step=1)
        for row in rows[self._written :]:
            for name, value in row.items():
                if name != "epoch":
                    self._writer.add_scalar(tag(name), float(value), int(row["epoch"]))
        self._written = len(rows)
        self._writer.flush()

    def _rows(self) -> list[dict[str, str]]:
        if not self._run.metrics.exists():
            return []
        with self._run.metrics.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def tag(column: str) -> str:
    """Name of a column in TensorBoard, which groups by what stands before a slash.

    >>> tag("val_rmse"), tag("learning_rate")
    ('val/rmse', 'learning_rate')
    """
    group, _, name = column.partition("_")
    return f"{group}/{name}" if group in ("train", "weight", "val") else column
