"""Schema of a checkpoint, as classes.

    format_version      version of this layout
    versions            of package, torch and Python
    config              resolved, without paths
    data                training file: subset, digests, provenance, mean label; auxiliary files
    preprocessor        columns, conditions, centre, factor and ranges of the scaling
    split               numbers of the training, validation, calibration and held-out test engines
    host                paths, device, threads, times: all that may differ between equal runs
    model               weights for evaluation (the moving average, if there is one)
    model_raw           weights to resume training from, if they differ from `model`
    optimiser, schedule, balancer, balancer_optimiser
    rng                 states of the random generators
    loop                epoch, batch, step, sums, best, stale, history
    calibration         in best.pt: parameters of the intervals
    members             in an ensemble: preprocessor, split, model, loop, clock and digest of
                        best.pt of each network; `model` and `loop` are then empty
    out_of_fold         in an ensemble: validation metrics of out-of-fold predictions

The classes below are both the schema and the live objects of a run: the loop updates `LoopState`
and `Clock` and saves them. A new field is declared only here; give it a default value, so that
older checkpoints still load. Tensors are checked where they are loaded, in `trained_model` and
`TrainingStep.load_state_dict`. `checkpoint_file` reads and writes the file.
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
from cmapss_rul.training.reporters import ADDED_COLUMNS, COLUMNS, TIMES, Row
from cmapss_rul.version import __version__

ENSEMBLE_PARTS = ("members", "out_of_fold", "calibration")
"""Parts that only the checkpoint of an ensemble has."""

MEMBER_PARTS = ("preprocessor", "split", "model", "loop")
"""Parts that each network of an ensemble has."""

MEASURES = ("rul_loss", "health_loss", "weight_rul", "weight_health", "grad_norm", "clipped")
"""Measurements of a training step, in the order of `LoopState.sums`."""

MALFORMED_ERRORS = (LookupError, TypeError, ValueError, OverflowError, AttributeError)
"""Exceptions raised by missing or malformed values."""

Count = Annotated[int, Field(ge=0, lt=2**63)]  # numbers become int64 tensors and arrays


class Part(BaseModel):
    """Base class of the parts of a checkpoint: strict types, unknown keys ignored.

    Strict, because pydantic would otherwise convert strings to numbers; unknown keys may come
    from a later version.
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
            torch=str(torch.__version__),  # a subclass of str, which weights_only=True refuses
            python=platform.python_version(),
        )


class TrainFile(Part):
    """Identity of a training file."""

    subset: str
    name: str
    sha256: str
    canonical_sha256: str
    official: bool
    simulated: bool


class AuxiliaryFile(TrainFile):
    """Training file of an auxiliary subset, all of whose engines train."""

    engines: Count


class RunData(TrainFile):
    """The training file of a run, and its auxiliary files."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    # so that the constant baseline of an evaluation needs no training file
    mean_label: float = Field(allow_inf_nan=False)
    label_columns: list[str] = []
    """Inputs recognised as labels, accepted because of `data.allow_labels`."""
    fingerprints: Tensor | None = None
    """Fingerprints of the engines that are not held out, [n]; see `data.fingerprints`."""
    held_cells: dict[str, Count] = {}
    """Number of empty cells by column, filled with the engine's last value (`data.missing`)."""
    auxiliary: list[AuxiliaryFile] = Field(max_length=3)

    @field_validator("fingerprints")
    @classmethod
    def _check_tensor_shape(cls, found: Tensor | None) -> Tensor | None:
        if found is not None and (found.dtype != torch.int64 or found.dim() != 1):
            raise ValueError("expected one dimension of 64-bit integers")
        return found

    @property
    def files(self) -> list[TrainFile]:
        """All training files, auxiliary ones last."""
        return [self, *self.auxiliary]


class EngineNumbers(Part):
    """Numbers of the engines in each part of the training file.

    `test` are engines held out from a user's training file; `censored` are the engines of all
    parts whose records end before the failure.
    """

    training: list[Count] = Field(min_length=1)
    validation: list[Count] = Field(min_length=1)
    calibration: list[Count] = []
    test: list[Count] = []
    censored: list[Count] = []

    @property
    def calibrating(self) -> list[int]:
        """Uncensored engines that calibrate the intervals: reserved ones, else validation."""
        return sorted({*(self.calibration or self.validation)} - {*self.censored})


class LoopState(Part):
    """State of the training loop.

    Attributes:
        epoch: number of finished epochs.
        batch: number of finished batches in the current epoch.
        step: number of finished steps in the run.
        sums: sums of `MEASURES` over the current epoch, with losses weighted by batch size.
        best_value: lowest value so far of the validation metric `train.select`.
        best_epoch: epoch of that value, from 1; 0 before the first.
        stale: epochs since the best one.
        history: rows of metrics.csv without times.
    """

    epoch: Count = 0
    batch: Count = 0
    step: Count = 0
    sums: list[float] = Field([0.0] * len(MEASURES), min_length=6, max_length=6)
    # alias: checkpoints from before 2026-11-29 call it best_rmse, then the only metric
    best_value: float = Field(math.inf, validation_alias=AliasChoices("best_value", "best_rmse"))
    best_epoch: Count = 0
    stale: Count = 0
    # int first: float alone would turn epochs into 1.0, 2.0, … in metrics.csv after a resumption
    history: list[dict[str, int | float]] = []

    def is_finished(self, epochs: int, patience: int | None) -> bool:
        """Whether the last epoch, or early stopping at the end of an epoch, was reached."""
        # early stopping applies at the end of an epoch only
        stopped = patience is not None and self.stale >= patience and not self.batch
        return bool(self.epoch >= epochs or stopped)


