"""The `data` part of a configuration: which files and columns, and how windows are made."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)

from cmapss_rul.config.base import Config
from cmapss_rul.data.columns import (
    COLUMNS,
    CYCLE,
    ENGINE,
    LITERATURE_SENSORS,
    SENSORS,
    SETTINGS,
    SubsetName,
)
from cmapss_rul.data.conditions import (
    CMAPSS_DECIMALS,
    ByColumn,
    BySettings,
    ColumnName,
    ConditionsConfig,
)
from cmapss_rul.display.text import by_nearness

_DEFAULT_DIRS = {"official": "data/raw", "simulated": "data/simulated"}
MAX_COLUMNS = 1000

FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
ColumnNames = Annotated[tuple[ColumnName, ...], Field(max_length=MAX_COLUMNS)]


def _as_text(value: object) -> object:
    """Return an id as text: YAML reads one of digits as a whole number."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


EngineId = Annotated[str, BeforeValidator(_as_text), Field(min_length=1, max_length=200)]

OWN_FILES = ("train", "test", "rul_file")
"""Keys of the paths of a user's own files."""

_OWN = (*OWN_FILES, "rul_column", "engine", "cycle", "event", "censored", "settings", "sensors")
"""Keys that have no meaning where `train` names no file."""


class DataConfig(Config):
    """The `data` part of a configuration: a subset of C-MAPSS, or a user's own fleet."""

    subset: SubsetName = Field(
        "FD001", description="Subset of C-MAPSS: FD001 … FD004; ignored where train is set."
    )
    auxiliary: tuple[SubsetName, ...] = Field(
        (),
        max_length=3,
        description="Other subsets whose training files are trained on, too, each scaled by its "
        "own statistics; validation and test use `subset` only.",
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
        "censored says otherwise.",
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
        description="Instead of rul_file: column of test with the RUL; an engine's last row "
        "counts.",
    )
    engine: ColumnName | None = Field(
        None, description="Name of the engine column in your file; null for unit and its aliases."
    )
    cycle: ColumnName | None = Field(
        None, description="Name of the cycle column in your file; null for cycle and its aliases."
    )
    event: ColumnName | None = Field(
        None,
        description="Column of train that is 1 (true) where the engine's record ends with its "
        "failure and 0 (false) where it ends before; the same in all rows of an engine.",
    )
    censored: Annotated[tuple[EngineId, ...], Field(max_length=1_000_000)] = Field(
        (), description="Or the ids of the engines of train whose records end before the failure."
    )
    cycle_from_order: bool = Field(
        False,
        description="Whether the cycle column of your file has times instead: the rows of an "
        "engine in the order of their times are its cycles 1, 2, …",
    )
    settings: ColumnNames | None = Field(
        None,
        description="Your columns of operational settings; scaled over all rows. Null: none, or "
        "setting_1 … setting_3 where sensors is null, too.",
    )
    allow_labels: bool = Field(
        False,
        description="Train although a column that the network sees is a label, known only after "
        "the failure; every figure is then marked.",
    )
    sensors: Annotated[ColumnNames, Field(min_length=1)] | None = Field(
        None,
        description="Your columns of measurements; scaled per operating condition. Null for "
        "sensor_1 … sensor_21 and their aliases.",
    )
    unit: Annotated[str, StringConstraints(pattern=r"^\S(.{0,18}\S)?$")] = Field(
        "cycles",
        description="Unit of the cycle column, of every RUL, and of cap. Cycles are counted "
        "1, 2, … in each record; of another unit, such as hours, any rising numbers are accepted.",
    )
    gaps: Literal["refuse", "keep"] = Field(
        "refuse", description="Missing cycles in a record; if kept, its RUL follows the numbers."
    )
    missing: Literal["refuse", "hold"] = Field(
        "refuse", description="Empty cells of settings and sensors; hold: the last value stays."
    )
    max_hold: int = Field(5, ge=1, le=1000, description="Most rows over which a value is held.")
    conditions: ConditionsConfig = Field(
        BySettings(), description="What defines the operating conditions."
    )
    # papers use 125, 130 or 150; results with different caps cannot be compared
    cap: int = Field(125, ge=1, le=100_000, description="Cap of the RUL label, in `unit`.")
    window: int = Field(60, ge=1, le=10_000, description="Length of a window, rows (cycles).")
    columns: Annotated[ColumnNames, Field(min_length=1)] = Field(
        LITERATURE_SENSORS,
        description="Settings and sensors that are inputs of the network, by name; by default all "
        "of your own sensors.",
    )
    cycle_count: bool = Field(
        True,
        description="Whether the cycle count since the record's start, ÷ 200 (of another unit, ÷ "
        "the mean life), is an input, too.",
    )
    smoothing: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Weight of the newest value in exponential smoothing over the engine's "
        "history; null for none.",
    )

    @property
    def own(self) -> bool:
        """Whether the records are a user's own rather than those of C-MAPSS."""
        return self.train is not None

    @property
    def fleet_name(self) -> str:
        """The subset, or the name of the user's own file without its suffix."""
        return self.subset if self.train is None else Path(self.train).stem

    @property
    def setting_names(self) -> tuple[str, ...]:
        """Names of the settings: those of C-MAPSS or the user's own."""
        if self.settings is None:
            return SETTINGS if self.sensors is None else ()
        return self.settings

    @property
    def sensor_names(self) -> tuple[str, ...]:
        """Names of the sensors: those of C-MAPSS or the user's own."""
        return SENSORS if self.sensors is None else self.sensors

    @property
    def condition_keys(self) -> tuple[str, ...]:
        """Names of the columns that define the operating conditions."""
        if isinstance(self.conditions, ByColumn):
            return (self.conditions.column,)
        return self.setting_names if isinstance(self.conditions, BySettings) else ()

    @property
    def condition_decimals(self) -> tuple[int, ...] | None:
        """Decimals to which each of these columns is rounded; None for no rounding."""
        if not isinstance(self.conditions, BySettings):
            return None
        if self.conditions.decimals is not None:
            return self.conditions.decimals
        # () fits no number of settings: those of another fleet have no default
        return CMAPSS_DECIMALS if self.sensors is None else ()

    @property
    def raw_columns(self) -> tuple[str, ...]:
        """Names of the raw columns of a fleet, in their order."""
        names = (*self.setting_names, *self.condition_keys, *self.sensor_names)
        # once each: a column of conditions may be a setting or a sensor as well
        return tuple(dict.fromkeys(names))

    @property
    def input_columns(self) -> tuple[str, ...]:
        """Names of the raw columns that reach the network, as a value or by their condition."""
        # a condition selects the scaling, so a label among the keys would leak like an input
        return tuple(dict.fromkeys((*self.columns, *self.condition_keys)))

    @property
    def counts_cycles(self) -> bool:
        """Whether the records count cycles, rather than measure another unit of time."""
        return self.unit == "cycles"

    @property
    def consecutive(self) -> bool:
        """Whether each row of a record is one cycle after the row before."""
        return self.counts_cycles and self.gaps == "refuse"

    @property
    def own_files(self) -> dict[str, str]:
        """Paths of the user's own files, by their keys."""
        paths = {key: getattr(self, key) for key in OWN_FILES}
        return {key: path for key, path in paths.items() if path is not None}

    def moved_to(self, folder: str | Path) -> "DataConfig":
        """Return a copy with the files, own ones by their names, in another folder."""
        # by name only: the folder of the training may not exist on the machine that evaluates
        moved = {k: str(Path(folder) / Path(path).name) for k, path in self.own_files.items()}
        return self.model_copy(update={"dir": str(folder), **moved})

    @field_validator("dir", *OWN_FILES)
    @classmethod
    def _is_a_path(cls, value: str | None) -> str | None:
        if value is not None and "\0" in value:  # otherwise an error when the file is opened
            raise ValueError("a path cannot contain a NUL character")
        return value

    @model_validator(mode="before")
    @classmethod
    def _set_dependent_defaults(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = dict(values)  # a copy: the caller's mapping is left as it is
        if values.get("dir") is None:
            values["dir"] = _DEFAULT_DIRS.get(str(values.get("source", "official")), "data/raw")
        # of a user's own file all sensors are inputs: nobody knows which of them vary
        if values.get("columns") is None and values.get("sensors") is not None:
            values["columns"] = values["sensors"]
        return values

    @field_validator("settings", "sensors", "columns")
    @classmethod
    def _names_once(
        cls, names: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        twice = [name for name in names or () if (names or ()).count(name) > 1]
        if twice:
            raise ValueError(
                f"{info.field_name} should name each column once, found '{twice[0]}' twice"
            )
        return names

    @model_validator(mode="after")
    def _columns_fit(self) -> "DataConfig":
        # only the first: a wrong key is often the reason for those that follow
        for problem in (*self._key_problems(), *self._role_problems(), *self._column_problems()):
            raise ValueError(problem)
        return self

    def _key_problems(self) -> Iterator[str]:
        """Contradictions between keys."""
        if len({self.subset, *self.auxiliary}) != 1 + len(self.auxiliary):
            yield (
                f"auxiliary should name each other subset once, found "
                f"[{', '.join(self.auxiliary)}] beside subset {self.subset}"
            )
        if self.train is None:
            for key in _OWN:
                if getattr(self, key) not in (None, ()):
                    yield f"{key} is for a fleet of your own; set data.train to its file, too"
            if not self.counts_cycles:
                yield f"unit is '{self.unit}', but C-MAPSS counts cycles; set data.train, too"
        else:
            yield from self._own_file_problems()

    def _own_file_problems(self) -> Iterator[str]:
        """Contradictions between the keys of a user's own files."""
        if self.cycle_from_order and not self.counts_cycles:
            yield f"cycle_from_order counts cycles, but unit is '{self.unit}'; keep one"
        if self.source != "official":
            yield "source and train are both set; leave out one of them"
        if self.auxiliary:
            yield "auxiliary adds subsets of C-MAPSS to one of them; with train it must be []"
        if self.event is not None and self.censored:
            yield "event and censored both say which records end before the failure; keep one"
        if self.settings is not None and self.sensors is None:
            yield "settings names columns of your own; set sensors, too"
        rul_keys = [key for key in ("rul_file", "rul_column") if getattr(self, key) is not None]
        if self.test is None and rul_keys:
            yield f"{rul_keys[0]} belongs to a file of test records; set data.test to it"
        if self.test == self.train:
            yield "test and train are the same file; leave test out to hold out engines of it"
        if self.test is not None and len(rul_keys) != 1:
            yield "test needs the RUL of its records: either rul_file or rul_column"

    def _role_problems(self) -> Iterator[str]:
        """Columns with two roles."""
        roles = dict.fromkeys(self.setting_names, "a setting")
        for name in self.sensor_names:
            if name in roles:
                yield f"settings and sensors both name '{name}'; a column is one of them"
        roles |= dict.fromkeys(self.sensor_names, "a sensor")
        for name in (ENGINE, CYCLE):
            if name in roles:
                yield f"'{name}' cannot be the name of {roles[name]}; rename the column"
        own = {key: getattr(self, key) for key in ("engine", "cycle", "event", "rul_column")}
        # a setting or sensor may define the conditions; engine, cycle and labels may not
        if isinstance(self.conditions, ByColumn) and self.conditions.column not in roles:
            roles[self.conditions.column] = "the column of conditions"
        for key, name in own.items():
            if name in roles:
                yield f"'{name}' is the column {key}, and cannot be {roles[name]}, too"
            if name is not None:
                roles[name] = f"the column {key}"

    def _column_problems(self) -> Iterator[str]:
        """Unknown columns, and decimals that do not match the settings."""
        known = self.setting_names + self.sensor_names
        for name in self.columns:
            if name not in known:
                yield f"columns names '{name}'; {_suggest(name, known)}"
        keys = self.condition_keys
        if not self.own and (unknown := [key for key in keys if key not in COLUMNS]):
            yield f"conditions.column names '{unknown[0]}'; {_suggest(unknown[0], known)}"
        decimals = self.condition_decimals
        if decimals is not None and len(decimals) != len(keys):
            found = "none" if not decimals else str(len(decimals))
            yield (
                f"conditions.decimals should be one number for each of the {len(keys)} settings, "
                f"found {found}; or set conditions.name to none"
            )


def _suggest(name: str, known: Sequence[str]) -> str:
    near = ", ".join(by_nearness(name, known)[:5])
    return f"expected settings or sensors, such as {near}"
