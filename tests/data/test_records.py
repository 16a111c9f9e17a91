"""Records of a user's file in any row order, and the reports about them."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.data.columns import COLUMNS
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.data.records import ALLOW_GAPS, read_file, read_records
from cmapss_rul.system.errors import DataError
from tests.data._fleets import SIX, fleet_of
from tests.data._texts import fleet_text

CONFIG = DataConfig(columns=("sensor_2",))
ONE = Preprocessor.fit(fleet_of(30), CONFIG)
SEVERAL = Preprocessor.fit(fleet_of(30, conditions=SIX), CONFIG)
INDEX = COLUMNS.index("sensor_2")


def read(*rows, header="unit,cycle,sensor_2", preprocessor=ONE, gaps=ALLOW_GAPS, config=CONFIG):
    content = "\n".join([header, *rows]).encode()
    known = None if preprocessor is None else preprocessor.conditions
    return read_records(content, "f.csv", config, known, gaps=gaps)


def refused(*rows, **options):
    with pytest.raises(DataError) as caught:
        read(*rows, **options)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_engines_keep_the_order_of_the_file_and_cycles_rise():
    records = read("9,2,5", "4,1,6", "9,1,7")
    assert records.names == [9, 4]
    assert records.fleet.engine.tolist() == [1, 1, 2]
    assert records.fleet.cycle.tolist() == [1, 2, 1]
    assert records.fleet.values[:, INDEX].tolist() == [7, 5, 6]
    assert records.fleet.lengths.tolist() == [2, 1]
    assert records.missing_cycles.tolist() == [0, 0, 0]


@given(st.permutations(range(12)))
def test_shuffled_rows_make_the_same_records(order):
    rows = [f"e{engine},{cycle},{engine}.{cycle}" for engine in (7, 8, 9) for cycle in range(1, 5)]
    plain, shuffled = read(*rows), read(*(rows[i] for i in order))
    for number, name in enumerate(shuffled.names, 1):
        own = shuffled.fleet.select_engines(np.array([number]))
        of_plain = plain.fleet.select_engines(np.array([plain.names.index(name) + 1]))
        assert (own.cycle == of_plain.cycle).all()
        assert (own.values == of_plain.values).all()


@pytest.mark.parametrize(
    ("written", "names"),
    [
        (("1", "20", "-7", "0"), [1, 20, -7, 0]),
        (("0014711", "14712"), ["0014711", "14712"]),
        (("7", "07"), ["7", "07"]),
        (("7", "7.0", "+7"), ["7", "7.0", "+7"]),
        (("-0", "0"), ["-0", "0"]),
        (("1", "x 1"), ["1", "x 1"]),
        (("9" * 19, "1"), ["9" * 19, "1"]),
    ],
)
def test_engine_names_are_the_text_in_the_file(written, names):
    records = read(*(f"{name},1,{i}" for i, name in enumerate(written)))
    assert records.names == names
    assert [type(name) for name in records.names] == [type(name) for name in names]
    assert records.fleet.values[:, INDEX].tolist() == list(range(len(written)))


@pytest.mark.parametrize(
    ("column", "names"),
    [
        (["0014711", "07", "7"], ["0014711", "07", "7"]),
        (["3", "1", "2"], [3, 1, 2]),
        ([3, 1, 2], [3, 1, 2]),
        ([3.0, 1.0, 2.0], [3, 1, 2]),
        ([3.5, 1.0, 1e20], ["3.5", "1.0", "1e+20"]),
    ],
)
@pytest.mark.parametrize("parquet", [False, True])
def test_engines_of_frames_and_parquet(column, names, parquet):
    frame = pd.DataFrame({"unit": column, "cycle": 1, "sensor_2": 5.0})
    if parquet:
        pytest.importorskip("pyarrow")
        frame = frame.to_parquet()
    assert read_records(frame, "f", CONFIG, ONE.conditions).names == names


def test_a_record_may_start_late_and_keeps_its_own_count():
    records = read("1,11,5", "1,12,5")
    assert records.fleet.cycle.tolist() == [11, 12]
    assert records.missing_cycles.tolist() == [0, 0]


def test_a_gap_is_refused_or_counted():
    rows = ("1,1,5", "1,2,5", "2,1,5", "2,4,5", "2,5,5", "2,7,5", "3,1,5")
    assert refused(*rows) == (
        "f.csv, line 5: found cycle 4 of engine 2 after cycle 1, expected no gap; "
        "use --allow-gaps (allow_gaps=True in Python) to predict anyway; the result is marked"
    )
    assert read(*rows, gaps=None).missing_cycles.tolist() == [0, 0, 0, 2, 2, 3, 0]


@pytest.mark.parametrize("options", [{}, {"gaps": None}])
def test_a_duplicate_cycle_is_refused(options):
    assert refused("a,1,5", "b,1,5", "a,2,5", "a,1,6", **options) == (
        "f.csv, lines 2 and 5: found cycle 1 of engine a twice, expected each cycle once"
    )


@pytest.mark.parametrize("cycle", ["0", "-1", "1.5", "2e9"])
def test_cycles_are_integers_from_1(cycle):
    assert f"line 2: found cycle {float(cycle):.15g}, expected a whole number from 1 on" in refused(
        f"1,{cycle},5"
    )


def test_an_engine_has_a_name():
    assert refused("1,1,5", " ,1,5").startswith("f.csv, line 3: found no name of the engine")


def test_settings_are_required_to_distinguish_conditions():
    assert refused("1,1,5", preprocessor=SEVERAL).startswith("f.csv: the column setting_1 is")
    header = "unit,cycle,sensor_2,setting_1,setting_2,setting_3"
    records = read("1,1,5,20,0.7,100", header=header, preprocessor=SEVERAL)
    assert records.has_condition_columns
    assert records.fleet.values[0, :3].tolist() == [20, 0.7, 100]


def test_a_model_of_one_condition_needs_no_settings():
    records = read("1,1,5")
    assert not records.has_condition_columns
    assert not ONE.unknown_condition(records.fleet).any()
    some = read("1,1,5,33", header="unit,cycle,sensor_2,setting_1")
    assert not some.has_condition_columns
    assert ONE.unknown_condition(some.fleet).all()


def test_c_mapss_text_is_accepted():
    records = read_records(fleet_text(3, 2, value="0").encode(), "f", CONFIG, ONE.conditions)
    assert records.names == [1, 2]
    assert records.has_condition_columns


def test_an_unreadable_file(tmp_path):
    with pytest.raises(DataError, match="nothing: cannot be read: No such file"):
        read_file(tmp_path / "nothing")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_file(tmp_path)
    (tmp_path / "a").write_bytes(b"x")
    assert read_file(tmp_path / "a") == b"x"


def numbered(count=30, **columns):
    """Three machines with rows numbered from 1."""
    cycle = np.tile(np.arange(1, count // 3 + 1), 3)
    frame = pd.DataFrame({"id": np.arange(1, count + 1), "cycle": cycle, "sensor_2": 5.0})
    return frame.assign(**{"pump": np.repeat(["a", "b", "c"], count // 3), **columns})


@pytest.mark.parametrize("shuffled", [False, True])
def test_a_row_number_is_not_taken_for_the_engine(shuffled):
    frame = numbered(site="north", level=7)
    frame = frame.sample(frac=1, random_state=0) if shuffled else frame
    for content in (frame, frame.to_csv(index=False).encode()):
        with pytest.raises(DataError) as caught:
            read_records(content, "f", CONFIG, ONE.conditions)
        assert str(caught.value) == (
            "f: found a single row of nearly every engine in the column of engines; perhaps 'pump' "
            "names the engines: choose one with --engine (data.engine)"
        )
        chosen = CONFIG.model_copy(update={"engine": "pump"})
        assert sorted(read_records(content, "f", chosen, ONE.conditions).names) == ["a", "b", "c"]


def test_single_rows_per_engine_are_accepted_without_a_better_candidate():
    rows = numbered(cycle=np.random.default_rng(0).permutation(30) + 1)
    assert len(read_records(rows, "f", CONFIG, ONE.conditions).names) == 30
    without = numbered().drop(columns="pump")
    assert len(read_records(without, "f", CONFIG, ONE.conditions).names) == 30


def test_cycles_from_the_order_of_times():
    config = CONFIG.model_copy(update={"cycle_from_order": True})
    rows = ("b,24.5,1", "a,0.5,2", "b,3,3", "a,-7,4", "b,24.25,5")
    records = read(*rows, config=config)
    assert records.names == ["b", "a"]
    assert records.fleet.cycle.tolist() == [1, 2, 3, 1, 2]
    assert records.fleet.values[:, INDEX].tolist() == [3, 5, 1, 4, 2]
    assert records.missing_cycles.tolist() == [0] * 5
    assert refused("a,1,2", "b,1,3", "a,1.0,4", config=config) == (
        "f.csv, lines 2 and 4: found the same time of engine a twice, expected each time once"
    )
    assert refused("a,24.5,1") == (
        "f.csv, line 2: found cycle 24.5, expected a whole number from 1 on; for running hours "
        "set data.unit to hours, or --cycle-from-order (data.cycle_from_order) takes the rows of "
        "an engine in the order of their times as its cycles"
    )
