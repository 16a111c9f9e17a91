"""CSV tracker: writes `parameters.csv` beside the metrics.csv of every run."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from cmapss_rul.system.files import write_atomic
from cmapss_rul.training.reporters import Row
from cmapss_rul.training.trackers.base import TrackedRun


class CsvTracker:
    """Writes name, group, tags and parameters of a run as a two-column table."""

    local = True

    def open(self, run: TrackedRun) -> tuple[str | None, int]:
        """Write the table, also for a resumed run, since some keys may have changed."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("key", "value"))
        writer.writerow(("name", run.name))
        if run.group is not None:
            writer.writerow(("group", run.group))
        writer.writerows({**run.tags, **run.parameters}.items())
        write_atomic(run.folder / "parameters.csv", text.getvalue())
        return None, 0

    def log(self, rows: Sequence[Row]) -> None:
        """Do nothing: the rows are in metrics.csv."""

    def attach(self, files: Sequence[Path], summary: Mapping[str, float]) -> None:
        """Do nothing: the files are in the folder."""

    def close(self, *, failed: bool) -> None:
        """Do nothing."""
