"""TensorBoard tracker: event files in the run folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmapss_rul.training.reporters import Row
from cmapss_rul.training.trackers.base import TrackedRun, tag, values_of

EVENTS = "events.out.tfevents.*"
"""Glob pattern of TensorBoard's event files."""

_RESULTS = ".results"
"""Suffix of the event file with the results of an evaluation."""


class TensorBoardTracker:
    """Writes an event file with the rows of metrics.csv and the parameters; results in another.

    On resumption the event file is rewritten with all epochs, so that no epoch is missing or
    duplicated; its wall times are then those of the resumption. No file is written before the
    first epoch.
    """

    local = True

    def __init__(self) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer_class = SummaryWriter
        self._writer: Any = None  # its class is that of an extra
        self._run: TrackedRun | None = None

    def open(self, run: TrackedRun) -> tuple[str | None, int]:
        """Report 0 logged epochs, since the file is rewritten."""
        self._run = run
        return None, 0

    def log(self, rows: Sequence[Row]) -> None:
        """Write the rows as scalars."""
        assert self._run is not None  # opened before
        if self._writer is None:
            for previous in self._run.folder.glob(EVENTS):
                if previous.suffix != _RESULTS:
                    previous.unlink()
            # makes a running TensorBoard drop the events of the removed files
            self._writer = self._writer_class(str(self._run.folder), purge_step=1)
            named = {"name": self._run.name, "group": self._run.group or ""}
            pairs: dict[str, Any] = {**named, **self._run.tags, **self._run.parameters}
            table = ["| key | value |", "|---|---|", *(f"| {k} | {v} |" for k, v in pairs.items())]
            self._writer.add_text("parameters", "\n".join(table))
        for row in rows:
            for name, value in values_of(row).items():
                self._writer.add_scalar(name, value, int(row["epoch"]))
        self._writer.flush()

    def attach(self, files: Sequence[Path], summary: Mapping[str, float]) -> None:
        """Write the values as scalars at step 0; the files already are in the folder."""
        del files
        assert self._run is not None  # opened before
        if summary:
            for previous in self._run.folder.glob(f"{EVENTS}{_RESULTS}"):
                previous.unlink()
            with self._writer_class(str(self._run.folder), filename_suffix=_RESULTS) as writer:
                for name, value in summary.items():
                    writer.add_scalar(tag(name), value, 0)

    def close(self, *, failed: bool) -> None:
        """Close the file."""
        del failed
        if self._writer is not None:
            self._writer.close()
