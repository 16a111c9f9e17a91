import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.data.columns import (
    COLUMNS,
    FILE_COLUMNS,
    ColumnRequest,
    find_columns,
    resolve_alias,
)
from cmapss_rul.system.errors import DataError

SYMBOLS = (
    "T2", "T24", "T30", "T50", "P2", "P15", "P30", "Nf", "Nc", "epr", "Ps30", "phi", "NRf",
    "NRc", "BPR", "farB", "htBleed", "Nf_dmd", "PCNfR_dmd", "W31", "W32",
)  # fmt: skip


@pytest.mark.parametrize("name", FILE_COLUMNS)
def test_canonical_names_map_to_themselves(name):
    assert resolve_alias(name) == name


@pytest.mark.parametrize(
    ("spelling", "name"),
    [
        *[(word, "unit") for word in ("engine", "Unit Number", "unit_nr", "engine_id", "ID")],
        *[(word, "cycle") for word in ("time_cycles", "time, in cycles", "Cycles", "time")],
        *[
            (word, "setting_2")
            for word in ("setting2", "op_setting_2", "Operational Setting 2", "os_2", "mach")
        ],
        *[
            (word, "sensor_11")
            for word in ("sensor11", "s_11", "S11", "Sensor Measurement 11", "sm_11", "Ps30")
        ],
        ("sensor_07", "sensor_7"),
        ("s_1", "sensor_1"),
    ],
)
def test_usual_aliases(spelling, name):
    assert resolve_alias(spelling) == name


def test_the_symbols_are_the_sensors_in_the_order_of_the_files():
    assert [resolve_alias(symbol) for symbol in SYMBOLS] == [f"sensor_{i}" for i in range(1, 22)]
    assert [resolve_alias(word) for word in ("altitude", "Mach", "TRA")] == list(COLUMNS[:3])


@pytest.mark.parametrize(
    "name", ["RUL", "sensor_22", "sensor_0", "setting_4", "s", "", "sensor", "sensor_1a", "date"]
)
def test_unknown_names_map_to_nothing(name):
    assert resolve_alias(name) is None


@given(st.text(max_size=12))
def test_any_text_maps_to_a_canonical_name_or_nothing(text):
    assert resolve_alias(text) in (None, *FILE_COLUMNS)


@given(st.permutations(FILE_COLUMNS))
def test_columns_are_found_in_any_order(header):
    assert {
        name: header[i] for name, i in find_columns(header, ColumnRequest(COLUMNS), "f").items()
    } == {name: name for name in FILE_COLUMNS}


def test_only_required_columns_must_exist():
    assert find_columns(["engine", "RUL", "time", "s2"], ColumnRequest(["sensor_2"]), "f") == {
        "unit": 0,
        "cycle": 2,
        "sensor_2": 3,
    }


def test_a_canonical_name_has_precedence_and_two_aliases_are_refused():
    assert find_columns(["id", "unit", "cycle"], ColumnRequest([]), "f")["unit"] == 1
    with pytest.raises(DataError) as caught:
        find_columns(["id", "engine", "cycle"], ColumnRequest([]), "f.csv")
    assert str(caught.value) == (
        "f.csv: the columns 'id' and 'engine' both mean unit; rename or remove one, or "
        "choose with --engine (data.engine)"
    )
    with pytest.raises(DataError, match="both mean cycle"):
        find_columns(["unit", "cycle", "cycle"], ColumnRequest([]), "f")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            ["unit", "cycle", "sensr_2"],
            "the column sensor_2 is missing; the nearest present is 'sensr_2'",
        ),
        (["cycle", "sensor_2"], "the column unit is missing; found 'cycle', 'sensor_2'"),
        (["a", "b"], "the column unit is missing (as are cycle, sensor_2); found 'a', 'b'"),
        (["unit", "cycle", "\x1b[1m"], "the column sensor_2 is missing; found 'unit', 'cycle', "),
    ],
)
def test_a_missing_column_is_named_with_those_found(header, message):
    with pytest.raises(DataError) as caught:
        find_columns(header, ColumnRequest(["sensor_2"]), "f.csv")
    assert str(caught.value).startswith(f"f.csv: {message}")
    assert str(caught.value).isprintable()


def test_many_missing_columns_are_not_all_named():
    with pytest.raises(DataError) as caught:
        find_columns(["unit", "cycle", *"abcdefgh"], ColumnRequest(COLUMNS), "f")
    assert "sensor_3 …)" in str(caught.value)
    assert str(caught.value).endswith("'d' …")


GIVEN = {"unit": "asset", "cycle": "hour"}


def test_configured_names_are_used_verbatim():
    header = ["time", " hour", "asset", "id", "s2", "Temp"]
    found = find_columns(header, ColumnRequest(["time", "Temp"], key_columns=GIVEN), "f")
    assert found == {"unit": 2, "cycle": 1, "time": 0, "Temp": 5}
    with pytest.raises(DataError, match="column temp is missing; the nearest present is 'Temp'"):
        find_columns(header, ColumnRequest(["temp"], key_columns=GIVEN), "f")
    with pytest.raises(DataError, match="f: the column asset is missing; the nearest present"):
        find_columns(["assets", "hour"], ColumnRequest([], key_columns=GIVEN), "f")


def test_a_configured_name_takes_no_column_of_another():
    header = ["engine", "time", "time_cycles"]  # 'time' is a sensor here, and no cycle
    assert find_columns(header, ColumnRequest(["time"]), "f") == {"unit": 0, "time": 1, "cycle": 2}
    with pytest.raises(DataError, match="the columns 'a' and 'a ' both mean a; rename"):
        find_columns(["unit", "cycle", "a", "a "], ColumnRequest(["a"]), "f")


def test_optional_columns_are_found_and_unused_ones_may_be_duplicates():
    header = ["unit", "cycle", "s1", "sensor1", "T24"]
    assert find_columns(header, ColumnRequest([], optional=["sensor_2"]), "f") == {
        "unit": 0,
        "cycle": 1,
        "sensor_2": 4,
    }


@pytest.mark.parametrize("name", ["s2.1", "s_1_1", "sensor 1.0", "s2-1", "op 1.2", "T2.4"])
def test_punctuation_between_digits_is_not_ignored(name):
    assert resolve_alias(name) is None


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("machine_id", "unit"), ("MachineID", "unit"), ("dataset_id", "unit"), ("unit_nr", "unit"),
        ("SensorMeasure1", "sensor_1"), ("OpSet3", "setting_3"), ("sensor1", "sensor_1"),
        ("os_1", "setting_1"), ("s_21", "sensor_21"), ("sensor_measurement_04", "sensor_4"),
    ],
)  # fmt: skip
def test_headers_of_public_copies(name, column):
    assert resolve_alias(name) == column
