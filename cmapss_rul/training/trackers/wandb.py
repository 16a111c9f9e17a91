"""Weights & Biases: a run of a project, on the server or, with WANDB_MODE=offline, in ./wandb."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.reporters import Row
from cmapss_rul.training.trackers.base import PROJECT, TrackedRun, kinds_of, tag, values_of


class WandbTracker:
    """Writes a run that shares no state with others of the process.

    Offline, each process that continues a run makes a folder of its own with the same id, which
    `wandb sync` joins.
    """

    local = False

    def __init__(self) -> None:
        import wandb

        mode = os.environ.get("WANDB_MODE", "online")
        # without a key the library would ask for one, and training would wait for the answer
        if mode == "online" and not wandb.api.api_key:
            raise UsageError(
                "--logger wandb: found no API key; run wandb login, or set WANDB_MODE=offline"
            )
        self._wandb: Any = wandb  # an extra
        self._run: Any = None

    def open(self, run: TrackedRun) -> tuple[str | None, int]:
        """Start a run, or continue it by its id."""
        self._run = self._wandb.init(
            project=os.environ.get("WANDB_PROJECT", PROJECT),
            name=run.name,
            group=run.group,
            config={**run.parameters, **run.tags},
            tags=[f"{key} {value}"[:64] for key, value in run.tags.items()],
            id=run.id,
            resume=None if run.id is None else "allow",
            reinit="create_new",
            # what it prints and measures of the machine by itself would mix with our output
            settings=self._wandb.Settings(console="off", silent=True, x_disable_stats=True),
        )
        return str(self._run.id), run.epochs

    def log(self, rows: Sequence[Row]) -> None:
        """Hand over the rows; the library sends them."""
        for row in rows:
            self._run.log(values_of(row), step=int(row["epoch"]))

    def attach(self, files: Sequence[Path], summary: Mapping[str, float]) -> None:
        """Save the files as two artifacts, model and result; add the values to the summary."""
        self._run.summary.update({tag(name): value for name, value in summary.items()})
        for kind, some in kinds_of(files).items():
            artifact = self._wandb.Artifact(f"{self._run.id}-{kind}", type=kind)
            for file in some:
                artifact.add_file(str(file))
            self._run.log_artifact(artifact)

    def close(self, *, failed: bool) -> None:
        """Wait until all is sent."""
        self._run.finish(exit_code=int(failed))
