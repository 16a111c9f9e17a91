"""The `data` part of a configuration: consistency checks and derived properties."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationInfo, field_validator, model_validator

from cmapss_rul.data.columns import COLUMNS, CYCLE, ENGINE, SENSORS, SETTINGS
from cmapss_rul.data.conditions import CMAPSS_DECIMALS, ByColumn, BySettings
from cmapss_rul.data.config_fields import DataFields
from cmapss_rul.data.ncmapss import FILES, FlightSet, default_inputs, sensor_names, setting_names
from cmapss_rul.display.text import by_nearness

_DEFAULT_DIRS = {"official": "data/raw", "simulated": "data/simulated"}

OWN_FILES = ("train", "test", "rul_file")
"""Keys that are paths of the user's own files."""

_OWN = (*OWN_FILES, "rul_column", "engine", "cycle", "event", "censored", "settings", "sensors")
"""Keys that require `train`."""


class DataConfig(DataFields):
    """The `data` part of a configuration: a subset of C-MAPSS or N-CMAPSS, or the user's fleet."""

    @property
    def own(self) -> bool:
        """Whether the records are the user's own rather than those of C-MAPSS or N-CMAPSS."""
        return self.train is not None

    @property
    def flights(self) -> FlightSet | None:
        """The file of N-CMAPSS with the records; None for other data."""
        return None if self.own else FILES.get(self.subset)

    @property
    def fleet_name(self) -> str:
        """The subset, or the name of the user's training file without suffix."""
        return self.subset if self.train is None else Path(self.train).stem

    @property
    def setting_names(self) -> tuple[str, ...]:
        """Names of the operational settings."""
        if self.flights is not None:
            return setting_names(seconds=self.stride is not None)
        if self.settings is None:
            return SETTINGS if self.sensors is None else ()
        return self.settings

    @property
    def sensor_names(self) -> tuple[str, ...]:
        """Names of the sensors."""
        if self.flights is not None:
            return sensor_names(seconds=self.stride is not None, virtual=self.virtual_sensors)
        return SENSORS if self.sensors is None else self.sensors

    @property
    def condition_keys(self) -> tuple[str, ...]:
        """Names of the columns that define the operating conditions."""
        if isinstance(self.conditions, ByColumn):
            return (self.conditions.column,)
        return self.setting_names if isinstance(self.conditions, BySettings) else ()

    @property
    def condition_decimals(self) -> tuple[int, ...] | None:
        """Decimals to which each condition key is rounded; None for no rounding."""
        if not isinstance(self.conditions, BySettings):
            return None
        if self.conditions.decimals is not None:
            return self.conditions.decimals
        # () has the wrong length, so that other fleets must set decimals: they have no default
        return CMAPSS_DECIMALS if self.sensors is None and self.flights is None else ()

    @property
    def raw_columns(self) -> tuple[str, ...]:
        """Names of the raw columns of a fleet, in order."""
        names = (*self.setting_names, *self.condition_keys, *self.sensor_names)
        # without duplicates: the column of conditions may also be a setting or a sensor
        return tuple(dict.fromkeys(names))

    @property
    def input_columns(self) -> tuple[str, ...]:
        """Names of the raw columns that affect the network's input, as values or condition keys."""
        # a condition selects the scaling, so a label among the keys would leak like an input does
        return tuple(dict.fromkeys((*self.columns, *self.condition_keys)))

    @property
    def counts_cycles(self) -> bool:
        """Whether `cycle` counts cycles (or flights), rather than another unit of time."""
        # a flight of N-CMAPSS is a cycle
        return self.unit == "cycles" or self.flights is not None

    @property
    def consecutive(self) -> bool:
        """Whether each row of a record must be one cycle after the previous row."""
        return self.counts_cycles and self.gaps == "refuse" and self.stride is None

    @property
    def last_windows(self) -> bool:
        """Whether test records end before the failure, so that each is scored at its last window.

        The test units of N-CMAPSS run to failure, and are scored at every flight.
        """
        return self.flights is None

    @property
    def own_files(self) -> dict[str, str]:
        """Paths of the user's own files, by key."""
        paths = {key: getattr(self, key) for key in OWN_FILES}
        return {key: path for key, path in paths.items() if path is not None}

    def moved_to(self, folder: str | Path) -> "DataConfig":
        """Return a copy in which all files are in another folder, with the same file names."""
        # by file name: the folder used in training may not exist on another machine
        moved = {k: str(Path(folder) / Path(path).name) for k, path in self.own_files.items()}
        return self.model_copy(update={"dir": str(folder), **moved})

    @field_validator("dir", *OWN_FILES)
    @classmethod
    def _check_path(cls, value: str | None) -> str | None:
        if value is not None and "\0" in value:  # otherwise a ValueError when the file is opened
            raise ValueError("a path cannot contain a NUL character")
        return value

    @model_validator(mode="before")
    @classmethod
    def _set_dependent_defaults(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = dict(values)  # a copy: the caller's mapping must not change
        if values.get("dir") is None:
            values["dir"] = _DEFAULT_DIRS.get(str(values.get("source", "official")), "data/raw")
        # all sensors of a user's file are inputs: which of them are informative is not known
        if values.get("columns") is None and values.get("sensors") is not None:
            values["columns"] = values["sensors"]
        if values.get("train") is None and str(values.get("subset")) in FILES:
            virtual = values.get("virtual_sensors") in (True, "true")
            if values.get("columns") is None:
                seconds = values.get("stride") is not None
                values["columns"] = default_inputs(seconds=seconds, virtual=virtual)
            values.setdefault("unit", "flights")
            # operating conditions of flights are a continuum
            values.setdefault("conditions", {"name": "none"})
        return values

    @field_validator("settings", "sensors", "columns")
    @classmethod
    def _check_duplicates(
        cls, names: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        twice = [name for name in names or () if (names or ()).count(name) > 1]
        if twice:
            raise ValueError(
                f"{info.field_name} should name each column once, found '{twice[0]}' twice"
            )
        return names

    @model_validator(mode="after")
    def _check_columns(self) -> "DataConfig":
        # only the first: further problems are often consequences of it
        for problem in (*self._key_problems(), *self._role_problems(), *self._column_problems()):
            raise ValueError(problem)
        return self

    def _key_problems(self) -> Iterator[str]:
        """Yield contradictions between keys."""
        if len({self.subset, *self.auxiliary}) != 1 + len(self.auxiliary):
            yield (
                f"auxiliary should name each other subset once, found "
                f"[{', '.join(self.auxiliary)}] beside subset {self.subset}"
            )
        if self.train is None:
            for key in _OWN:
                if getattr(self, key) not in (None, ()):
                    yield f"{key} is for a fleet of your own; set data.train to its file, too"
            yield from self._flight_problems()
        else:
            yield from self._own_file_problems()

    def _flight_problems(self) -> Iterator[str]:
        """Yield contradictions for C-MAPSS and N-CMAPSS."""
        if self.flights is None:
            if not self.counts_cycles:
                yield f"unit is '{self.unit}', but C-MAPSS counts cycles; set data.train, too"
            if self.virtual_sensors:
                yield "virtual_sensors needs N-CMAPSS; set subset to DS01 … DS08d"
            if self.stride is not None:
                yield "stride needs N-CMAPSS; set subset to DS01 … DS08d"
            return
        if self.unit != "flights":
            yield f"unit is '{self.unit}', but {self.subset} counts flights"
        if self.source != "official":
            yield f"source simulates C-MAPSS only; with {self.subset} it must be official"
        if self.auxiliary:
            yield f"auxiliary adds subsets of C-MAPSS; with {self.subset} it must be []"

    def _own_file_problems(self) -> Iterator[str]:
        """Yield contradictions between the keys of the user's own files."""
        if self.cycle_from_order and not self.counts_cycles:
            yield f"cycle_from_order counts cycles, but unit is '{self.unit}'; keep one"
        if self.source != "official":
            yield "source and train are both set; leave out one of them"
        if self.auxiliary:
            yield "auxiliary adds subsets of C-MAPSS to one of them; with train it must be []"
        if self.event is not None and self.censored:
            yield "event and censored both define which records end before the failure; keep one"
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
        """Yield columns with two roles."""
        roles = dict.fromkeys(self.setting_names, "a setting")
        for name in self.sensor_names:
            if name in roles:
                yield f"settings and sensors both name '{name}'; a column is one of them"
        roles |= dict.fromkeys(self.sensor_names, "a sensor")
        for name in (ENGINE, CYCLE):
            if name in roles:
                yield f"'{name}' cannot be the name of {roles[name]}; rename the column"
        own = {key: getattr(self, key) for key in ("engine", "cycle", "event", "rul_column")}
        # the column of conditions may be a setting or sensor, but not engine, cycle or a label
        if isinstance(self.conditions, ByColumn) and self.conditions.column not in roles:
            roles[self.conditions.column] = "the column of conditions"
        for key, name in own.items():
            if name in roles:
                yield f"'{name}' is the column {key}, and cannot be {roles[name]}, too"
            if name is not None:
                roles[name] = f"the column {key}"

    def _column_problems(self) -> Iterator[str]:
        """Yield unknown columns, and decimals that do not match the settings."""
        known = self.setting_names + self.sensor_names
        for name in self.columns:
            if name not in known:
                yield f"columns names '{name}'; {_suggest(name, known)}"
        keys = self.condition_keys
        columns = known if self.flights else COLUMNS
        if not self.own and (unknown := [key for key in keys if key not in columns]):
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
