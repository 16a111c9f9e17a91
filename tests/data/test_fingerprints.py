"""Duplicate rows are found in other files, truncated or renamed, without false positives."""

import numpy as np
import pytest

from cmapss_rul.data import fingerprints
from cmapss_rul.data.columns import COLUMNS, SENSORS, SUBSETS
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fingerprints import engines_with, find_duplicates, training_fingerprints
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.reader import read_fleet
from cmapss_rul.data.simulate import simulate
from tests.data._fleets import SIX, fleet_of

TRAINING = fleet_of(60, 45, 80, conditions=SIX)
KNOWN = training_fingerprints(TRAINING, COLUMNS)


def fleet_with(*records):
    """Engines 1, 2, … with these values, [row, column]."""
    engine = np.repeat(np.arange(1, len(records) + 1), [len(values) for values in records])
    cycle = np.concatenate([np.arange(1, len(values) + 1) for values in records])
    return Fleet.from_rows(engine, cycle, np.concatenate(records))


def rows(engine, start, stop):
    first = TRAINING.starts[engine - 1]
    return TRAINING.values[first + start : first + stop].copy()


OTHER = fleet_of(50, seed=1).values


def found(*records):
    return engines_with(fleet_with(*records), COLUMNS, KNOWN).tolist()


def test_twenty_consecutive_rows_are_found_anywhere():
    assert found(OTHER, rows(2, 25, 45), rows(3, 0, 80)) == [2, 3]
    assert found(np.concatenate([OTHER[:7], rows(1, 30, 50), OTHER[7:]])) == [1]
    assert found(rows(1, 0, 19), OTHER) == []
    assert found(np.concatenate([rows(1, 0, 19), rows(1, 20, 39)])) == []  # one row omitted
    assert found(rows(1, 0, 30)[::-1]) == []


def test_whole_records_are_found_however_short():
    known = training_fingerprints(fleet_with(OTHER[:7], OTHER[7:]), COLUMNS)
    assert engines_with(fleet_with(OTHER[1:7], OTHER[:7]), COLUMNS, known).tolist() == [2]


def test_any_digit_matters_and_unnamed_columns_do_not():
    changed = rows(1, 0, 60)
    changed[::10, COLUMNS.index("sensor_9")] += 0.01
    assert found(changed) == []
    without = [name for name in SENSORS if name != "sensor_9"]
    known = training_fingerprints(TRAINING, without)
    assert engines_with(fleet_with(changed), without, known).tolist() == [1]


def test_single_precision_and_the_sign_of_zero_do_not_matter():
    assert found(rows(1, 0, 60).astype(np.float32).astype(float)) == [1]
    zeros = rows(1, 0, 60)
    zeros[zeros == 0] = -0.0
    assert (np.signbit(zeros) != np.signbit(rows(1, 0, 60))).any()
    assert found(zeros) == [1]


def test_constant_records_are_not_duplicates():
    idle = np.tile(OTHER[:3], (20, 1))
    known = training_fingerprints(fleet_with(idle, OTHER), COLUMNS)
    assert engines_with(fleet_with(idle[:50]), COLUMNS, known).tolist() == []
    still = np.ones((30, len(COLUMNS)))
    known = training_fingerprints(fleet_with(still), COLUMNS)
    assert engines_with(fleet_with(still), COLUMNS, known).tolist() == []


def test_duplicates_within_a_file():
    assert find_duplicates(TRAINING, COLUMNS) == []
    duplicates = fleet_with(OTHER, rows(1, 0, 60), rows(2, 0, 45), rows(1, 20, 45), rows(2, 0, 45))
    assert find_duplicates(duplicates, COLUMNS) == [(2, 4), (3, 5)]


def test_a_sample_finds_records_of_a_large_fleet(monkeypatch):
    monkeypatch.setattr(fingerprints, "_MAX_RUNS", 30)
    monkeypatch.setattr(fingerprints, "_MAX_RECORDS", 1)
    sample = training_fingerprints(TRAINING, COLUMNS)
    assert len(sample) == 31
    assert set(sample.tolist()) < set(KNOWN.tolist())
    assert engines_with(TRAINING, COLUMNS, sample).tolist() == [1, 2, 3]


def test_a_checkpoint_keeps_less_than_200_kb():
    values = np.random.default_rng(0).normal(size=(60_000, len(COLUMNS)))
    engine = np.repeat(np.arange(3000), 20)
    many = Fleet.from_rows(engine, np.tile(np.arange(1, 21), 3000), values)
    one = Fleet.from_rows(engine * 0, np.arange(60_000), values)
    assert training_fingerprints(many, COLUMNS).nbytes <= 200_000
    assert training_fingerprints(one, COLUMNS).nbytes <= 200_000


@pytest.mark.parametrize("conditions", [1, 6])
def test_simulated_fleets_share_no_rows(tmp_path, conditions):
    simulate(tmp_path, engines=30, conditions=conditions)
    train, test = (read_fleet(next(tmp_path.glob(f"{kind}_*.txt"))) for kind in ("train", "test"))
    columns = DataConfig().input_columns
    assert find_duplicates(train, columns) == []
    assert not len(engines_with(test, columns, training_fingerprints(train, columns)))


@pytest.mark.needs_data
@pytest.mark.parametrize("subset", SUBSETS)
def test_c_mapss_subsets_share_no_rows(official, subset):
    train, test = (read_fleet(official / f"{kind}_{subset}.txt") for kind in ("train", "test"))
    for columns in (DataConfig().input_columns, ("sensor_2", "sensor_4")):
        assert find_duplicates(train, columns) == []
        known = training_fingerprints(train, columns)
        assert not len(engines_with(test, columns, known))
        cut = train.truncate(np.minimum(train.lengths, 60))
        assert engines_with(cut, columns, known).tolist() == train.engines.tolist()
