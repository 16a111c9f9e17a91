"""Inference of event columns, and of settings from sensors that switch with them."""

import io

import numpy as np
import pandas as pd
import pytest

from cmapss_rul.data.column_inference import infer_columns
from cmapss_rul.system.errors import DataError
from tests.data._own import LIVES, own_rows


def table(**columns) -> pd.DataFrame:
    """The fleet with the usual names, and further columns, [engine] or [row]."""
    rows = [row.split(",")[:5] for row in own_rows()]
    frame = pd.DataFrame(rows, columns=["unit", "cycle", "load", "temp", "vib"])
    for name, values in columns.items():
        per_engine = dict(zip(LIVES, values, strict=False))
        whole = len(values) == len(frame)
        frame[name] = values if whole else [per_engine[unit] for unit in frame["unit"]]
    return frame


def found(frame, **options):
    return infer_columns(frame.to_csv(index=False).encode(), "my.csv", **options)


FLAGS = [1, 0, 1, 1, 0, 1, 1, 1]


@pytest.mark.parametrize("name", ["failed", "Event", "is_censored", "censored"])
def test_a_flag_per_engine_is_not_a_sensor(name):
    frame = table(**{name: FLAGS})
    event = found(frame).event
    zeros, ones = ["p-2", "p-1"], ["p-7", "p-11", "p-5", "p-9", "p-4", "p-3"]
    if "censored" in name:
        assert (event.inverted, event.censored, event.failed) == (True, ones, 2)
    else:
        assert (event.inverted, event.censored, event.failed) == (False, zeros, 6)
    assert (name, "may mark which engines have failed: see data.event") in found(frame).left_out
    assert name not in [column.name for column in found(frame).sensors]
    as_parquet = io.BytesIO()
    table(**{name: np.array(FLAGS, dtype=bool)}).astype(
        {"cycle": int, "load": float, "temp": float, "vib": float}
    ).to_parquet(as_parquet)
    assert infer_columns(as_parquet.getvalue(), "my.parquet").event == event


def test_unknown_event_values_are_asked_about():
    event = found(table(status=["failed", "running"] * 4)).event
    assert event.censored is None
    assert event.question == "column status may mark which engines have failed and which have not"


def test_a_status_that_changes_is_a_measurement():
    rows = sum(LIVES.values())
    inferred = found(table(status=np.arange(rows) // 2 % 3))
    assert inferred.event is None
    assert "status" in [column.name for column in inferred.sensors + inferred.settings]
    assert found(table()).event is None


def test_a_column_with_which_others_switch_is_a_setting():
    # load alternates between two levels, and the temperature follows it
    assert [column.name for column in found(table()).settings] == ["load"]
    assert found(table()).conditions == 2
    frame = table()
    frame["temp"] = frame["vib"].astype(float) * 7  # follows nothing
    assert [column.name for column in found(frame).settings] == []
    assert [column.name for column in found(frame, setting=["load"]).settings] == ["load"]
    assert [column.name for column in found(table(), sensor=["load"]).settings] == []
    assert found(frame, setting=["vib"]).settings[0].name == "vib"
    with pytest.raises(DataError, match="found no numeric column 'lod'; the nearest is 'load'"):
        found(frame, setting=["lod"])


def test_an_alarm_that_switches_once_is_not_a_setting():
    frame = table()
    left = frame.groupby("unit")["cycle"].transform("count") - frame["cycle"].astype(int)
    late = (left < 4).astype(int)
    frame["alarm"], frame["heat"] = late, 500 + 90 * late + frame["vib"].astype(float)
    settings = [column.name for column in found(frame).settings]
    assert "alarm" not in settings
