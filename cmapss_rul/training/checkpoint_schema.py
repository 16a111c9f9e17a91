"""The parts of a checkpoint, each with what it must hold."""

from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from cmapss_rul.data.conditions import MAX_CONDITIONS
from cmapss_rul.intervals.calibration import Calibration
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.loggers import COLUMNS

TIMES = ("windows_per_second", "seconds")

Count = Annotated[int, Field(ge=0, lt=2**63)]
Row = dict[str, float]


class Part(BaseModel):
    """Takes no value of another type; takes parts that a later version adds."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


class Versions(Part):
    """Of package, torch and Python."""

    cmapss_rul: str
    torch: str
    python: str


class TrainFile(Part):
    """A file to train on."""

    subset: str
    name: str
    sha256: str
    canonical_sha256: str
    official: bool
    simulated: bool


class AuxiliaryFile(TrainFile):
    """A train file of another subset, all of whose engines train."""

    engines: Count


class Data(TrainFile):
    """The train file."""

    mean_label: float = Field(allow_inf_nan=False)
    auxiliary: list[AuxiliaryFile] = Field(max_length=3)


class Split(Part):
    """Numbers of engines."""

    training: list[Count] = Field(min_length=1)
    validation: list[Count] = Field(min_length=1)
    calibration: list[Count] = []
    test: list[Count] = []


class Loop(Part):
    """Where the loop stands: see `LoopState`."""

    epoch: Count
    batch: Count
    step: Count
    sums: list[float] = Field(min_length=6, max_length=6)
    best_rmse: float
    best_epoch: Count
    stale: Count
    history: list[Row]


class Clock(Part):
    """Times of each epoch."""

    training: float
    rows: list[Row]


class Host(Part):
    """All that may differ between equal runs."""

    folder: str
    data_dir: str
    files: dict[str, str] = {}
    device: str
    threads: Count
    ranks: Count = 1
    clock: Clock


class Parts(Part):
    """The parts that are plain values, and how they fit each other."""

    versions: Versions
    data: Data
    split: Split
    loop: Loop
    host: Host
    calibration: Calibration | None = None

    @model_validator(mode="after")
    def _rows_fit(self) -> "Parts":
        rows, times = self.loop.history, self.host.clock.rows
        figures = set(COLUMNS) - set(TIMES)
        if len(rows) != self.loop.epoch or any(row.keys() != figures for row in rows):
            raise ValueError("the rows of its history do not fit metrics.csv")
        if len(times) != len(rows) or any(row.keys() != set(TIMES) for row in times):
            raise ValueError("the times of its history do not fit metrics.csv")
        return self


def check_parts(content: dict[str, Any]) -> None:
    """Refuse a checkpoint's content in which a plain part is missing or misshapen.

    Raises:
        ValueError: with the first that is.
    """
    try:
        Parts.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "parts"
        raise ValueError(f"{where}: {first['msg']}") from error


def check_preprocessor(state: dict[str, Any], config: RunConfig) -> None:
    """Refuse a state whose tensors do not fit each other or the configuration.

    Raises:
        ValueError: with what is wrong.
    """
    data = config.data
    own = (tuple(state["columns"]), state["cycle_count"], state["smoothing"])
    if own != (data.columns, data.cycle_count, data.smoothing):
        raise ValueError("its preprocessor is not that of its configuration")
    table = _numbers(state["conditions"], "conditions")
    if table.shape[1:] != (len(data.condition_keys),) or not 1 <= len(table) <= MAX_CONDITIONS:
        raise ValueError(f"preprocessor conditions: found shape {table.shape}")
    expected = (len(table), len(data.columns))
    for name in ("centre", "factor", "low", "high"):
        found = _numbers(state[name], name).shape
        if found != expected:
            raise ValueError(f"preprocessor {name}: found shape {found}, expected {expected}")


def _numbers(tensor: Tensor, name: str) -> "np.ndarray[Any, Any]":
    values = np.asarray(tensor.numpy())
    if values.dtype != np.float64 or not np.isfinite(values).all():
        raise ValueError(f"preprocessor {name}: found values that are not finite, or no doubles")
    return values


def check_weights(state: dict[str, Any], expected: dict[str, Tensor]) -> None:
    """Refuse weights that do not fit the network, or are not finite.

    Args:
        state: from the checkpoint.
        expected: of the network that the configuration describes, on no device.

    Raises:
        ValueError: with what is wrong.
    """
    if state.keys() != expected.keys():
        names = sorted(map(str, state.keys() ^ expected.keys()))
        raise ValueError(f"weights {', '.join(names[:3])} are missing or are not the network's")
    for name, tensor in expected.items():
        found = state[name]
        if not isinstance(found, Tensor) or found.dtype != tensor.dtype:
            raise ValueError(f"weights {name}: expected a tensor of {tensor.dtype}")
        if found.shape != tensor.shape:
            raise ValueError(
                f"size mismatch of weights {name}: found {tuple(found.shape)}, "
                f"expected {tuple(tensor.shape)}"
            )
        if found.is_floating_point() and not bool(found.isfinite().all()):
            raise ValueError(f"weights {name} are not finite")
