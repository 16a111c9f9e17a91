"""Inference of the columns of a file, and the reasons for omitting some."""

import io

import numpy as np
import pandas as pd
import pytest

from cmapss_rul.data.column_inference import NumericColumn, infer_columns
from cmapss_rul.data.columns import SETTINGS
from cmapss_rul.data.split import SplitConfig
from cmapss_rul.system.errors import DataError, UsageError
from tests.data._fleets import SIX
from tests.data._own import HEADER, LIVES, own_rows, write_own


def held_out_by_default():
    """Names of the engines that split.test holds out by default."""
    names = list(LIVES)
    return {names[i - 1] for i in SplitConfig().hold_out_test(np.arange(1, len(names) + 1))[1]}


def infer(tmp_path, **options):
    path = write_own(tmp_path / "my.csv")
    return infer_columns(path.read_bytes(), "my.csv", **options)


def test_the_columns_of_an_own_file(tmp_path):
    found = infer(tmp_path, engine="asset", cycle="hour")
    assert (found.engine, found.cycle) == ("asset", "hour")
    aside = held_out_by_default()
    assert (found.engines, len(aside)) == (8, 2)
    assert found.lives.tolist() == [life for name, life in LIVES.items() if name not in aside]
    # the temperature jumps with the load
    assert [column.name for column in found.settings] == ["load %"]
    assert [column.name for column in found.sensors] == ["temp", "vib"]
    rows = [row.split(",") for row in own_rows()]
    values = np.array([row[3] for row in rows if row[0] not in aside], dtype=float)
    assert (found.sensors[0].low, found.sensors[0].high) == (values.min(), values.max())
    assert found.left_out == [("site", "has values other than numbers")]
    assert (found.decimals, found.conditions) == ([0], 2)


def test_held_out_engines_have_no_influence(tmp_path):
    def with_odd(names):
        rows = own_rows(lambda name, _: 1e6 * (name in names))
        content = write_own(tmp_path / "odd.csv", rows).read_bytes()
        return infer_columns(content, "odd.csv", engine="asset", cycle="hour").sensors

    aside = held_out_by_default()
    assert with_odd(aside) == with_odd([])
    assert with_odd(LIVES.keys() - aside) != with_odd([])


def test_engine_and_cycle_are_found_by_usual_names_or_given(tmp_path):
    with pytest.raises(UsageError) as caught:
        infer(tmp_path)
    assert str(caught.value) == (
        "my.csv: the column unit is missing (as is cycle); found 'asset', 'hour', 'load %', "
        "'temp', 'vib', 'site'; name the columns of engine and cycle with --engine and --cycle"
    )
    with pytest.raises(UsageError, match="the column asse is missing; the nearest present is 'ass"):
        infer(tmp_path, engine="asse", cycle="hour")


def test_an_invalid_cell_is_refused():
    huge = ("a,b\n1,2\n" + '"' + "9" * 200_000).encode()
    with pytest.raises(DataError, match=r"f, line \d+: found an invalid row \(field larger"):
        infer_columns(huge, "f", engine="a", cycle="b")


def test_duplicate_column_names_are_omitted():
    found = infer_columns(
        b"a,b,t,t ,u\n1,1,2,3,4\n1,2,3,4,5\n2,1,4,5,6\n", "f", engine="a", cycle="b"
    )
    assert [column.name for column in found.sensors] == ["u"]
    assert found.left_out == [("t", "occurs more than once in the header; rename it")] * 2


def test_a_setting_whose_range_has_no_logarithm():
    content = b"a,b,setting,t\n1,1,0,3\n1,2,2.5e-324,4\n2,1,0,5\n"
    assert infer_columns(content, "f", engine="a", cycle="b").conditions == 1


