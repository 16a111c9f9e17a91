"""Empty cells, gaps and other time units in own fleets."""

import numpy as np
import pandas as pd
import pytest

from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fleet import hold_last
from cmapss_rul.data.labels import run_to_failure_rul
from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.data.records import read_records
from cmapss_rul.data.split import SplitConfig
from cmapss_rul.data.testset import read_test_set
from cmapss_rul.system.errors import DataError
from tests.data._fleets import fleet_of

NAN = np.nan
TEXT = """asset,t,temp,vib
a,1,10,1
a,2,,2
a,3,NA,3
a,4,40,4
b,2,60,
b,1,50,5
b,3,,null
"""


def config_of(**data) -> DataConfig:
    plain = {"train": "my.csv", "engine": "asset", "cycle": "t", "sensors": ["temp", "vib"]}
    return DataConfig.model_validate({**plain, "conditions": {"name": "none"}, **data})


def read(text=TEXT, **data):
    return read_records(text.encode(), "my.csv", config_of(**data))


def refusal(text=TEXT, **data) -> str:
    with pytest.raises(DataError) as caught:
        read(text, **data)
    return str(caught.value)


def test_values_are_held_within_an_engine_and_up_to_the_limit():
    fleet = fleet_of(5, 3)
    fleet.values[:, 0] = [1, NAN, NAN, NAN, 5, NAN, 7, NAN]
    held = hold_last(fleet, 2)
    np.testing.assert_array_equal(fleet.values[:, 0], [1, 1, 1, NAN, 5, NAN, 7, 7])
    assert np.flatnonzero(held[:, 0]).tolist() == [1, 2, 7]
    assert not held[:, 1:].any()


@pytest.mark.parametrize("frame", [False, True])
def test_empty_cells_are_held_in_the_order_of_the_cycles(frame):
    content = TEXT.encode()
    if frame:
        content = pd.read_csv(pd.io.common.BytesIO(content))
    records = read_records(content, "my.csv", config_of(missing="hold"))
    assert records.fleet.values.tolist() == [
        [10, 1], [10, 2], [10, 3], [40, 4], [50, 5], [60, 5], [60, 5],
    ]  # fmt: skip
    assert records.fleet.held.tolist() == [
        [False, False], [True, False], [True, False], [False, False],
        [False, False], [False, True], [True, True],
    ]  # fmt: skip


def test_an_empty_cell_is_refused_by_default_with_a_remedy():
    assert refusal() == (
        "my.csv, line 3: found nothing in column 3 (temp), expected a finite number (of at most "
        "1e+30); training with data.missing=hold repeats the engine's last value"
    )


def test_beyond_the_limit_and_without_a_first_value():
    assert refusal(missing="hold", max_hold=1) == (
        "my.csv, line 4: found nothing in column temp of engine a, expected a value there or in "
        "one of the 1 rows before (data.max_hold); fill it, leave these rows out, or train with "
        "a larger data.max_hold"
    )
    first = read(missing="hold").fleet.select_engines(np.array([2]))
    assert first.held.sum() == 3
    assert "line 2: found nothing in column temp of engine a" in refusal(
        TEXT.replace("a,1,10,1", "a,1,,1"), missing="hold"
    )


@pytest.mark.parametrize("cell", ["inf", "1e999", "hot", "1,5"])
def test_other_invalid_cells_are_refused_under_hold_too(cell):
    assert "line 3: found" in refusal(TEXT.replace("a,2,,2", f"a,2,{cell},2"), missing="hold")


@pytest.mark.parametrize("row", ["a,,1,1", ",2,1,1"])
def test_engine_and_cycle_are_never_empty(row):
    assert "my.csv, line 9: found no" in refusal(TEXT + row + "\n", missing="hold")


def test_the_rul_follows_the_cycles_across_a_gap():
    text = "asset,t,temp,vib\n" + "".join(f"a,{t},{t},1\n" for t in (3, 4, 7, 9))
    assert "expected no gap; fill the gap, leave the engine out, or set data.gaps" in refusal(text)
    records = read(text, gaps="keep")
    assert run_to_failure_rul(records.fleet).tolist() == [6, 5, 2, 0]
    assert records.missing_cycles.tolist() == [0, 0, 2, 3]


HOURS = "asset,t,temp,vib\n" + "".join(f"a,{t},1,1\nb,{t + 0.25},2,1\n" for t in (0, 8.5, 24.5))


def test_hours_have_an_rul_in_hours():
    assert "line 2: found cycle 0, expected a whole number from 1 on" in refusal(HOURS)
    assert "8.5, expected a whole number from 1 on; for running hours set data.unit to hours" in (
        refusal(HOURS.replace("a,0,1,1\n", "").replace("b,0.25,2,1\n", ""))
    )
    records = read(HOURS, unit="hours")
    assert records.fleet.cycle.tolist() == [0, 8.5, 24.5, 0.25, 8.75, 24.75]
    assert run_to_failure_rul(records.fleet).tolist() == [24.5, 16, 0, 24.5, 16, 0]
    assert not records.missing_cycles.any()
    preprocessor = Preprocessor.fit(records.fleet, config_of(unit="hours"))
    assert preprocessor.cycle_unit == 24.625
    counts = preprocessor.transform(records.fleet)[:, -1]
    np.testing.assert_allclose(counts, records.fleet.cycle / 24.625, rtol=1e-6)


def test_duplicate_and_negative_times_are_refused():
    assert "found hour 8.5 of engine a twice, expected each hour once" in refusal(
        HOURS.replace("a,24.5", "a,8.5"), unit="hours"
    )
    assert "line 2: found -3 hours, expected 0 to" in refusal(
        HOURS.replace("a,0,", "a,-3,"), unit="hours"
    )


@pytest.mark.parametrize("key", ["rul_column", "rul_file"])
def test_the_rul_of_test_records_may_be_in_hours(tmp_path, key):
    (tmp_path / "test.csv").write_text(
        "asset,t,temp,vib,left\na,0.1,1,1,16.7\na,9.3,2,1,7.5\nb,4,1,1,1\n"
    )
    (tmp_path / "rul.txt").write_text("7.5\n1\n")
    keys = {"rul_column": "left"} if key == "rul_column" else {"rul_file": "rul.txt"}
    config = config_of(test="test.csv", unit="hours", **keys)
    found = read_test_set(config.moved_to(tmp_path), SplitConfig())
    assert found.rul.tolist() == [7.5, 1.0]
    with pytest.raises(DataError, match="expected a"):
        read_test_set(config_of(test="test.csv", **keys).moved_to(tmp_path), SplitConfig())


def test_c_mapss_counts_cycles():
    with pytest.raises(ValueError, match="unit is 'hours', but C-MAPSS counts cycles"):
        DataConfig(unit="hours")
