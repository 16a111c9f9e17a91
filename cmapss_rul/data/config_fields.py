"""Keys of the `data` part of a configuration, with defaults and descriptions."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from cmapss_rul.config.base import Config
from cmapss_rul.data.columns import LITERATURE_SENSORS, AnySubset, SubsetName
from cmapss_rul.data.conditions import BySettings, ColumnName, ConditionsConfig

MAX_COLUMNS = 1000

FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
ColumnNames = Annotated[tuple[ColumnName, ...], Field(max_length=MAX_COLUMNS)]


def _as_text(value: object) -> object:
    """Convert an engine id to a string: YAML reads digits as an integer."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


EngineId = Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=200)]


class DataFields(Config):
    """The keys of `data`; `DataConfig` adds checks and derived properties."""

    subset: AnySubset = Field(
        "FD001",
        description="Subset of C-MAPSS: FD001 … FD004, or of N-CMAPSS: DS01 … DS08d, of which a "
        "row is a flight unless stride is set; ignored where train is set.",
    )
    stride: int | None = Field(
        None,
        ge=1,
        le=3600,
        description="N-CMAPSS: every stride-th second is a row, and windows stay within a flight. "
        "Null: a row is a flight.",
    )
    virtual_sensors: bool = Field(
        False,
        description="N-CMAPSS: whether the virtual sensors (X_v), which only the simulator knows, "
        "are inputs, too; all metrics are then marked.",
    )
    auxiliary: tuple[SubsetName, ...] = Field(
        (),
        max_length=3,
        description="Further subsets to train on, each scaled by its own statistics; validation "
        "and test use `subset` only.",
    )
    source: Literal["official", "simulated"] = Field(
        "official",
        description="'official' files are downloaded if missing; 'simulated' ones are generated.",
    )
    dir: FilePath = Field(
        "data/raw",
        description="Folder of the text files, relative to the working folder "
        "(data/raw, or data/simulated for a simulated source).",
    )
    train: FilePath | None = Field(
        None,
        description="A file of your own instead of C-MAPSS: CSV, Parquet or C-MAPSS text, relative "
        "to the working folder; each record is assumed to end with the failure, unless event or "
        "censored is set.",
    )
    test: FilePath | None = Field(
        None,
        description="Your own test file: records that end before the failure. Null: split.test of "
        "the engines of train are held out.",
    )
    rul_file: FilePath | None = Field(
        None,
        description="RUL at the end of each record of test: a table of engines and RUL, or one "
        "whole number a line in the order of the engines' first rows there, which must ascend.",
    )
    rul_column: ColumnName | None = Field(
        None,
        description="Instead of rul_file: RUL column of test; the value in an engine's last row "
        "counts.",
    )
    engine: ColumnName | None = Field(
        None, description="Engine column of your file; null for unit and its aliases."
    )
    cycle: ColumnName | None = Field(
        None, description="Cycle column of your file; null for cycle and its aliases."
    )
    event: ColumnName | None = Field(
        None,
        description="Event column of train: 1 (true) if the engine's record ends with its "
        "failure, 0 (false) if it is censored; the same in all rows of an engine.",
    )
    censored: Annotated[tuple[EngineId, ...], Field(max_length=1_000_000)] = Field(
        (), description="Instead of event: ids of the engines of train with censored records."
    )
    cycle_from_order: bool = Field(
        False,
        description="Whether the cycle column of your file holds times: the rows of an engine, "
        "sorted by time, are then its cycles 1, 2, …",
    )
    settings: ColumnNames | None = Field(
        None,
        description="Your columns of operational settings; scaled over all rows. Null: none, or "
        "setting_1 … setting_3 if sensors is null, too.",
    )
    allow_labels: bool = Field(
        False,
        description="Train even if an input column is a label, known only after the failure; all "
        "metrics are then marked.",
    )
    sensors: Annotated[ColumnNames, Field(min_length=1)] | None = Field(
        None,
        description="Your columns of measurements; scaled per operating condition. Null for "
        "sensor_1 … sensor_21 and their aliases.",
    )
    unit: Annotated[str, StringConstraints(pattern=r"^\S(.{0,18}\S)?$")] = Field(
        "cycles",
        description="Unit of the cycle column, of every RUL, and of cap. Cycles are counted "
        "1, 2, … in each record; in another unit, such as hours, any ascending numbers will do.",
    )
    gaps: Literal["refuse", "keep"] = Field(
        "refuse", description="Missing cycles in a record; keep: the RUL follows the cycle numbers."
    )
    missing: Literal["refuse", "hold"] = Field(
        "refuse", description="Empty cells of settings and sensors; hold: repeat the last value."
    )
    max_hold: int = Field(5, ge=1, le=1000, description="Maximum rows over which a value is held.")
    conditions: ConditionsConfig = Field(
        BySettings(), description="What defines the operating conditions."
    )
    # papers use 125, 130 or 150; results with different caps cannot be compared
    cap: int = Field(125, ge=1, le=100_000, description="Cap of the RUL label, in `unit`.")
    window: int = Field(60, ge=1, le=10_000, description="Length of a window, rows (cycles).")
    columns: Annotated[ColumnNames, Field(min_length=1)] = Field(
        LITERATURE_SENSORS,
        description="Settings and sensors that are inputs of the network; by default all sensors "
        "of your own file.",
    )
    cycle_count: bool = Field(
        True,
        description="Whether the age of the engine is an input: its cycle ÷ 200 (in another unit: "
        "÷ the mean life).",
    )
    smoothing: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Exponential smoothing over the engine's history: weight of the newest value; "
        "null for none.",
    )
