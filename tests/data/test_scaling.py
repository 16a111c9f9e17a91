import numpy as np
import pytest

from cmapss_rul.data.columns import COLUMNS, SETTINGS
from cmapss_rul.data.conditions import Conditions
from cmapss_rul.data.reader import read_fleet
from cmapss_rul.data.scaling import Scaler
from tests.data._fleets import SIX, fleet_of

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
    beyond = scaler.beyond(new, np.array([0, 0, 0, 1, 1]))
    assert beyond.tolist() == [[False], [False], [True], [True], [False]]


def test_settings_have_the_range_of_all_conditions():
    fleet = fleet_of(12, conditions=SIX)
    scaler, condition = fitted(fleet.values)
    assert scaler.low[:, 0].tolist() == [0] * 6
    assert scaler.high[:, 0].tolist() == [42] * 6
    assert not scaler.beyond(fleet.values, condition).any()


def test_the_raw_rows_are_left_alone():
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
