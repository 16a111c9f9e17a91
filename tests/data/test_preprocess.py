"""Scaling, smoothing and other features, and the data their statistics may use."""

import io

import numpy as np
import pandas as pd
import pytest
import torch

from cmapss_rul.data.columns import COLUMNS, LITERATURE_SENSORS, SETTINGS
from cmapss_rul.data.conditions import Conditions
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.preprocess import Preprocessor, Scaler
from cmapss_rul.data.reader import read_fleet
from tests.data._fleets import SIX, fleet_of

PAIR = ("sensor_2", "setting_1")


def test_features_are_the_columns_followed_by_the_cycle_count():
    fleet = fleet_of(30, 20)
    with_count = Preprocessor.fit(fleet, DataConfig(columns=PAIR))
    without = Preprocessor.fit(fleet, DataConfig(columns=PAIR, cycle_count=False))
    assert with_count.features == (*PAIR, "cycle_count")
    assert without.features == PAIR
    features = with_count.transform(fleet)
    assert features.dtype == np.float32
    assert features.shape == (50, 3)
    assert (features[:, :2] == without.transform(fleet)).all()


def test_the_cycle_count_is_divided_by_200():
    fleet = fleet_of(3, 2)
    count = Preprocessor.fit(fleet, DataConfig(columns=PAIR)).transform(fleet)[:, -1]
    assert count.tolist() == pytest.approx([0.005, 0.01, 0.015, 0.005, 0.01])


@pytest.mark.parametrize("weight", [0.05, 0.3, 1.0])
def test_smoothing_is_the_recursive_exponential_mean_of_pandas(weight):
    fleet = fleet_of(40, 1, 25, conditions=SIX)
    plain = Preprocessor.fit(fleet, DataConfig(columns=COLUMNS)).transform(fleet)
    smooth = Preprocessor.fit(fleet, DataConfig(columns=COLUMNS, smoothing=weight)).transform(fleet)
    frame = pd.DataFrame(plain[:, :-1].astype(float)).groupby(fleet.engine)
    expected = frame.ewm(alpha=weight, adjust=False).mean().to_numpy()
    assert np.abs(smooth[:, :-1] - expected).max() < 1e-5
    assert (smooth[:, -1] == plain[:, -1]).all()  # a count needs no smoothing


def test_smoothing_uses_past_rows_only():
    long, short = fleet_of(30), fleet_of(12)
    short.values[:] = long.values[:12]
    preprocessor = Preprocessor.fit(long, DataConfig(smoothing=0.2))
    assert (preprocessor.transform(long)[:12] == preprocessor.transform(short)).all()


def test_the_transform_of_an_engine_does_not_depend_on_others():
    fleet = fleet_of(30, 20, 10, conditions=SIX)
    preprocessor = Preprocessor.fit(fleet, DataConfig(smoothing=0.3))
    alone = preprocessor.transform(fleet.select_engines(np.array([2])))
    assert (preprocessor.transform(fleet)[fleet.engine == 2] == alone).all()


def test_rows_of_an_unknown_condition_are_flagged():
    preprocessor = Preprocessor.fit(fleet_of(30, conditions=SIX), DataConfig())
    other = fleet_of(2, conditions=[SIX[1], (33, 0.5, 80)])
    assert preprocessor.unknown_condition(other).tolist() == [False, True]
    assert np.isfinite(preprocessor.transform(other)).all()


def test_columns_are_taken_by_name_in_the_requested_order():
    fleet = fleet_of(20)
    both = Preprocessor.fit(fleet, DataConfig(columns=("sensor_21", "sensor_2")))
    alone = Preprocessor.fit(fleet, DataConfig(columns=("sensor_2",)))
    assert (both.transform(fleet)[:, 1] == alone.transform(fleet)[:, 0]).all()


def test_values_outside_the_training_range_are_flagged_per_column():
    fleet = fleet_of(30)
    config = DataConfig(columns=("sensor_2", "sensor_3"))
    preprocessor = Preprocessor.fit(fleet, config)
    assert not preprocessor.out_of_range(fleet).any()
    fleet.values[4, COLUMNS.index("sensor_3")] = 1e4
    beyond = preprocessor.out_of_range(fleet)
    assert np.argwhere(beyond).tolist() == [[4, 1]]
    again = Preprocessor.from_state(preprocessor.state_dict(), config)
    assert (again.out_of_range(fleet) == beyond).all()


def test_a_preprocessor_is_restored_from_its_state():
    fleet = fleet_of(60, 30, conditions=SIX)
    config = DataConfig(columns=LITERATURE_SENSORS[:3], smoothing=0.3)
    preprocessor = Preprocessor.fit(fleet, config)
    file = io.BytesIO()
    torch.save(preprocessor.state_dict(), file)
    file.seek(0)
    again = Preprocessor.from_state(torch.load(file, weights_only=True), config)
    assert again.features == preprocessor.features
    assert again.smoothing == 0.3
    assert (again.transform(fleet) == preprocessor.transform(fleet)).all()