def rows_of(count=60, **columns):
    """Two engines with one row a cycle, and further columns."""
    cycle = np.tile(np.arange(1, count // 2 + 1), 2)
    frame = pd.DataFrame({"unit": np.repeat([1, 2], count // 2), "cycle": cycle, "t": cycle**0.5})
    return frame.assign(**columns)


def found_in(frame, **options):
    return infer_columns(frame.to_csv(index=False).encode(), "f", **options)


def test_labels_and_constants_are_omitted():
    left = np.tile(np.arange(29, -1, -1), 2)
    falls = left + np.repeat([0, 5], 30)  # to another end for each engine
    frame = rows_of(RUL=left * 2, until_then=np.minimum(left, 9), one=1.5, falls=falls)
    assert dict(found_in(frame).left_out) == {
        "RUL": "seems to be the label, which would leave nothing to learn",
        "until_then": "seems to be the label, which would leave nothing to learn",
        "one": "is always 1.5",
    }


def test_settings_are_recognised_by_name_and_their_grid_by_values():
    names = ["altitude ft", "Mach", "op_setting_3"]
    six = np.array(SIX)[np.arange(60) % 6] + np.random.default_rng(0).normal(0, 1e-3, (60, 3))
    found = found_in(rows_of(**dict(zip(names, six.T, strict=True))))
    assert [column.name for column in found.settings] == names
    assert (found.decimals, found.conditions) == ([0, 2, 0], 6)


@pytest.mark.parametrize(
    "values",
    [np.linspace(-0.0087, 0.0087, 60), np.arange(60) % 13 / 1e4 - 6e-4, np.linspace(0, 42, 60)],
    ids=["noise", "noise in steps", "a continuum"],
)
def test_a_setting_that_varies_freely_makes_no_conditions(values):
    assert found_in(rows_of(setting_1=values)).conditions == 1


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (np.tile([20.1, 49.8, 80.2], 40), 3),
        (np.tile([0.0, 1.0], 60), 2),
        (np.arange(120.0), 1),
        (np.linspace(-1e-12, 1e12, 120), 1),
    ],
)
def test_columns_of_few_levels(values, levels):
    column = NumericColumn.from_values("load", values)
    assert (column.low, column.high, column.levels) == (values.min(), values.max(), levels)


def test_text_and_parquet():
    pytest.importorskip("pyarrow")
    text = "".join(
        f"{e} {c} " + " ".join(str((e + c) * i % 7) for i in range(24)) + "\n"
        for e in (1, 2)
        for c in range(1, 20)
    )
    found = infer_columns(text.encode(), "f")
    assert [column.name for column in found.settings] == [*SETTINGS[1:]]  # the first is always 0
    frame, file = rows_of(flag=True, name="a").set_index(["unit", "cycle"]), io.BytesIO()
    frame.to_parquet(file)
    found = infer_columns(file.getvalue(), "f")
    assert [column.name for column in found.sensors] == ["t"]
    assert [name for name, _ in found.left_out] == ["flag", "name"]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (rows_of()[["unit", "cycle"]], "found no numeric column besides engine and cycle"),
        (rows_of(t=1.0), "found no numeric column that varies, for sensors"),
        (pd.concat([rows_of(), rows_of()]), "lines 2 and 62: found cycle 1 of engine 1 twice"),
        (rows_of().drop(index=4), "found cycle 6 of engine 1 after cycle 4, expected no gap"),
    ],
)
def test_unusable_files_are_refused(frame, message):
    with pytest.raises(DataError, match=message):
        found_in(frame)


def test_a_row_number_is_not_taken_for_the_engine():
    frame = rows_of(machine=np.repeat([3, 1, 2], 20), level=7.0)
    frame = frame.assign(unit=np.arange(1, 61), cycle=np.tile(np.arange(1, 21), 3))
    for content in (frame.to_csv(index=False).encode(), frame.to_parquet(index=False)):
        with pytest.raises(DataError) as caught:
            infer_columns(content, "f")
        assert str(caught.value) == (
            "f: found a single row of nearly every engine in the column of engines; perhaps "
            "'machine' names the engines: choose one with --engine (data.engine)"
        )
        assert infer_columns(content, "f", engine="machine").engines == 3


def test_two_candidate_engine_columns_are_refused():
    with pytest.raises(UsageError) as caught:
        found_in(rows_of(machine_id=1).rename(columns={"unit": "id"}))
    assert str(caught.value) == (
        "f: the columns 'id' and 'machine_id' both mean unit; rename or remove one, or choose "
        "with --engine (data.engine)"
    )


def test_too_many_columns():
    many = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 1001))).add_prefix("s ")
    with pytest.raises(DataError, match="found 1002 numeric columns, expected at most 1000"):
        found_in(pd.concat([rows_of(), many], axis=1))


def test_a_bad_cell_in_a_column_of_numbers_is_named():
    frame = rows_of().astype({"t": object})
    frame.loc[5, "t"] = "oops"
    with pytest.raises(DataError, match=r"line 7: found 'oops' in column 3 \(t\)"):
        found_in(frame)


@pytest.mark.parametrize("line", [1, 2])
def test_an_unterminated_cell_is_refused(line):
    rows = [HEADER, *own_rows()]
    rows[line - 1] += "," + "9" * 200_000
    with pytest.raises(DataError, match=r"f, line \d+: found an invalid row \(field larger"):
        infer_columns("\n".join(rows).encode(), "f", engine="asset", cycle="hour")


def test_unusable_names_are_refused():
    header = HEADER.replace("temp", "unit").replace("vib", "")
    content = "\n".join([header, *own_rows()]).encode()
    found = infer_columns(content, "f", engine="asset", cycle="hour")
    assert found.left_out[:2] == [
        ("unit", "its name cannot be used; rename it"),
        ("", "its name cannot be used; rename it"),
    ]
