"""Checkpoints: what the file holds, as classes.

    format_version      of this layout
    versions            of package, torch and Python
    config              resolved, without paths
    data                training file: subset, digests, official or not, mean label; auxiliary ones
    preprocessor        columns, conditions, centre, factor and ranges of the scaling
    split               numbers of the training, validation, calibration and held-out test engines
    host                paths, device, threads, times: all that may differ between equal runs
    model               weights that evaluation uses
    model_raw           weights that training resumes from, where they differ
    optimiser, schedule, balancer, balancer_optimiser
    rng                 states of the random generators
    loop                epoch, batch, step, sums, best, stale, history
    calibration         in best.pt: the basis of the intervals
    members             of an ensemble: of each network preprocessor, split, model, loop, clock and
                        the digest of its own best.pt; model and loop are then empty
    out_of_fold         of an ensemble: validation metrics, each engine predicted by the network
                        that it did not train

The classes below are both the schema and the objects that a run works with: the loop advances
`LoopState` and `Clock` and saves them as they are. A new field is declared here and nowhere else;
with a default value, older checkpoints still load. The tensors are checked where they are loaded:
`trained_model` and `TrainingStep.load_state_dict`. `checkpoint_file` reads and writes the bytes.
"""

import math
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from torch import Tensor

from cmapss_rul.config.explain import explain
from cmapss_rul.intervals.calibration import Calibration
from cmapss_rul.system.errors import CheckpointError, one_line
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.reporters import ADDED, COLUMNS, TIMES, Row
from cmapss_rul.version import __version__

OF_ENSEMBLE = ("members", "out_of_fold", "calibration")
"""Parts of an ensemble's checkpoint that its networks do not have."""

OF_MEMBER = ("preprocessor", "split", "model", "loop")
"""Parts that each of its networks has for itself."""

MEASURES = ("rul_loss", "health_loss", "weight_rul", "weight_health", "grad_norm", "clipped")
"""What a training step measures, in the order of `LoopState.sums`."""

MISSHAPEN = (LookupError, TypeError, ValueError, OverflowError, AttributeError)
"""Exceptions of values that are missing or have another shape than expected."""

Count = Annotated[int, Field(ge=0, lt=2**63)]  # numbers become int64 tensors and arrays


class Part(BaseModel):
    """A part of a checkpoint: accepts no value of another type, ignores unknown keys.

    Strict, because pydantic would otherwise turn a text into a number; unknown keys are those
    that a later version adds.
    """

    model_config = ConfigDict(strict=True, extra="ignore", populate_by_name=True)


class Versions(Part):
    """Versions that a result depends on."""

    cmapss_rul: str
    torch: str
    python: str

    @classmethod
    def current(cls) -> "Versions":
        """Versions of this process."""
        return cls(
            cmapss_rul=__version__,
            torch=str(torch.__version__),  # its own class is no plain value
            python=platform.python_version(),
        )


class TrainFile(Part):
    """A file to train on."""

    subset: str
    name: str
    sha256: str
    canonical_sha256: str
    official: bool
    simulated: bool


class AuxiliaryFile(TrainFile):
    """A training file of another subset, all of whose engines train."""

    engines: Count


class RunData(TrainFile):
    """The training file of a run, and the auxiliary ones."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    mean_label: float = Field(allow_inf_nan=False)
    label_columns: list[str] = []
    """Inputs that are labels, which `data.allow_labels` let pass."""
    fingerprints: Tensor | None = None
    """[·], of the engines that are not held out; see `data.fingerprints`."""
    held_cells: dict[str, Count] = {}
    """Number of empty cells by column that hold the engine's last value (`data.missing`)."""
    auxiliary: list[AuxiliaryFile] = Field(max_length=3)

    @field_validator("fingerprints")
    @classmethod
    def _one_column_of_integers(cls, found: Tensor | None) -> Tensor | None:
        if found is not None and (found.dtype != torch.int64 or found.dim() != 1):
            raise ValueError("expected one dimension of 64-bit integers")
        return found

    @property
    def files(self) -> list[TrainFile]:
        """All training files, auxiliary ones last."""
        return [self, *self.auxiliary]


class EngineNumbers(Part):
    """Numbers of the engines by their use.

    `test` are engines that were held out of the user's training file; C-MAPSS has test files.
    `censored` are those, in any part, whose records end before the failure.
    """

    training: list[Count] = Field(min_length=1)
    validation: list[Count] = Field(min_length=1)
    calibration: list[Count] = []
    test: list[Count] = []
    censored: list[Count] = []

    @property
    def calibrating(self) -> list[int]:
        """Those that intervals are fitted on: of calibration, else of validation; failed ones."""
        return sorted({*(self.calibration or self.validation)} - {*self.censored})


class LoopState(Part):
    """Position of the training loop.

    Attributes:
        epoch: finished epochs.
        batch: batches done in the running epoch.
        step: steps done in the run.
        sums: of `MEASURES` over the running epoch; losses times the windows of their batch.
        best_value: the lowest validation metric so far, of the column `train.select`.
        stale: epochs since then.
        history: rows of metrics.csv without times.
    """

    epoch: Count = 0
    batch: Count = 0
    step: Count = 0
    sums: list[float] = Field([0.0] * len(MEASURES), min_length=6, max_length=6)
    # checkpoints from before 2026-11-29 call it best_rmse, the only metric then
    best_value: float = Field(math.inf, validation_alias=AliasChoices("best_value", "best_rmse"))
    best_epoch: Count = 0
    stale: Count = 0
    # float alone would turn the epochs of a resumed run into 1.0, 2.0, … in metrics.csv
    history: list[dict[str, int | float]] = []

    def is_finished(self, epochs: int, patience: int | None) -> bool:
        """Whether the last epoch, or early stopping after a whole epoch, was reached."""
        # a run inside an epoch has steps left, whatever its earlier epochs were like
        stopped = patience is not None and self.stale >= patience and not self.batch
        return bool(self.epoch >= epochs or stopped)


