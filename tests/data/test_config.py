"""Validation of `data` across several keys."""

import pytest
from pydantic import ValidationError

from cmapss_rul.data.config import DataConfig


@pytest.mark.parametrize("auxiliary", [("FD001",), ("FD002", "FD002"), ("FD003", "FD001")])
def test_auxiliary_subsets_are_distinct_and_different_from_the_subset(auxiliary):
    with pytest.raises(ValidationError) as caught:
        DataConfig(subset="FD001", auxiliary=auxiliary)
    expected = f"found [{', '.join(auxiliary)}] beside subset FD001"
    assert f"auxiliary should name each other subset once, {expected}" in str(caught.value)
    assert DataConfig(subset="FD004", auxiliary=("FD001",)).auxiliary == ("FD001",)


def test_duplicate_columns_are_refused():
    with pytest.raises(ValidationError, match="columns should name each column once"):
        DataConfig(columns=("sensor_2", "sensor_2"))


OWN = {"train": "my.csv", "sensors": ("temp", "vib")}


def test_an_own_fleet_names_its_columns():
    data = DataConfig(**OWN, settings=("load",), conditions={"decimals": [0]})
    assert data.own
    assert data.fleet_name == "my"
    assert data.columns == ("temp", "vib")
    assert data.raw_columns == ("load", "temp", "vib")
    assert (data.condition_keys, data.condition_decimals) == (("load",), (0,))
    assert DataConfig(**OWN).condition_keys == ()
    by_column = DataConfig(**OWN, conditions={"name": "column", "column": "regime"})
    assert (by_column.condition_keys, by_column.condition_decimals) == (("regime",), None)
    assert by_column.raw_columns == ("regime", "temp", "vib")


def test_an_own_file_may_use_the_column_names_of_c_mapss():
    data = DataConfig(train="a/my.txt", settings=None)
    assert data.columns == DataConfig().columns
    assert data.raw_columns == DataConfig().raw_columns
    assert data.condition_decimals == (0, 2, 0)


def test_own_files_move_by_their_names():
    data = DataConfig(**{**OWN, "train": "a/my.csv"}, test="b/t.csv", rul_column="left")
    moved = data.moved_to("elsewhere")
    assert (moved.train, moved.test, moved.rul_file) == (
        "elsewhere/my.csv",
        "elsewhere/t.csv",
        None,
    )
    assert moved.own_files == {"train": "elsewhere/my.csv", "test": "elsewhere/t.csv"}
    assert DataConfig().moved_to("x") == DataConfig(dir="x")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"train": None}, "sensors is for a fleet of your own; set data.train to its file, too"),
        ({"source": "simulated"}, "source and train are both set"),
        (
            {"auxiliary": ["FD002"]},
            r"auxiliary adds subsets .* with train it must be \[\]",
        ),
        ({"sensors": None, "settings": ["a"]}, "settings names columns of your own; set sensors"),
        ({"rul_file": "r.txt"}, "rul_file belongs to a file of test records; set data.test to it"),
        ({"test": "my.csv", "rul_column": "R"}, "test and train are the same file; leave test"),
        ({"test": "t.csv"}, "test needs the RUL of its records: either rul_file or rul_column"),
        ({"test": "t", "rul_file": "r", "rul_column": "R"}, "either rul_file or rul_column"),
        ({"settings": ["temp"]}, "settings and sensors both name 'temp'; a column is one of them"),
        ({"sensors": ["a", "a"]}, "sensors should name each column once, found 'a' twice"),
        ({"engine": "vib"}, "'vib' is the column engine, and cannot be a sensor, too"),
        ({"engine": "a", "cycle": "a"}, "'a' is the column cycle, and cannot be the column engine"),
        ({"sensors": ["cycle"]}, "'cycle' cannot be the name of a sensor; rename the column"),
        (
            {"test": "t", "rul_column": "temp"},
            "'temp' is the column rul_column, and cannot be a sensor, too",
        ),
        (
            {"cycle": "x", "conditions": {"name": "column", "column": "x"}},
            "'x' is the column cycle, and cannot be the column of conditions, too",
        ),
        ({"columns": ["tmep"]}, "columns names 'tmep'; expected settings or sensors, such as temp"),
        ({"settings": ["a"]}, "one number for each of the 1 settings, found none; or set"),
        (
            {"settings": ["a"], "conditions": {"decimals": [1, 2]}},
            "one number for each of the 1 settings, found 2; or set conditions.name to none",
        ),
    ],
)
def test_contradictory_keys_are_refused(keys, message):
    with pytest.raises(ValidationError, match=message):
        DataConfig.model_validate({**OWN, **keys})


def test_c_mapss_may_have_no_conditions_and_only_its_own_columns():
    assert DataConfig(conditions={"name": "none"}).condition_keys == ()
    with pytest.raises(ValidationError, match=r"conditions\.column names 'regime'; expected sett"):
        DataConfig(conditions={"name": "column", "column": "regime"})
    with pytest.raises(ValidationError, match="columns names 'temp'; expected settings or sensors"):
        DataConfig(columns=["temp"])


def test_defaults_of_n_cmapss():
    data = DataConfig(subset="DS02")
    assert data.flights.file == "N-CMAPSS_DS02-006.h5"
    assert (data.unit, data.conditions.name, data.last_windows) == ("flights", "none", False)
    assert data.consecutive
    assert len(data.columns) == 18 * 3
    assert data.columns[0] == "alt_climb_mean"
    assert set(data.columns) <= set(data.raw_columns)
    assert not any(name.startswith("W50") for name in data.raw_columns)
    virtual = DataConfig(subset="DS02", virtual_sensors=True)
    assert len(virtual.columns) == 32 * 3
    assert DataConfig.model_validate(virtual.model_dump(mode="json")) == virtual
    seconds = DataConfig(subset="DS02", stride=10)
    assert seconds.columns == seconds.raw_columns  # all of W and X_s
    assert seconds.columns[:5] == ("alt", "Mach", "TRA", "T2", "T24")
    assert (len(seconds.columns), seconds.consecutive) == (18, False)
    assert len(DataConfig(subset="DS02", stride=10, virtual_sensors=True).columns) == 32
    # nothing of it reaches C-MAPSS
    plain = DataConfig()
    assert (plain.flights, plain.unit, plain.last_windows) == (None, "cycles", True)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"subset": "DS02", "source": "simulated"}, "with DS02 it must be official"),
        ({"subset": "DS02", "auxiliary": ["FD001"]}, r"with DS02 it must be \[\]"),
        ({"subset": "DS02", "unit": "hours"}, "but DS02 counts flights"),
        ({"subset": "DS02", "columns": ["W50_climb_mean"]}, "columns names 'W50_climb_mean'"),
        ({"subset": "DS02", "columns": ["hs"]}, "columns names 'hs'"),
        ({"virtual_sensors": True}, "virtual_sensors needs N-CMAPSS"),
        ({"subset": "DS02", "stride": 0}, "greater than or equal to 1"),
        ({"subset": "DS02", "stride": 10, "columns": ["T48_cruise_mean"]}, "columns names 'T48_"),
        ({"stride": 10}, "stride needs N-CMAPSS"),
        ({"unit": "flights"}, "C-MAPSS counts cycles"),
    ],
)
def test_contradictions_of_n_cmapss(keys, message):
    with pytest.raises(ValueError, match=message):
        DataConfig(**keys)
