"""What is read, and how a window is made of it."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from cmapss_rul.config.base import Config
from cmapss_rul.data.columns import COLUMNS, LITERATURE_SENSORS, SubsetName

_DEFAULT_DIRS = {"official": "data/raw", "simulated": "data/simulated"}
ColumnName = Literal[COLUMNS]  # type: ignore[valid-type]


class DataConfig(Config):
    """The `data` part of a configuration."""

    subset: SubsetName = Field("FD001", description="Subset of C-MAPSS: FD001 … FD004.")
    auxiliary: tuple[SubsetName, ...] = Field(
        (),
        max_length=3,
        description="Other subsets whose train files are trained on too, each scaled by its own "
        "statistics; validation and test stay with `subset`.",
    )
    source: Literal["official", "simulated"] = Field(
        "official",
        description="'official' files are downloaded where missing; 'simulated' ones are made.",
    )
    dir: str = Field(
        "data/raw",
        min_length=1,
        max_length=4096,
        description="Folder of the text files, relative to the working folder "
        "(data/raw, or data/simulated for a simulated source).",
    )
    cap: int = Field(125, ge=1, le=100_000, description="Cap of the RUL label, cycles.")
    window: int = Field(60, ge=1, le=10_000, description="Length of a window, cycles.")
    columns: Annotated[tuple[ColumnName, ...], Field(min_length=1)] = Field(
        LITERATURE_SENSORS, description="Settings and sensors that the network sees, by name."
    )
    cycle_count: bool = Field(
        True, description="Also show the network the cycle count since the record's start ÷ 200."
    )
    smoothing: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Weight of the newest value in exponential smoothing over the engine's "
        "history; null for none.",
    )

    @field_validator("dir")
    @classmethod
    def _is_a_path(cls, value: str) -> str:
        if "\0" in value:  # the system calls take none, and say so in the midst of the work
            raise ValueError("a path holds no NUL character")
        return value

    @model_validator(mode="before")
    @classmethod
    def _dir_follows_source(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("dir") is None:
            folder = _DEFAULT_DIRS.get(str(values.get("source", "official")), "data/raw")
            return {**values, "dir": folder}
        return values

    @model_validator(mode="after")
    def _other_subsets_once(self) -> "DataConfig":
        if len({self.subset, *self.auxiliary}) != 1 + len(self.auxiliary):
            raise ValueError(
                f"auxiliary should name each other subset once, found "
                f"[{', '.join(self.auxiliary)}] beside subset {self.subset}"
            )
        return self

    @model_validator(mode="after")
    def _columns_once(self) -> "DataConfig":
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("columns should name each column once")
        return self