IS_SETTING = np.array([name in SETTINGS for name in COLUMNS])
SENSOR = np.array([False])


def fitted(values):
    conditions = Conditions.fit(values[:, :3])
    condition = conditions.assign(values[:, :3])
    return Scaler.fit(values, condition, len(conditions.table), IS_SETTING), condition


def test_by_hand():
    values = np.array([[1.0], [3.0], [10.0], [30.0]])
    scaler = Scaler.fit(values, np.array([0, 0, 1, 1]), 2, SENSOR)
    assert scaler.centre.tolist() == [[2.0], [20.0]]
    assert scaler.factor.tolist() == [[1.0], [0.1]]
    assert scaler.transform(values, np.array([0, 0, 1, 1])).tolist() == [
        [-1.0], [1.0], [-1.0], [1.0],
    ]  # fmt: skip


def test_each_sensor_has_mean_0_and_deviation_1_in_each_condition():
    fleet = fleet_of(120, 60, conditions=SIX)
    fleet.values[:, 3:] += 1000 * fleet.values[:, :1]  # levels that depend on the altitude
    scaler, condition = fitted(fleet.values)
    scaled = scaler.transform(fleet.values, condition).astype(float)
    assert scaled.shape == (180, 24)
    for index in range(6):
        own = scaled[condition == index, 3:]
        assert np.abs(own.mean(axis=0)).max() < 1e-4
        assert np.abs(own.std(axis=0) - 1).max() < 1e-3


def test_settings_are_scaled_over_all_conditions_at_once():
    fleet = fleet_of(12, conditions=SIX)
    scaler, condition = fitted(fleet.values)
    assert (scaler.centre[:, :3] == scaler.centre[0, :3]).all()
    scaled = scaler.transform(fleet.values, condition)[:, :3].astype(float)
    assert np.abs(scaled.mean(axis=0)).max() < 1e-6
    assert np.abs(scaled.std(axis=0) - 1).max() < 1e-6


def test_a_constant_column_is_0_even_where_other_engines_differ():
    fleet = fleet_of(1000)
    fleet.values[:, 7] = 21.61  # its standard deviation is a rounding error, not 0
    scaler, condition = fitted(fleet.values)
    assert fleet.values[:, 7].std() > 0
    assert scaler.factor[0, 7] == 0
    other = fleet.values.copy()
    other[:, 7] = 20.0
    assert (scaler.transform(other, condition)[:, 7] == 0).all()


def test_a_column_may_be_constant_in_one_condition_only():
    values = np.array([[7.0], [7.0], [10.0], [30.0]])
    scaler = Scaler.fit(values, np.array([0, 0, 1, 1]), 2, SENSOR)
    assert scaler.factor.tolist() == [[0.0], [0.1]]


def test_values_beyond_the_range_of_their_condition_by_hand():
    values = np.array([[1.0], [3.0], [10.0], [30.0]])
    scaler = Scaler.fit(values, np.array([0, 0, 1, 1]), 2, SENSOR)
    assert (scaler.low.tolist(), scaler.high.tolist()) == ([[1.0], [10.0]], [[3.0], [30.0]])
    new = np.array([[1.0], [3.0], [3.1], [3.1], [30.0]])
    beyond = scaler.out_of_range(new, np.array([0, 0, 0, 1, 1]))
    assert beyond.tolist() == [[False], [False], [True], [True], [False]]


def test_settings_have_the_range_of_all_conditions():
    fleet = fleet_of(12, conditions=SIX)
    scaler, condition = fitted(fleet.values)
    assert scaler.low[:, 0].tolist() == [0] * 6
    assert scaler.high[:, 0].tolist() == [42] * 6
    assert not scaler.out_of_range(fleet.values, condition).any()


def test_the_raw_rows_are_not_modified():
    fleet = fleet_of(20)
    before = fleet.values.copy()
    scaler, condition = fitted(fleet.values)
    scaler.transform(fleet.values, condition)
    assert (fleet.values == before).all()


@pytest.mark.needs_data
@pytest.mark.parametrize(
    ("subset", "constant"),
    [
        ("FD001", {"setting_3", *(f"sensor_{i}" for i in (1, 5, 10, 16, 18, 19))}),
        ("FD003", {"setting_3", *(f"sensor_{i}" for i in (1, 5, 16, 18, 19))}),
    ],
)
def test_the_official_constant_columns(official, subset, constant):
    values = read_fleet(official / f"train_{subset}.txt").values
    scaler, condition = fitted(values)
    assert {COLUMNS[i] for i in np.flatnonzero(scaler.factor[0] == 0)} == constant
    scaled = scaler.transform(values, condition)
    assert (scaled[:, COLUMNS.index("sensor_5")] == 0).all()
    assert np.abs(scaled).max() < 20
