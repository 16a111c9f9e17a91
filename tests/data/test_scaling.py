import numpy as np
import pytest

from cmapss_rul.data.columns import COLUMNS
from cmapss_rul.data.conditions import Conditions
from cmapss_rul.data.reader import read_fleet
from cmapss_rul.data.scaling import Scaler
from tests.data._fleets import SIX, fleet_of


def fitted(values, columns=COLUMNS):
    conditions = Conditions.fit(values)
    condition = conditions.assign(values)
    return Scaler.fit(values, condition, len(conditions.table), columns), condition


def test_by_hand():
    values = np.zeros((4, 24))
    values[:, 5] = [1.0, 3.0, 10.0, 30.0]  # sensor_3
    scaler = Scaler.fit(values, np.array([0, 0, 1, 1]), 2, ["sensor_3"])
    assert scaler.centre.tolist() == [[2.0], [20.0]]
    assert scaler.factor.tolist() == [[1.0], [0.1]]
    assert scaler.transform(values, np.array([0, 0, 1, 1]), ["sensor_3"]).tolist() == [
        [-1.0], [1.0], [-1.0], [1.0],
    ]  # fmt: skip


def test_each_sensor_has_mean_0_and_deviation_1_in_each_condition():
    fleet = fleet_of(120, 60, conditions=SIX)
    fleet.values[:, 3:] += 1000 * fleet.values[:, :1]  # levels that depend on the altitude
    scaler, condition = fitted(fleet.values)
    scaled = scaler.transform(fleet.values, condition, COLUMNS).astype(float)
    assert scaled.shape == (180, 24)
    for index in range(6):
        own = scaled[condition == index, 3:]
        assert np.abs(own.mean(axis=0)).max() < 1e-4
        assert np.abs(own.std(axis=0) - 1).max() < 1e-3


def test_settings_are_scaled_over_all_conditions_at_once():
    fleet = fleet_of(12, conditions=SIX)
    scaler, condition = fitted(fleet.values)
    assert (scaler.centre[:, :3] == scaler.centre[0, :3]).all()
    scaled = scaler.transform(fleet.values, condition, COLUMNS)[:, :3].astype(float)
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
    assert (scaler.transform(other, condition, COLUMNS)[:, 7] == 0).all()


def test_a_column_may_be_constant_in_one_condition_only():
    values = np.zeros((4, 24))
    values[:, 5] = [7.0, 7.0, 10.0, 30.0]
    scaler = Scaler.fit(values, np.array([0, 0, 1, 1]), 2, ["sensor_3"])
    assert scaler.factor.tolist() == [[0.0], [0.1]]


def test_columns_are_taken_by_name_in_the_order_asked_for():
    fleet = fleet_of(20)
    both, condition = fitted(fleet.values, ["sensor_21", "sensor_2"])
    alone, _ = fitted(fleet.values, ["sensor_2"])
    pair = both.transform(fleet.values, condition, ["sensor_21", "sensor_2"])
    assert (pair[:, 1:] == alone.transform(fleet.values, condition, ["sensor_2"])).all()


def test_values_beyond_the_range_of_their_condition_by_hand():
    values = np.zeros((4, 24))
    values[:, 5] = [1.0, 3.0, 10.0, 30.0]  # sensor_3
    scaler = Scaler.fit(values, np.array([0, 0, 1, 1]), 2, ["sensor_3"])
    assert (scaler.low.tolist(), scaler.high.tolist()) == ([[1.0], [10.0]], [[3.0], [30.0]])
    new = np.zeros((5, 24))
    new[:, 5] = [1.0, 3.0, 3.1, 3.1, 30.0]
    beyond = scaler.beyond(new, np.array([0, 0, 0, 1, 1]), ["sensor_3"])
    assert beyond.tolist() == [[False], [False], [True], [True], [False]]


def test_settings_have_the_range_of_all_conditions():
    fleet = fleet_of(12, conditions=SIX)
    scaler, condition = fitted(fleet.values)
    assert scaler.low[:, 0].tolist() == [0] * 6
    assert scaler.high[:, 0].tolist() == [42] * 6
    assert not scaler.beyond(fleet.values, condition, COLUMNS).any()


def test_the_raw_rows_are_left_alone():
    fleet = fleet_of(20)
    before = fleet.values.copy()
    scaler, condition = fitted(fleet.values)
    scaler.transform(fleet.values, condition, COLUMNS)
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
    scaled = scaler.transform(values, condition, COLUMNS)
    assert (scaled[:, COLUMNS.index("sensor_5")] == 0).all()
    assert np.abs(scaled).max() < 20
