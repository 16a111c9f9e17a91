import numpy as np
import pytest

from cmapss_rul.data.conditions import Conditions
from cmapss_rul.data.reader import read_fleet
from cmapss_rul.system.errors import DataError
from tests.data._fleets import SIX, fleet_of


def rows(*settings) -> np.ndarray:
    """Raw settings, row by row."""
    return np.array(settings, dtype=np.float64)


def test_the_settings_are_rounded_to_0_2_and_0_decimals():
    near = rows((-0.0007, -0.0004, 100.0), (0.0012, 0.0003, 100.0), (9.9989, 0.2517, 99.9))
    conditions = Conditions.fit(near)
    assert conditions.table.tolist() == [[0.0, 0.0, 100.0], [10.0, 0.25, 100.0]]
    assert not np.signbit(conditions.table).any()
    assert conditions.assign(near).tolist() == [0, 0, 1]


def test_every_row_gets_its_own_condition():
    fleet = fleet_of(12, 6, conditions=SIX)
    conditions = Conditions.fit(fleet.values[:, :3])
    assert conditions.table.tolist() == [list(map(float, settings)) for settings in SIX]
    assert conditions.assign(fleet.values[:, :3]).tolist() == [i % 6 for i in range(18)]
    assert not conditions.is_unknown(fleet.values[:, :3]).any()


def test_an_unknown_condition_takes_the_nearest_and_is_flagged():
    conditions = Conditions.fit(rows(*SIX))
    strange = rows((41, 0.84, 100), (24, 0.62, 60), (0, 0.0, 100), (1e6, -3, 0))
    assert conditions.assign(strange).tolist()[:3] == [5, 3, 0]
    assert conditions.is_unknown(strange).tolist() == [True, True, False, True]


def test_distances_are_scaled_by_the_range_of_each_setting():
    # without scaling, Mach would be negligible: 5 kft is 5 away, the whole Mach range 0.84
    conditions = Conditions.fit(rows((0, 0.0, 100), (40, 0.84, 100)))
    assert conditions.assign(rows((18, 0.84, 100))).tolist() == [1]
    assert conditions.assign(rows((18, 0.0, 100))).tolist() == [0]


def test_a_single_condition_takes_all_rows():
    conditions = Conditions.fit(rows((0, 0.0, 100)))
    assert conditions.assign(rows((42, 0.84, 60))).tolist() == [0]
    assert conditions.is_unknown(rows((42, 0.84, 60))).tolist() == [True]


def test_a_continuum_is_refused():
    many = rows(*[(altitude, 0.0, 100) for altitude in range(51)])
    assert len(Conditions.fit(many[:50]).table) == 50
    with pytest.raises(DataError, match="form 51 operating conditions; expected at most 50"):
        Conditions.fit(many)


def test_the_values_of_a_column_are_the_conditions():
    conditions = Conditions.fit(rows((2.25,), (-1,), (2.25,)), None)
    assert conditions.table.tolist() == [[-1.0], [2.25]]
    assert conditions.assign(rows((2.2,), (-7,))).tolist() == [1, 0]
    assert conditions.is_unknown(rows((2.2,), (2.25,))).tolist() == [True, False]
    with pytest.raises(DataError, match="the values of that column form 51 operating conditions"):
        Conditions.fit(rows(*[(i / 7,) for i in range(51)]), None)


def test_settings_are_rounded_to_the_given_decimals():
    conditions = Conditions.fit(rows((149, 0.04), (151, 0.06)), (-2, 1))
    assert conditions.table.tolist() == [[100.0, 0.0], [200.0, 0.1]]


def test_without_keys_there_is_one_condition():
    conditions = Conditions.fit(np.zeros((3, 0)), ())
    assert conditions.table.shape == (1, 0)
    assert conditions.assign(np.zeros((2, 0))).tolist() == [0, 0]
    assert not conditions.is_unknown(np.zeros((2, 0))).any()


def test_many_combinations_are_assigned_in_blocks():
    conditions = Conditions.fit(rows((0, 0, 0), (9_999, 0, 0)))
    found = conditions.assign(rows(*[(i, 0, 0) for i in range(10_000)]))
    assert found.tolist() == [0] * 5_000 + [1] * 5_000


@pytest.mark.needs_data
@pytest.mark.parametrize("subset", ["FD002", "FD004"])
def test_the_six_official_conditions_are_exact(official, subset):
    train = read_fleet(official / f"train_{subset}.txt")
    conditions = Conditions.fit(train.values[:, :3])
    assert conditions.table.tolist() == [list(map(float, settings)) for settings in SIX]
    test = read_fleet(official / f"test_{subset}.txt")
    assert not conditions.is_unknown(test.values[:, :3]).any()


@pytest.mark.needs_data
@pytest.mark.parametrize("subset", ["FD001", "FD003"])
def test_the_official_sets_with_one_condition(official, subset):
    train = read_fleet(official / f"train_{subset}.txt")
    assert Conditions.fit(train.values[:, :3]).table.tolist() == [[0.0, 0.0, 100.0]]
