"""Weights & Biases tracker: on the server or, with WANDB_MODE=offline, in ./wandb."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.reporters import Row
from cmapss_rul.training.trackers.base import PROJECT, TrackedRun, kinds_of, tag, values_of


class WandbTracker:
    """Logs to a W&B run that shares no state with other runs in the process.

    Offline, each process that continues a run creates a folder with the same id; `wandb sync`
    merges them.
    """

    local = False

    def __init__(self) -> None:
        import wandb

        mode = os.environ.get("WANDB_MODE", "online")
        # without a key, the library would prompt for one, and block training
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
            # without its console output and system metrics
            settings=self._wandb.Settings(console="off", silent=True, x_disable_stats=True),
        )
        return str(self._run.id), run.epochs

    def log(self, rows: Sequence[Row]) -> None:
        """Pass the rows to the library, which sends them."""
        for row in rows:
            self._run.log(values_of(row), step=int(row["epoch"]))

    def attach(self, files: Sequence[Path], summary: Mapping[str, float]) -> None:
        """Upload the files as two artifacts, model and result; add the values to the summary."""
        self._run.summary.update({tag(name): value for name, value in summary.items()})
        for kind, some in kinds_of(files).items():
            artifact = self._wandb.Artifact(f"{self._run.id}-{kind}", type=kind)
            for file in some:
                artifact.add_file(str(file))
            self._run.log_artifact(artifact)

    def close(self, *, failed: bool) -> None:
        """Wait until everything is sent."""
        self._run.finish(exit_code=int(failed))
