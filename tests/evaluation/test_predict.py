"""Predictions for a user's file: equal to the evaluation's, with all flags."""

import io
import json

import numpy as np
import pandas as pd
import pytest

from cmapss_rul.data.columns import COLUMNS, SENSORS
from cmapss_rul.data.records import ALLOW_GAPS, read_records
from cmapss_rul.evaluation.predict import (
    any_in_window,
    common_note,
    predict,
    predict_records,
)
from cmapss_rul.evaluation.prediction_output import to_csv, to_json, to_table, unusual_inputs
from cmapss_rul.evaluation.save import last_window_predictions
from cmapss_rul.system.errors import DataError, RulError, UsageError
from tests.data._fleets import fleet_of
from tests.evaluation._models import INTERVALS, SHIFTS, calibrated, countdown

NO_INTERVALS = "no intervals: the run was not calibrated; run rul calibrate"

HEAD = ["engine", "cycle", "cycles_seen", "rul", "rul_lower", "rul_upper", "health"]
TAIL = ["padded", "condition_known", "sensors_out_of_range", "note"]


@pytest.fixture(scope="module")
def frame(fleet_dir):
    """The test file as a table with a header."""
    names = ["unit", "cycle", *COLUMNS]
    return pd.read_csv(fleet_dir / "test_FD001.txt", sep=r"\s+", header=None, names=names)


def records_of(model, content, *, allow_gaps=False):
    if isinstance(content, pd.DataFrame):
        content = content.to_csv(index=False).encode()
    return read_records(
        content,
        "f",
        model.config.data,
        model.preprocessor.conditions,
        gaps=None if allow_gaps else ALLOW_GAPS,
    )


def predicted(model, content, *, allow_gaps=False, **options):
    return predict_records(model, records_of(model, content, allow_gaps=allow_gaps), **options)


def test_predictions_equal_those_of_the_evaluation(model, evaluation, fleet_dir):
    table = predicted(model, (fleet_dir / "test_FD001.txt").read_bytes())
    expected = last_window_predictions(evaluation)
    assert list(table) == [*HEAD, "p_0", "p_1", "p_2", *TAIL]
    np.testing.assert_allclose(table["rul"], expected["predicted_rul"], atol=1e-4)
    np.testing.assert_allclose(table["p_1"], expected["p_1"], atol=1e-6)
    for ours, theirs in (("health", "predicted_health"), ("padded", "padded")):
        assert (table[ours] == expected[theirs]).all()
    assert table["engine"].tolist() == expected["engine"].tolist()
    assert (table["cycle"] == expected["cycle"]).all()
    assert (table["cycles_seen"] == expected["cycle"]).all()


def test_predictions_at_every_cycle_equal_those_of_the_evaluation(model, evaluation, frame):
    table = predicted(model, frame, every_cycle=True)
    np.testing.assert_allclose(table["rul"], evaluation.predictions.rul, atol=1e-4)
    assert (table["cycle"] == frame["cycle"]).all()
    assert (table["padded"] == evaluation.predictions.padded).all()


def test_the_order_of_rows_columns_and_engines_is_irrelevant(model, frame):
    plain = predicted(model, frame).set_index("engine")
    shuffled = frame.sample(frac=1, random_state=0)[frame.columns[::-1]]
    table = predicted(model, shuffled).set_index("engine").loc[plain.index]
    np.testing.assert_allclose(table["rul"], plain["rul"], atol=1e-4)
    renamed = frame.assign(unit=frame["unit"].map(lambda unit: f"pump {unit}"))
    assert predicted(model, renamed)["engine"][0] == "pump 1"


def test_only_the_columns_of_the_model_are_needed(model, frame):
    plain = predicted(model, frame)
    needed = frame[["unit", "cycle", *model.preprocessor.columns]]
    table = predicted(model, needed)
    np.testing.assert_allclose(table["rul"], plain["rul"], atol=1e-4)
    assert table["condition_known"].tolist() == [None] * len(table)
    assert "the operating condition was not checked" in table["note"][0]
    assert plain["condition_known"].tolist() == [True] * len(table)


def test_a_record_that_starts_late_uses_its_own_count_and_is_flagged(model, frame):
    late = frame[frame["cycle"] > 10]
    table = predicted(countdown(model), late)
    np.testing.assert_allclose(table["rul"], np.clip(200.0 - table["cycle"], 0, 125), atol=1e-3)
    assert (table["cycles_seen"] == table["cycle"] - 10).all()
    assert table["note"].unique().tolist() == [f"the record starts at cycle 11; {NO_INTERVALS}"]


