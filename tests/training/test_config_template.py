"""The configuration template from inferred columns: valid, states ranges, can be trained."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from cmapss_rul.config.load import from_mapping
from cmapss_rul.config.yaml import parse_yaml
from cmapss_rul.data.column_inference import InferredColumns, NumericColumn
from cmapss_rul.data.events import EventColumn
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.config_template import config_template

FOUND = InferredColumns(
    engine="asset: id",
    cycle="hour",
    engines=4,
    lives=np.array([120, 200, 310]),
    settings=[NumericColumn("load %", 0.0, 50.25)],
    sensors=[NumericColumn("temp", 500.125, 600.0), NumericColumn("# vib", -1.0, 1.0)],
    left_out=[("site\x1b[1m", "holds other things than numbers")],
    decimals=[0],
    conditions=2,
)


def read(text: str) -> RunConfig:
    return from_mapping(RunConfig, parse_yaml(text, "template"))


def test_a_template_states_the_findings_and_is_valid():
    text = config_template(FOUND, Path("my own.csv"))
    assert text.startswith(
        "# my own.csv: 4 engines.\n# The guesses below are based on the 3 outside the held-out "
        "test set:\n# 630 rows; 120 to 310 cycles, median 200.\n"
    )
    assert "    - load %  # 0 … 50.25\n" in text
    assert "    - temp  # 500.125 … 600\n" in text
    assert "# left out: site\\x1b[1m, which holds other things than numbers\n" in text
    assert "# Each record is assumed to end with the failure" in text
    assert max(map(len, text.splitlines())) <= 100
    data = read(text).data
    assert (data.train, data.engine, data.cycle) == ("my own.csv", "asset: id", "hour")
    assert (data.settings, data.columns) == (("load %",), ("temp", "# vib"))
    assert data.condition_decimals == (0,)


def test_a_sensor_with_few_levels_is_flagged_as_a_possible_setting():
    sensors = [NumericColumn("load", 20.0, 80.0, levels=3), NumericColumn("temp", 500.0, 600.0)]
    text = config_template(dataclasses.replace(FOUND, sensors=sensors), Path("my.csv"))
    assert "    - load  # 20 … 80; 3 levels: a setting?\n" in text
    assert "    - temp  # 500 … 600\n" in text
    assert "    - load %  # 0 … 50.25\n" in text


def test_cap_window_and_steps_follow_from_the_life_lengths():
    config = read(config_template(FOUND, Path("my.csv")))
    assert (config.data.cap, config.data.window) == (120, 90)
    assert config.loss.health.boundaries == (120, 48)
    assert (config.split.test, config.model.cnn.pool) == (0.2, 3)
    assert (config.train.epochs, config.train.window_share) == (100, 1.0)
    many = dataclasses.replace(FOUND, lives=np.full(5_000, 200))
    assert read(config_template(many, Path("my.csv"))).train.window_share == 0.01


@pytest.mark.parametrize("life", [2, 3, 7, 20, 100_000])
def test_a_template_is_valid_for_any_life_lengths(life):
    found = dataclasses.replace(FOUND, lives=np.array([life] * 4))
    config = read(config_template(found, Path("my.csv")))
    assert config.data.window % 3 == 0


def test_many_combinations_of_settings_give_no_conditions():
    text = config_template(dataclasses.replace(FOUND, decimals=[], conditions=400), Path("my.csv"))
    assert "the settings form too many conditions" in text
    assert read(text).data.condition_keys == ()
    without_settings = config_template(
        dataclasses.replace(FOUND, settings=[], decimals=[]), Path("my.csv")
    )
    assert "there are no settings" in without_settings
    assert read(without_settings).data.settings == ()


def test_more_columns_than_a_configuration_can_name():
    sensors = [NumericColumn(f"{i:0>150}", 0.0, 1.0) for i in range(1000)]
    with pytest.raises(UsageError, match=r"my\.csv: its 1000 sensors need more than the 65,536"):
        config_template(dataclasses.replace(FOUND, sensors=sensors), Path("my.csv"))


@pytest.mark.parametrize(
    ("engines", "folds", "validation", "comment"),
    [
        (4, None, 0.2, "1 engines: intervals at no level; 0.8 would need 4"),
        (20, 5, 0.25, "4 engines: intervals at 0.8; 0.9 would need 19"),
        (60, 5, 0.2, "10 engines: intervals at 0.8; 0.9 would need 19"),
        (200, None, 0.2, "32 engines: intervals at 0.8, 0.9; 0.95 would need 39"),
    ],
)
def test_the_split_fits_the_number_of_engines(engines, folds, validation, comment):
    text = config_template(dataclasses.replace(FOUND, engines=engines), Path("my.csv"))
    split = read(text).split
    assert (split.test_folds, split.validation) == (folds, validation)
    assert comment in text
    command = "rul compare --config THIS-FILE --grid split.test_fold=0,1,2,3,4 --seeds 1"
    assert (command in text) == (folds is not None)
    assert read(text).train.patience >= 8


@pytest.mark.parametrize(
    ("event", "line", "note"),
    [
        (EventColumn("failed", False, ["b"], 3), "# event: failed",
         "column failed marks 3 engines as failed and 1 as not failed"),
        (EventColumn("censored", True, ["7", "b:"], 3), '# censored: ["7", "b:"]', "uncomment"),
        (EventColumn("status", False, None, 0), "# censored: [ID, ID]", "column status may mark"),
    ],
)  # fmt: skip
def test_a_template_asks_which_engines_have_failed(event, line, note):
    found = dataclasses.replace(FOUND, event=event)
    text = config_template(found, Path("my.csv"))
    assert line in text
    assert note in text
    assert (read(text).data.event, read(text).data.censored) == (None, ())
    if event.censored is not None:  # valid once uncommented
        data = read(text.replace("  # event:", "  event:").replace("  # censored:", "  censored:"))
        assert data.data.event == "failed" or data.data.censored == ("7", "b:")


def test_only_failed_engines_calibrate():
    # 60 failed engines would give ten validation engines and intervals at 0.9
    event = EventColumn("failed", False, [str(i) for i in range(40)], 20)
    found = dataclasses.replace(FOUND, engines=60, event=event)
    text = config_template(found, Path("my.csv"))
    assert "# 4 engines that failed: intervals at 0.8; 0.9 would need 19\n" in text
    assert read(text).split.validation == 0.25
    unknown = dataclasses.replace(found, event=EventColumn("status", False, None, 0))
    assert "# 10 engines: intervals at 0.8; 0.9" in config_template(unknown, Path("my.csv"))
