"""Trackio tracker; its environment variables select the folder, server or Space."""

import io
import os
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from cmapss_rul.training.reporters import Row
from cmapss_rul.training.trackers.base import PROJECT, TrackedRun, kinds_of, tag, values_of


class TrackioTracker:
    """Logs to a Trackio run; the library sends batches from its own thread."""

    local = False

    def __init__(self) -> None:
        import trackio

        self._trackio: Any = trackio  # an extra
        self._run: Any = None

    def open(self, run: TrackedRun) -> tuple[str | None, int]:
        """Start a run, or continue the newest run of its name, which must have its id.

        Raises:
            RuntimeError: another run of that name is newer.
        """
        with redirect_stdout(io.StringIO()):  # the library prints instructions
            self._run = self._trackio.init(
                os.environ.get("TRACKIO_PROJECT", PROJECT),
                name=run.name,
                group=run.group,
                config={**run.parameters, **run.tags},
                resume="never" if run.id is None else "must",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
        if run.id not in (None, self._run.id):  # the library resumes by name, not by id
            raise RuntimeError(f"a newer run is named {run.name}, too")
        return str(self._run.id), run.epochs

    def log(self, rows: Sequence[Row]) -> None:
        """Pass the rows to the library, which sends them."""
        for row in rows:
            self._run.log(values_of(row), step=int(row["epoch"]))

    def attach(self, files: Sequence[Path], summary: Mapping[str, float]) -> None:
        """Upload the files as artifacts `<run>-<file>`, and log the values."""
        if summary:
            self._run.log({tag(name): value for name, value in summary.items()})
        for kind, some in kinds_of(files).items():
            for file in some:
                self._run.log_artifact(file, name=f"{self._run.name}-{file.name}", type=kind)

    def close(self, *, failed: bool) -> None:
        """Wait until everything is written."""
        del failed
        with redirect_stdout(io.StringIO()):
            self._run.finish()