def test_a_gap_is_flagged_from_there_on(model, frame):
    gappy = frame[(frame["unit"] != 1) | ~frame["cycle"].isin([5, 6])]
    table = predicted(model, gappy, every_cycle=True, allow_gaps=True)
    marked = table["note"].str.startswith("the record lacks 2 cycles in between; ")
    assert (marked == ((table["engine"] == 1) & (table["cycle"] > 6))).all()
    single = frame[(frame["unit"] != 1) | (frame["cycle"] != 5)]
    notes = predicted(model, single, allow_gaps=True)["note"]
    assert notes[0] == f"the record lacks 1 cycle in between; {NO_INTERVALS}"
    assert notes[1] == NO_INTERVALS


def test_values_outside_the_training_range_are_named_while_in_the_window(model, frame):
    modified = frame.copy()
    names = [name for name in model.preprocessor.columns if name in SENSORS]
    modified.loc[modified["unit"] == 2, names[2]] += 1e4
    modified.loc[(modified["unit"] == 1) & (modified["cycle"] == 3), names[0]] = -5
    table = predicted(model, modified, every_cycle=True)
    words = table["sensors_out_of_range"].str.split()
    assert all(names[2] in found for found in words[table["engine"] == 2])
    first = (table["engine"] == 1) & table["cycle"].between(3, 42)  # the window is 40
    assert all(names[0] in found for found in words[first])
    before = (table["engine"] == 1) & (table["cycle"] < 3)
    assert not any(names[0] in found for found in words[before])


def test_an_unknown_condition_is_flagged(model, frame):
    strange = frame.copy()
    strange.loc[(strange["unit"] == 3) & (strange["cycle"] == 2), "setting_1"] = 33.0
    table = predicted(model, strange, every_cycle=True)
    known = ~((table["engine"] == 3) & table["cycle"].between(2, 41))
    assert (table["condition_known"] == known).all()


def test_unusual_inputs_are_counted_by_their_kind():
    table = pd.DataFrame(
        {
            "condition_known": [True, False, None, False],
            "sensors_out_of_range": ["", "sensor_3 sensor_2", "sensor_2", ""],
            "note": ["", "starts at cycle 3; stuck at one value: sensor_4", "no intervals", ""],
        }
    )
    assert list(unusual_inputs(table)) == [
        "2 of 4 predictions with an operating condition that did not occur in training",
        "2 of 4 predictions with values outside the training range: sensor_3, sensor_2",
        "1 of 4 predictions with a sensor stuck at one value",
    ]
    assert not list(unusual_inputs(table.iloc[:0]))
    usual = table.assign(condition_known=None, sensors_out_of_range="", note="")
    assert not list(unusual_inputs(usual))


def test_missing_intervals_are_noted(model, frame):
    table = predicted(model, frame)
    assert table["rul_lower"].isna().all()
    assert table["rul_upper"].isna().all()
    assert table["note"].unique().tolist() == [NO_INTERVALS]
    with pytest.raises(UsageError, match=r"has no intervals \(.*\), so none at level 0"):
        predicted(model, frame, level=0.9)


def test_intervals_are_of_the_level_nearest_to_0_9(model, frame):
    table = predicted(calibrated(countdown(model)), frame, every_cycle=True)
    lower, upper = INTERVALS.bounds(table["rul"].to_numpy(), 0.9, 125)
    assert table["rul_lower"].tolist() == lower.tolist()
    assert table["rul_upper"].tolist() == upper.tolist()
    assert ((table["rul_lower"] <= table["rul"]) & (table["rul"] <= table["rul_upper"])).all()
    assert table["note"].unique().tolist() == [
        "interval at level 0.9 from 10 validation engines: these engines also selected the epoch"
    ]


def test_another_calibrated_level_can_be_chosen(model, frame):
    model = calibrated(countdown(model), kind="calibration")
    table = predicted(model, frame, level=0.5)
    lower, _ = INTERVALS.bounds(table["rul"].to_numpy(), 0.5, 125)
    assert table["rul_lower"].tolist() == lower.tolist()
    assert table["note"].unique().tolist() == ["interval at level 0.5 from 10 calibration engines"]
    with pytest.raises(UsageError, match=r"at level 0\.7; expected one of 0\.5, 0\.8, 0\.9; to"):
        predicted(model, frame, level=0.7)
    with pytest.raises(UsageError, match=r"found level 90, expected a number between 0 and 1"):
        predicted(model, frame, level=90)