class Clock(Part):
    """Times, kept apart from the state because they differ between equal runs.

    Attributes:
        training: seconds of training in the running epoch.
        rows: `windows_per_second` and `seconds` of each finished epoch.
    """

    training: float = 0.0
    rows: list[dict[str, int | float]] = []

    def end_epoch(self, windows: int, evaluating: float) -> None:
        """Add the times of an epoch that trained on so many windows."""
        rate = windows / max(self.training, 1e-9)  # a clock may not have moved in a tiny epoch
        seconds = self.training + evaluating
        self.rows.append({"windows_per_second": round(rate, 1), "seconds": round(seconds, 3)})
        self.training = 0.0


class Host(Part):
    """All that may differ between equal runs."""

    folder: str
    data_dir: str
    files: dict[str, str] = {}
    device: str
    threads: Count
    ranks: Count = 1
    clock: Clock
    seconds: float | None = None
    """Of an ensemble: training and validation of all networks."""


class RunRecord(Part):
    """The parts of a checkpoint that stay as they are during a run, and the clock."""

    versions: Versions
    config: dict[str, Any]
    data: RunData
    preprocessor: dict[str, Any]
    engines: EngineNumbers = Field(alias="split")
    host: Host


class Checkpoint(RunRecord):
    """A checkpoint that was read: its plain parts as objects, and the content they came from."""

    model: dict[str, Any]
    loop: LoopState
    calibration: Calibration | None = None
    members: list[dict[str, Any]] = Field([], max_length=100)
    out_of_fold: dict[str, float] = {}
    path: Path
    """Where it came from."""
    content: dict[str, Any]
    """The whole file as plain values and tensors, unknown keys included; not to be changed."""

    @model_validator(mode="after")
    def _rows_fit(self) -> "Checkpoint":
        # metrics.csv is rewritten from these rows on each resumption, so a gap would go into it
        rows, times = self.loop.history, self.host.clock.rows
        metrics = set(COLUMNS) - set(TIMES)
        for row in rows:
            for name, unknown in ADDED.items():
                row.setdefault(name, unknown)
        if len(rows) != self.loop.epoch or any(row.keys() != metrics for row in rows):
            raise ValueError("the rows of its history do not fit metrics.csv")
        if len(times) != len(rows) or any(row.keys() != set(TIMES) for row in times):
            raise ValueError("the times of its history do not fit metrics.csv")
        return self

    @classmethod
    def from_content(cls, content: dict[str, Any], path: Path) -> "Checkpoint":
        """Check the plain parts of the content that `checkpoint_file.read` returned.

        Raises:
            CheckpointError: with the path and what is wrong with the content.
        """
        with refuse_malformed(path):
            try:
                return cls.model_validate({**content, "path": path, "content": content})
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                where = ".".join(map(str, first["loc"])) or "parts"
                raise ValueError(f"{where}: {first['msg']}") from error

    def member(self, fold: int) -> "Checkpoint":
        """Return the checkpoint of one network of an ensemble.

        Raises:
            CheckpointError: a part of it is malformed.
        """
        with refuse_malformed(self.path):
            own = dict(self.members[fold])
            others = {*OF_ENSEMBLE, *OF_MEMBER}
            shared = {key: value for key, value in self.content.items() if key not in others}
            split = {**self.config["split"], "fold": fold}
            own["config"] = {**self.config, "split": split}
            own["host"] = {**self.content["host"], "clock": own.pop("clock")}
        return Checkpoint.from_content({**shared, **own}, self.path)

    @property
    def rows(self) -> list[Row]:
        """Rows of metrics.csv."""
        return metrics_rows(self.loop, self.host.clock)

    def is_finished(self) -> bool:
        """Whether the run has no epoch left to train, by its own configuration."""
        with refuse_malformed(self.path):
            train = self.config["train"]
            return self.loop.is_finished(train["epochs"], train["patience"])

    def run_config(self) -> RunConfig:
        """Validate the configuration, with the paths of the data put back.

        Raises:
            CheckpointError: this version of the package does not accept it.
        """
        with refuse_malformed(self.path):
            data = {**self.config["data"], "dir": self.host.data_dir, **self.host.files}
        try:
            return RunConfig.model_validate({**self.config, "data": data})
        except ValidationError as error:
            raise CheckpointError(
                f"{self.path}: its configuration is not valid for this version of cmapss_rul "
                f"({explain(error, RunConfig)}); train again, or use version "
                f"{self.versions.cmapss_rul}, which wrote it"
            ) from error


def metrics_rows(state: LoopState, clock: Clock) -> list[Row]:
    """Rows of metrics.csv: the metrics of an epoch, then its times."""
    return [{**row, **times} for row, times in zip(state.history, clock.rows, strict=True)]


@contextmanager
def refuse_malformed(path: Path) -> Iterator[None]:
    """Turn what a missing or malformed part of a checkpoint raises into a CheckpointError.

    PyTorch's warnings about odd values are suppressed: the one line of the error suffices.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (*MISSHAPEN, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: a part is missing or has another shape: {one_line(error)[:200]}; "
            "train again, or use the version of cmapss_rul that wrote it"
        ) from error
