"""What is read, and how a window is made of it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

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
    ConditionsConfig,
    OwnName,
)
from cmapss_rul.display.text import by_nearness, printable

_DEFAULT_DIRS = {"official": "data/raw", "simulated": "data/simulated"}
MOST_COLUMNS = 1000

FilePath = Annotated[str, Field(min_length=1, max_length=4096)]
OwnNames = Annotated[tuple[OwnName, ...], Field(max_length=MOST_COLUMNS)]

OWN_FILES = ("train", "test", "rul_file")
"""Keys of a user's own files: paths."""

_OWN = (*OWN_FILES, "rul_column", "engine", "cycle", "settings", "sensors")
"""Keys that mean nothing where `train` names no file."""


class DataConfig(Config):
    """The `data` part of a configuration: a subset of C-MAPSS, or a user's own fleet."""

    subset: SubsetName = Field(
        "FD001", description="Subset of C-MAPSS: FD001 … FD004; without effect beside train."
    )
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
    dir: FilePath = Field(
        "data/raw",
        description="Folder of the text files, relative to the working folder "
        "(data/raw, or data/simulated for a simulated source).",
    )
    train: FilePath | None = Field(
        None,
        description="A file of your own instead of C-MAPSS: CSV, Parquet or C-MAPSS text, relative "
        "to the working folder; each record is taken to end at the failure. Nothing is downloaded.",
    )
    test: FilePath | None = Field(
        None,
        description="Your own test file: records that end before the failure. Null: split.test of "
        "the engines of train are set aside.",
    )
    rul_file: FilePath | None = Field(
        None,
        description="RUL at the end of each record of test: one whole number a line, in the order "
        "in which the engines first occur there.",
    )
    rul_column: OwnName | None = Field(
        None, description="Or the column of test that holds it; an engine's last row counts."
    )
    engine: OwnName | None = Field(
        None, description="Your name of the engine's column; null for unit and other usual ones."
    )
    cycle: OwnName | None = Field(
        None, description="Your name of the cycle's column; null for cycle and other usual ones."
    )
    settings: OwnNames | None = Field(
        None,
        description="Your columns that say how the engine is operated; scaled over all rows. Null: "
        "none, or setting_1 … setting_3 where sensors is null too.",
    )
    sensors: Annotated[OwnNames, Field(min_length=1)] | None = Field(
        None,
        description="Your columns that are measured; scaled per operating condition. Null for "
        "sensor_1 … sensor_21 and their usual names.",
    )
    conditions: ConditionsConfig = Field(
        BySettings(), description="What tells operating conditions apart."
    )
    cap: int = Field(125, ge=1, le=100_000, description="Cap of the RUL label, cycles.")
    window: int = Field(60, ge=1, le=10_000, description="Length of a window, cycles.")
    columns: Annotated[OwnNames, Field(min_length=1)] = Field(
        LITERATURE_SENSORS,
        description="Settings and sensors that the network sees, by name; all of your own sensors "
        "by default.",
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

    @property
    def own(self) -> bool:
        """Whether the records are a user's own, and not those of C-MAPSS."""
        return self.train is not None

    @property
    def fleet_name(self) -> str:
        """The subset, or the name of the user's own file without its ending."""
        return self.subset if self.train is None else Path(self.train).stem

    @property
    def setting_names(self) -> tuple[str, ...]:
        """The settings, by our names or the user's."""
        if self.settings is None:
            return SETTINGS if self.sensors is None else ()
        return self.settings

    @property
    def sensor_names(self) -> tuple[str, ...]:
        """The sensors, by our names or the user's."""
        return SENSORS if self.sensors is None else self.sensors

    @property
    def condition_keys(self) -> tuple[str, ...]:
        """Names of the columns that tell the operating conditions apart."""
        if isinstance(self.conditions, ByColumn):
            return (self.conditions.column,)
        return self.setting_names if isinstance(self.conditions, BySettings) else ()

    @property
    def condition_decimals(self) -> tuple[int, ...] | None:
        """What each of these columns is rounded to; None takes the values as they are."""
        if not isinstance(self.conditions, BySettings):
            return None
        if self.conditions.decimals is not None:
            return self.conditions.decimals
        return CMAPSS_DECIMALS if self.sensors is None else ()

    @property
    def raw_columns(self) -> tuple[str, ...]:
        """Names of the raw columns of a fleet, in their order."""
        known = (*self.setting_names, *self.condition_keys, *self.sensor_names)
        return tuple(dict.fromkeys(known))

    @property
    def own_files(self) -> dict[str, str]:
        """Paths of the user's own files, by their keys."""
        paths = {key: getattr(self, key) for key in OWN_FILES}
        return {key: path for key, path in paths.items() if path is not None}

    def moved_to(self, folder: str | Path) -> "DataConfig":
        """Return the same with its files, own ones by their names, in another folder."""
        moved = {k: str(Path(folder) / Path(path).name) for k, path in self.own_files.items()}
        return self.model_copy(update={"dir": str(folder), **moved})

    @field_validator("dir", *OWN_FILES)
    @classmethod
    def _is_a_path(cls, value: str | None) -> str | None:
        if value is not None and "\0" in value:  # the system calls take none, and say so too late
            raise ValueError("a path holds no NUL character")
        return value

    @model_validator(mode="before")
    @classmethod
    def _one_follows_from_another(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = dict(values)
        if values.get("dir") is None:
            values["dir"] = _DEFAULT_DIRS.get(str(values.get("source", "official")), "data/raw")
        if values.get("columns") is None and values.get("sensors") is not None:
            values["columns"] = values["sensors"]
        return values

    @field_validator("settings", "sensors", "columns")
    @classmethod
    def _once(cls, names: tuple[str, ...] | None, info: ValidationInfo) -> tuple[str, ...] | None:
        twice = [name for name in names or () if (names or ()).count(name) > 1]
        if twice:
            raise ValueError(
                f"{info.field_name} should name each column once, found {_shown(twice[0])} twice"
            )
        return names

    @model_validator(mode="after")
    def _other_subsets_once(self) -> "DataConfig":
        if len({self.subset, *self.auxiliary}) != 1 + len(self.auxiliary):
            raise ValueError(
                f"auxiliary should name each other subset once, found "
                f"[{', '.join(self.auxiliary)}] beside subset {self.subset}"
            )
        return self

    @model_validator(mode="after")
    def _columns_fit(self) -> "DataConfig":
        for problem in (*self._own_keys(), *self._roles(), *self._known_columns()):
            raise ValueError(problem)
        return self

    def _own_keys(self) -> Iterator[str]:
        """What is wrong with the keys of a user's own files."""
        if self.train is None:
            for key in _OWN:
                if getattr(self, key) is not None:
                    yield f"{key} is for a fleet of your own; name its file as data.train, too"
            return
        if self.source != "official":
            yield "source and train are both given; leave source out, or train"
        if self.auxiliary:
            yield "auxiliary adds subsets of C-MAPSS to one of them; beside train it is to be []"
        if self.settings is not None and self.sensors is None:
            yield "settings names columns of your own; name the sensors, too"
        told = [key for key in ("rul_file", "rul_column") if getattr(self, key) is not None]
        if self.test is None and told:
            yield f"{told[0]} belongs to a file of test records; name it as data.test"
        if self.test == self.train:
            yield "test and train name the same file; leave test out to set engines of it aside"
        if self.test is not None and len(told) != 1:
            yield "test needs the RUL of its records: either rul_file or rul_column"

    def _roles(self) -> Iterator[str]:
        """Columns that are said to be two things at once."""
        one = dict.fromkeys(self.setting_names, "a setting")
        for name in self.sensor_names:
            if name in one:
                yield f"settings and sensors both name {_shown(name)}; a column is one of them"
        one |= dict.fromkeys(self.sensor_names, "a sensor")
        for name in (ENGINE, CYCLE):
            if name in one:
                yield f"{_shown(name)} cannot be the name of {one[name]}; rename the column"
        own = {key: getattr(self, key) for key in ("engine", "cycle", "rul_column")}
        if isinstance(self.conditions, ByColumn) and self.conditions.column not in one:
            one[self.conditions.column] = "the column of conditions"
        for key, name in own.items():
            if name in one:
                yield f"{_shown(name)} is the column {key}, and cannot be {one[name]}, too"
            if name is not None:
                one[name] = f"the column {key}"

    def _known_columns(self) -> Iterator[str]:
        """Columns that nothing is known of, and decimals that do not fit the settings."""
        known = self.setting_names + self.sensor_names
        for name in self.columns:
            if name not in known:
                yield f"columns names {_shown(name)}; {_one_of(name, known)}"
        keys = self.condition_keys
        if not self.own and (strange := [key for key in keys if key not in COLUMNS]):
            yield f"conditions.column names {_shown(strange[0])}; {_one_of(strange[0], known)}"
        decimals = self.condition_decimals
        if decimals is not None and len(decimals) != len(keys):
            found = "none" if not decimals else str(len(decimals))
            yield (
                f"conditions.decimals should be one number for each of the {len(keys)} settings, "
                f"found {found}; or set conditions.name to none"
            )


def _shown(name: str) -> str:
    return f"'{printable(name)}'"


def _one_of(name: str, known: Sequence[str]) -> str:
    near = ", ".join(map(printable, by_nearness(name, known)[:5]))
    return f"expected settings or sensors, such as {near}"