def test_the_estimate_for_the_nasa_score_changes_only_the_rul(model, frame):
    model = calibrated(countdown(model), **SHIFTS)
    table = predicted(model, frame, every_cycle=True)
    earlier = predicted(model, frame, every_cycle=True, estimate="nasa")
    expected = table["rul"] - np.maximum((np.minimum(table["rul"], 120) - 10) / 10, 1)
    assert earlier["rul"].tolist() == pytest.approx(expected.clip(lower=0).tolist())
    assert earlier["note"].unique().tolist() == [
        f"RUL with the lowest expected NASA score; {table['note'][0]}"
    ]
    others = [name for name in table if name not in ("rul", "note")]
    pd.testing.assert_frame_equal(earlier[others], table[others])
    assert json.loads(to_json(earlier, model, None, "nasa"))["model"]["estimate"] == "nasa"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "calibrated by an older version, or not at all; run rul calibrate "),
        ({"engines": [1, 2, 3]}, "found 3 calibration engines, expected at "),
    ],
)
def test_a_model_without_that_estimate_gives_a_reason(model, frame, changes, reason):
    with pytest.raises(UsageError, match=f"no estimate for the NASA score: .*{reason}"):
        predicted(calibrated(model, **changes), frame, estimate="nasa")


def test_a_stuck_sensor_is_noted(model, frame):
    of_unit = frame["unit"] == 3
    rows = frame[of_unit].index[-30:]
    value = frame["sensor_11"].where(~frame.index.isin(rows), frame["sensor_11"][rows[0]])
    notes = predicted(model, frame.assign(sensor_11=value))["note"]
    assert notes[2] == f"stuck at one value: sensor_11; {NO_INTERVALS}"
    assert list(notes.drop(2)) == list(predicted(model, frame)["note"].drop(2))


def test_too_few_engines_for_any_level_are_noted(model, frame):
    table = predicted(calibrated(model, engines=[1, 2], levels=[], quantiles=[]), frame)
    assert table["rul_upper"].isna().all()
    assert table["note"].unique().tolist() == [
        "no intervals: 2 calibration engines for levels 0.8, 0.9, 0.95, of which 0.8 needs at "
        "least 4"
    ]


def test_a_non_finite_prediction_is_refused_by_engine_name(model, frame):
    named = frame.assign(unit=frame["unit"].map(lambda unit: f"pump {unit}"))
    with pytest.raises(RulError, match=r"for engine pump 1, cycle \d+ is not a finite number"):
        predicted(countdown(model, float("nan")), named)


def text_of(table):
    return table.to_csv(index=False)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame,
        lambda frame: frame.set_index(["unit", "cycle"]),
        lambda frame: frame.set_index("unit", drop=False),
        lambda frame: frame.rename(columns={"unit": "Engine ID", "sensor_2": "T24"}),
        lambda frame: frame.assign(unit=frame["unit"].astype("category")),
        lambda frame: frame.set_axis(range(26), axis=1),
        lambda frame: frame.sample(frac=1, random_state=1).sort_values("unit", kind="stable"),
    ],
    ids=["named", "index", "index-too", "aliases", "category", "without-header", "shuffled"],
)
def test_a_data_frame_gives_the_same_as_its_file(model, frame, fleet_dir, change):
    before = change(frame)
    given = before.copy()
    found = predict(model, given)
    assert text_of(found) == text_of(predict(model, fleet_dir / "test_FD001.txt"))
    pd.testing.assert_frame_equal(given, before)  # the caller's own frame stays as it was


def test_a_path_a_model_and_bytes_give_the_same(model, fleet_dir):
    path = fleet_dir / "test_FD001.txt"
    expected = text_of(predict(model, path))
    assert text_of(predict(model.path, str(path))) == expected
    assert text_of(predict(str(model.path.parent), path.read_bytes())) == expected


