"""The reference distribution of the training data, and distances of other rows from it."""

import dataclasses

import numpy as np
import pytest

from cmapss_rul.data.columns import SUBSETS
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.data.reader import read_fleet
from cmapss_rul.data.reference import BANDS, Reference
from tests.data._fleets import SIX, fleet_of

CYCLES = np.arange(1, 401)


def reference_of(values, condition=None, cycle=CYCLES):
    condition = np.zeros(len(values), dtype=np.int64) if condition is None else condition
    engine = np.repeat([1, 2], [100, len(values) - 100])
    is_setting = np.zeros(values.shape[1], dtype=np.bool_)
    return Reference.fit(
        values, condition, cycle, engine, is_setting, lambda rows, _: rows.astype(np.float32)
    )


def test_the_distance_of_shifted_rows_is_the_shift():
    values = np.random.default_rng(0).normal(size=(400, 2))
    reference = reference_of(values)
    condition = np.zeros(400, dtype=np.int64)
    moved = (values + np.array([0, 1])).astype(np.float32)
    near, far = reference.distances(moved, condition, CYCLES)[0]
    assert near < 0.06  # 16 points stand for the 100 rows of a band: 0.05 for a normal one
    assert far == pytest.approx(1, abs=0.05)


def test_rows_are_compared_at_their_age():
    # a sensor that rises with age: the young rows of a file are no drift
    values = np.linspace(0, 4, 400)[:, None]
    reference = reference_of(values)
    young = slice(0, 100)
    found = reference.distances(values[young].astype(np.float32), np.zeros(100, int), CYCLES[young])
    assert found[0, 0] < 0.05
    old = reference.distances(values[young].astype(np.float32), np.zeros(100, int), CYCLES[300:])
    assert old[0, 0] == pytest.approx(3, abs=0.05)


def test_a_condition_has_its_own_distribution_and_may_be_absent():
    condition = np.arange(400) % 2
    values = np.where(condition == 1, 10.0, 0.0)[:, None]
    reference = reference_of(values, condition)
    found = reference.distances(np.zeros((5, 1), np.float32), np.ones(5, int), CYCLES[:5])
    assert np.isnan(found[0, 0])
    assert found[1, 0] == pytest.approx(10)


def test_a_condition_missing_at_some_ages():
    condition = (CYCLES > 390).astype(int)
    reference = reference_of(condition[:, None] * 3.0, condition)
    assert (reference.quantiles[1] == 3).all()
    assert reference.quantiles.shape == (2, BANDS, 16, 1)


def test_a_large_fleet_is_sampled_in_each_condition(monkeypatch):
    monkeypatch.setattr("cmapss_rul.data.reference._MAX_ROWS", 10)
    condition = np.zeros(400, dtype=np.int64)
    condition[13] = 1
    reference = reference_of(np.arange(400.0)[:, None], condition)
    assert (reference.quantiles[1] == 13).all()
    assert reference.quantiles[0].max() <= 399


def test_a_checkpoint_has_the_reference_and_older_ones_have_none():
    fleet, config = fleet_of(30, 40, conditions=SIX), DataConfig(subset="FD002")
    preprocessor = Preprocessor.fit(fleet, config)
    state = preprocessor.state_dict()
    again = Preprocessor.from_state(state, config).reference
    np.testing.assert_array_equal(again.quantiles, preprocessor.reference.quantiles)
    np.testing.assert_array_equal(again.edges, preprocessor.reference.edges)
    del state["reference"], state["cycle_unit"]
    old = Preprocessor.from_state(state, config)
    assert (old.reference, old.cycle_unit) == (None, 200)


@pytest.mark.parametrize("change", ["shape", "nan"])
def test_a_malformed_reference_is_refused(change):
    fleet, config = fleet_of(30, 40), DataConfig()
    state = Preprocessor.fit(fleet, config).state_dict()
    quantiles = state["reference"]["quantiles"]
    state["reference"]["quantiles"] = (
        quantiles[..., 1:] if change == "shape" else quantiles * np.nan
    )
    with pytest.raises(ValueError, match="preprocessor reference"):
        Preprocessor.from_state(state, config)


def test_runs_of_equal_values_do_not_cross_engines():
    values = np.arange(400.0)
    values[97:103] = 7.0  # three rows of either engine
    values[200:205] = 8.0
    reference = reference_of(np.column_stack([values, np.zeros(400)]))
    assert reference.longest_runs.tolist() == [5, 300]
    state = reference.state_dict()
    assert Reference.from_state(state, 1, 2).longest_runs.tolist() == [5, 300]
    with pytest.raises(ValueError, match=r"preprocessor reference: found torch\.int64 runs of"):
        Reference.from_state({**state, "longest_runs": state["longest_runs"][:1]}, 1, 2)
    del state["longest_runs"]  # of an older checkpoint
    assert Reference.from_state(state, 1, 2).longest_runs is None


def test_a_constant_column_of_training_is_not_stuck_in_a_longer_record():
    train, other = fleet_of(10, 12), fleet_of(30, 40)
    names = ("sensor_1", "sensor_2", "sensor_3")
    for fleet in (train, other):
        values = fleet.column_values(names)
        values[:, 0] = 5.0
        fleet.values[:, [fleet.columns.index(name) for name in names]] = values
    other.values[-3:, other.columns.index("sensor_2")] = 7.0
    other.values[-2:, other.columns.index("sensor_3")] = 7.0
    preprocessor = Preprocessor.fit(train, DataConfig(columns=names))
    assert preprocessor.reference.longest_runs.tolist() == [12, 1, 1]
    stuck = preprocessor.stuck(other, other.last_rows)
    assert stuck.tolist() == [[False] * 3, [False, True, False]]


def test_a_setting_that_is_an_input_is_never_stuck():
    train, other = fleet_of(10, 12), fleet_of(30, 40)
    names = ("setting_1", "sensor_2")
    for fleet in (train, other):
        fleet.values[:, fleet.columns.index("setting_1")] = np.arange(fleet.rows) % 2
    for name in names:
        other.values[-25:, other.columns.index(name)] = 1.0
    preprocessor = Preprocessor.fit(train, DataConfig(columns=names))
    assert preprocessor.stuck(other, other.last_rows).tolist() == [[False] * 2, [False, True]]


@pytest.mark.needs_data
@pytest.mark.parametrize("subset", SUBSETS)
def test_sensors_of_official_test_files_are_not_stuck_until_they_are(official, subset):
    train, test = (read_fleet(official / f"{kind}_{subset}.txt") for kind in ("train", "test"))
    preprocessor = Preprocessor.fit(train, DataConfig())
    assert not preprocessor.stuck(test, np.arange(test.rows)).any()
    random = np.random.default_rng(0)
    for _ in range(5):
        few = random.choice(train.engines, 8, replace=False)
        fitted = Preprocessor.fit(train, DataConfig(), few)
        assert not fitted.stuck(test, np.arange(test.rows)).any()
    values, last = test.values.copy(), test.last_rows[test.lengths > 30]
    for row in last:
        values[row - 29 : row + 1] = values[row - 29]
    stuck = preprocessor.stuck(dataclasses.replace(test, values=values), last)
    assert (stuck.shape, stuck.all()) == ((len(last), 14), True)
