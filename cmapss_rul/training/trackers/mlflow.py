"""MLflow tracker; MLFLOW_TRACKING_URI selects the server or file."""

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmapss_rul.training.reporters import Row
from cmapss_rul.training.trackers.base import PROJECT, TrackedRun, tag, values_of

_BATCH = 100
"""Maximum number of parameters or tags per request."""


class MlflowTracker:
    """Uses the client API, which unlike `mlflow.start_run` has no global state."""

    local = False

    def __init__(self) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import mlflow

        for noisy in ("alembic", "mlflow.store.db.utils"):  # log every table of a new SQLite file
            logging.getLogger(noisy).setLevel(logging.WARNING)
        self._mlflow: Any = mlflow  # an extra
        self._client = mlflow.MlflowClient()
        self._id = ""

    def open(self, run: TrackedRun) -> tuple[str | None, int]:
        """Start a run, or reopen it; the server knows the epochs already logged."""
        parameters = {key: str(value) for key, value in run.parameters.items()}
        tags = dict(run.tags) if run.group is None else {**run.tags, "group": run.group}
        former: Mapping[str, str] = {}
        if run.id is None:
            self._id = self._client.create_run(self._experiment(), run_name=run.name).info.run_id
        else:
            self._id = run.id
            former = self._client.get_run(run.id).data.params
            self._client.update_run(run.id, status="RUNNING")
        # parameters are immutable, so one that has changed on resumption becomes a tag
        tags |= {key: value for key, value in parameters.items() if former.get(key, value) != value}
        entities = self._mlflow.entities
        new = [entities.Param(key, parameters[key]) for key in parameters.keys() - former.keys()]
        for start in range(0, len(new), _BATCH):
            self._client.log_batch(self._id, params=new[start : start + _BATCH])
        self._client.log_batch(self._id, tags=[entities.RunTag(*pair) for pair in tags.items()])
        steps = [metric.step for metric in self._client.get_metric_history(self._id, "val/rmse")]
        return self._id, max(steps, default=0)

    def _experiment(self) -> str:
        if found := os.environ.get("MLFLOW_EXPERIMENT_ID"):
            return found
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        known = self._client.get_experiment_by_name(name)
        return str(self._client.create_experiment(name) if known is None else known.experiment_id)

    def log(self, rows: Sequence[Row]) -> None:
        """Log each row in one request."""
        for row in rows:
            self._metrics(values_of(row), int(row["epoch"]))

    def attach(self, files: Sequence[Path], summary: Mapping[str, float]) -> None:
        """Upload the files, and log the values as metrics."""
        self._metrics({tag(name): value for name, value in summary.items()}, 0)
        for file in files:
            self._client.log_artifact(self._id, str(file))

    def _metrics(self, values: Mapping[str, float], step: int) -> None:
        now, metric = int(time.time() * 1000), self._mlflow.entities.Metric
        found = [metric(name, float(value), now, step) for name, value in values.items()]
        self._client.log_batch(self._id, metrics=found)

    def close(self, *, failed: bool) -> None:
        """Mark the run as ended."""
        self._client.set_terminated(self._id, "KILLED" if failed else "FINISHED")