def test_errors_in_a_data_frame_name_the_row(model, frame):
    hole = frame.astype({"sensor_2": object})
    hole.loc[4, "sensor_2"] = "much"
    with pytest.raises(DataError, match=r"the data frame, row 5: found 'much' in column 7 \(sens"):
        predict(model, hole)
    with pytest.raises(DataError, match="fleet: found no rows"):
        predict(model, frame[:0], name="fleet")
    with pytest.raises(DataError, match="the column sensor_2 is missing"):
        predict(model, frame.drop(columns="sensor_2"))
    gappy = frame.drop(index=2)
    with pytest.raises(DataError, match="allow_gaps=True"):
        predict(model, gappy)
    assert predict(model, gappy, allow_gaps=True)["note"][0].startswith("the record lacks 1 cycle")


def test_marks_any_in_windows_by_hand():
    fleet = fleet_of(4, 3)
    marks = np.array([[1, 0], [0, 0], [0, 0], [0, 1], [0, 0], [1, 0], [0, 0]], dtype=bool)
    found = any_in_window(marks, fleet, np.arange(7), 2)
    assert found[:, 0].tolist() == [True, True, False, False, False, True, True]
    assert found[:, 1].tolist() == [False, False, False, True, False, False, False]
    assert any_in_window(marks, fleet, np.array([3, 6]), 9).tolist() == [
        [True, True],
        [True, False],
    ]


def test_the_csv_has_three_decimals_or_all_digits(model, frame):
    table = predicted(model, frame)
    text = to_csv(table, full_precision=True)
    again = pd.read_csv(io.StringIO(text))
    assert (again["rul"] == table["rul"]).all()
    assert again["rul_lower"].isna().all()
    assert again["padded"].tolist() == table["padded"].tolist()
    assert text.count("\n") == len(table) + 1
    short = pd.read_csv(io.StringIO(to_csv(table)))
    for name in ("rul", "p_0", "p_1", "p_2"):
        assert (short[name] == table[name].round(3)).all()
        assert (short[name] != table[name]).any()
    assert short["rul_lower"].isna().all()
    assert short["note"].tolist() == table["note"].tolist()


def test_bounds_have_three_decimals_too(model, frame):
    table = predicted(calibrated(countdown(model)), frame, every_cycle=True)
    table["rul_lower"] = table["rul_lower"] + 0.00049
    assert pd.read_csv(io.StringIO(to_csv(table)))["rul_lower"].tolist() == [
        round(value, 3) for value in table["rul_lower"]
    ]


def test_the_terminal_table_has_one_decimal_and_a_common_note_once(model, frame):
    model = calibrated(countdown(model))
    late = frame[(frame["unit"] != 1) | (frame["cycle"] > 2)]
    table, common = predicted(model, late), common_note(model, records_of(model, late))
    drawn = to_table(table, model, common)
    assert drawn.notes[0].startswith("Interval at level 0.9 from 10 validation engines")
    assert not any("level 0.9" in cell for row in drawn.rows for cell in row)
    assert drawn.rows[0][2:4] == [
        f"{table['rul'][0]:.1f}", f"{table['rul_lower'][0]:.1f}–{table['rul_upper'][0]:.1f}",
    ]  # fmt: skip
    assert drawn.rows[0][-1].startswith("the record starts at cycle 3")
    assert "starts" not in drawn.rows[1][-1]
    padded = [("shorter than the window" in row[-1]) for row in drawn.rows]
    assert padded == table["padded"].tolist()


def test_the_json_is_strict_and_describes_the_model(model, frame):
    table = predicted(model, frame.drop(columns="setting_1"))
    found = json.loads(to_json(table, model), parse_constant=pytest.fail)
    assert list(found) == ["model", "predictions"]
    assert found["model"]["checkpoint"] == str(model.path)
    assert (found["model"]["window"], found["model"]["cap"]) == (40, 125)
    assert found["model"]["intervals"] is None
    first = found["predictions"][0]
    assert list(first) == list(table)
    assert first["engine"] == 1
    assert first["rul"] == table["rul"][0]
    assert first["rul_lower"] is None
    assert first["condition_known"] is None
    assert isinstance(first["padded"], bool)


def test_the_json_describes_level_and_calibration(model, frame):
    model = calibrated(model)
    for level, expected in ((None, 0.9), (0.5, 0.5)):
        table = predicted(model, frame, level=level)
        found = json.loads(to_json(table, model, level), parse_constant=pytest.fail)
        assert found["model"]["intervals"]["level"] == expected
        assert found["model"]["intervals"]["mark"] == "these engines also selected the epoch"
        assert found["predictions"][0]["rul_upper"] == table["rul_upper"][0]