class Clock(Part):
    """Timings, separate from `LoopState` because they differ between equal runs.

    Attributes:
        training: seconds of training in the current epoch.
        rows: `windows_per_second` and `seconds` of each finished epoch.
    """

    training: float = 0.0
    rows: list[dict[str, int | float]] = []

    def end_epoch(self, windows: int, evaluating: float) -> None:
        """Append the row of an epoch with so many training windows, and reset the clock."""
        rate = windows / max(self.training, 1e-9)  # the clock may not have advanced in a tiny epoch
        seconds = self.training + evaluating
        self.rows.append({"windows_per_second": round(rate, 1), "seconds": round(seconds, 3)})
        self.training = 0.0


class Host(Part):
    """Facts about host and run that may differ between equal runs."""

    folder: str
    data_dir: str
    files: dict[str, str] = {}
    device: str
    threads: Count
    ranks: Count = 1
    clock: Clock
    seconds: float | None = None
    """Seconds of training and validation of all networks of an ensemble."""


class RunRecord(Part):
    """The parts of a checkpoint that are constant during a run, and the clock in `host`."""

    versions: Versions
    config: dict[str, Any]
    data: RunData
    preprocessor: dict[str, Any]
    engines: EngineNumbers = Field(alias="split")
    host: Host


class Checkpoint(RunRecord):
    """A loaded checkpoint: its plain parts as objects, and the whole content."""

    model: dict[str, Any]
    loop: LoopState
    calibration: Calibration | None = None
    members: list[dict[str, Any]] = Field([], max_length=100)
    out_of_fold: dict[str, float] = {}
    path: Path
    """Path of the file."""
    content: dict[str, Any]
    """The whole file as plain values and tensors, with unknown keys; must not be changed."""

    @model_validator(mode="after")
    def _check_rows(self) -> "Checkpoint":
        # on resumption metrics.csv is rewritten from these rows, so they must be complete
        rows, times = self.loop.history, self.host.clock.rows
        metrics = set(COLUMNS) - set(TIMES)
        for row in rows:
            for name, unknown in ADDED_COLUMNS.items():
                row.setdefault(name, unknown)
        if len(rows) != self.loop.epoch or any(row.keys() != metrics for row in rows):
            raise ValueError("the rows of its history do not match metrics.csv")
        if len(times) != len(rows) or any(row.keys() != set(TIMES) for row in times):
            raise ValueError("the times of its history do not match metrics.csv")
        return self

    @classmethod
    def from_content(cls, content: dict[str, Any], path: Path) -> "Checkpoint":
        """Validate the plain parts of the content returned by `checkpoint_file.read`.

        Raises:
            CheckpointError: the content is malformed; names path and part.
        """
        with refuse_malformed(path):
            try:
                # `content` keeps unknown keys, so that rewriting the file loses none
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
            others = {*ENSEMBLE_PARTS, *MEMBER_PARTS}
            shared = {key: value for key, value in self.content.items() if key not in others}
            # so the member is checked like a checkpoint of a run with split.fold
            split = {**self.config["split"], "fold": fold}
            own["config"] = {**self.config, "split": split}
            own["host"] = {**self.content["host"], "clock": own.pop("clock")}
        return Checkpoint.from_content({**shared, **own}, self.path)

    @property
    def rows(self) -> list[Row]:
        """Rows of metrics.csv."""
        return metrics_rows(self.loop, self.host.clock)

    def is_finished(self) -> bool:
        """Whether training is finished, according to the run's own configuration."""
        with refuse_malformed(self.path):
            train = self.config["train"]
            return self.loop.is_finished(train["epochs"], train["patience"])

    def run_config(self) -> RunConfig:
        """Validate the configuration, with the data paths of the host restored.

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
    """Return the rows of metrics.csv: the metrics of each epoch, then its times."""
    return [{**row, **times} for row, times in zip(state.history, clock.rows, strict=True)]


@contextmanager
def refuse_malformed(path: Path) -> Iterator[None]:
    """Turn exceptions about a missing or malformed part of a checkpoint into a CheckpointError.

    Suppresses PyTorch's warnings about odd values: the one-line error suffices.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (*MALFORMED_ERRORS, RuntimeError) as error:
        raise CheckpointError(
            f"{path}: a part is missing or has another shape: {one_line(error)[:200]}; "
            "train again, or use the version of cmapss_rul that wrote it"
        ) from error
