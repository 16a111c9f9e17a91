"""`rul check`: a file like the training data passes, a shifted sensor does not."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from cmapss_rul.data.columns import FILE_COLUMNS
from cmapss_rul.display.text import json_text
from cmapss_rul.evaluation import check as module
from cmapss_rul.evaluation.check import check, to_table
from cmapss_rul.system.errors import CheckpointError
from tests.evaluation._models import calibrated, countdown


@pytest.fixture(scope="module")
def frame(fleet_dir):
    rows = np.loadtxt(fleet_dir / "test_FD001.txt")
    return pd.DataFrame(rows, columns=list(FILE_COLUMNS))


def test_the_test_file_of_the_fleet_passes(model, fleet_dir):
    found = check(model, fleet_dir / "test_FD001.txt")
    assert found.ok
    assert (found.engines, len(found.distances)) == (20, 14)
    assert {part.limit for part in found.distances} == {0.5}
    assert found.shares[0].found == 0
    table = to_table(found)
    assert table.notes[1].startswith("Within all limits")
    assert json.loads(json_text(found.as_dict()))["ok"] is True


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_sensor_shifted_by_one_deviation_is_too_far(model, frame, sign):
    place = model.preprocessor.columns.index("sensor_4")
    moved = frame.assign(
        sensor_4=frame["sensor_4"] + sign / model.preprocessor.scaler.factor[0, place]
    )
    found = check(model, moved, name="moved")
    assert [part.column for part in found.distances if not part.ok] == ["sensor_4"]
    assert not found.ok
    table = to_table(found)
    assert (table.rows[0][0], table.rows[0][-1]) == ("sensor_4", "too far")
    assert table.notes[1].startswith("Beyond a limit: do not trust predictions of")


def test_few_engines_have_a_wider_limit(model, frame):
    found = check(model, frame[frame["unit"] <= 4])
    assert {part.limit for part in found.distances} == {1.0}  # 2 ÷ √4


def test_unknown_conditions_and_short_records(model, frame):
    odd = frame.assign(setting_3=np.where(frame["unit"] == 1, 60, 100))
    found = check(model, odd)
    assert found.shares[0].found == pytest.approx((frame["unit"] == 1).mean())
    assert not found.shares[0].ok
    short = check(model, frame[frame["cycle"] < 10])
    assert (short.shares[1].found, short.shares[1].ok) == (1.0, False)
    without = check(model, frame.drop(columns="setting_3"))
    assert without.shares[0].found is None
    assert without.shares[0].ok


def test_a_stuck_sensor_is_named(model, frame):
    place = model.preprocessor.columns.index("sensor_11")
    longest = int(model.preprocessor.reference.longest_runs[place])
    assert 2 * longest < 30
    last = frame["cycle"] - frame.groupby("unit")["cycle"].transform("max")

    def stuck(rows, unit=3):
        of_unit = (frame["unit"] == unit) & (last > -rows)
        value = frame["sensor_11"].where(~of_unit, frame["sensor_11"][of_unit].iloc[0])
        return check(model, frame.assign(sensor_11=value), name="stuck").shares[-1]

    assert (check(model, frame).shares[-1].found, stuck(2 * longest - 1).ok) == (0.0, True)
    found = stuck(30)
    assert (found.name, found.sensors) == (
        "records that end with a stuck sensor", ("sensor_11",)
    )  # fmt: skip
    assert (found.found, found.limit, found.of, found.ok) == (1 / 20, 0.0, 20, False)
    found = to_table(check(model, frame.assign(sensor_11=530.0))).rows[-1]
    assert found == [
        "records that end with a stuck sensor (sensor_11)", "100.0%", "at most 0.0%", "too many",
    ]  # fmt: skip


def test_a_checkpoint_without_run_lengths_detects_no_stuck_sensors(model, frame):
    reference = dataclasses.replace(model.preprocessor.reference, longest_runs=None)
    old = dataclasses.replace(model.preprocessor, reference=reference)
    found = check(dataclasses.replace(model, preprocessor=old), frame).shares[-1]
    assert (found.found, found.ok) == (None, True)


def test_coverage_by_hand(model, frame, tmp_path):
    # 200 − cycle, and at level 0.9 from 3 × late below to 3 × early = 12 above
    known = countdown(calibrated(model))
    last = frame.groupby("unit")["cycle"].max().to_numpy()
    predicted = np.clip(200 - last, 0, 125)
    (tmp_path / "rul.txt").write_text("".join(f"{int(rul)}\n" for rul in predicted))
    found = check(known, frame, rul=tmp_path / "rul.txt").shares[2]
    assert (found.found, found.of, found.ok) == (1.0, 20, True)
    assert found.limit == 14 / 20  # 1 % of binomial draws of 20 at 0.9 are at most 14
    (tmp_path / "rul.txt").write_text("".join(f"{int(rul) + 13}\n" for rul in predicted))
    outside = check(known, frame, rul=tmp_path / "rul.txt").shares[2]
    assert outside.found == pytest.approx((predicted + 12 >= 125).mean())
    without = check(model, frame, rul=tmp_path / "rul.txt").shares[2]
    assert (without.found, without.ok) == (None, True)


def test_an_older_checkpoint_is_reported(model, frame):
    old = dataclasses.replace(model.preprocessor, reference=None)
    with pytest.raises(CheckpointError, match="older version of cmapss_rul wrote it; train again"):
        check(dataclasses.replace(model, preprocessor=old), frame)


def test_limits_equal_those_in_the_help():
    assert (module.DISTANCE, module.FEW_ENGINES, module.UNKNOWN, module.SHORT) == (
        0.5, 2.0, 0.01, 0.5,
    )  # fmt: skip
