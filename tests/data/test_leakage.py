"""Detection of label and index columns, without false alarms on measurements."""

import numpy as np
import pytest

from cmapss_rul.data.columns import SUBSETS
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.leakage import describe_index, describe_label, find_labels
from cmapss_rul.data.reader import read_fleet
from cmapss_rul.data.simulate import simulate

LIVES = np.random.default_rng(3).integers(60, 300, 14)
CYCLE = np.concatenate([np.arange(1, life + 1) for life in LIVES])
LIFE, ENGINE = np.repeat(LIVES, LIVES), np.repeat(np.arange(1, 15), LIVES)
RUL = LIFE - CYCLE
NOISE = np.random.default_rng(4).normal(0, 1, len(CYCLE))


def fleet(values=NOISE, engines=14, cycle=CYCLE):
    kept = engines >= ENGINE
    return Fleet.from_rows(ENGINE[kept], cycle[kept], values[kept, None], ("x",))


def label(values, engines=14):
    values = np.asarray(values, dtype=float)
    return describe_label(values[engines >= ENGINE], fleet(values, engines))


LABELS = {
    "RUL": RUL,
    "capped": np.minimum(RUL, 125),
    "scaled and rounded": (np.minimum(RUL, 125) / 125).round(1),
    "days, to the day": np.round(1.7 * RUL),
    "fails in 30": RUL <= 30,
    "the last cycle": RUL == 0,
    "classes": np.digitize(RUL, [10, 50]),
    "log": np.log1p(RUL),
    "exponential": np.exp(-RUL / 20).round(3),
    "share of life": (CYCLE / LIFE).round(4),
    "share from 0": (CYCLE - 1) / (LIFE - 1),
    "percent left": (100 * RUL / LIFE).round(2),
    "last tenth": CYCLE / LIFE > 0.9,
    "square of the share": (CYCLE / LIFE) ** 2,
    "life": LIFE,
    "hours of life": (LIFE * 1.5 + 0.2 * np.repeat(NOISE[:14], LIVES)).round(),
    "inverse of life": 1 / LIFE,
}
MEASURED = {
    "noise": NOISE,
    "wear": np.exp(3 * CYCLE / LIFE) + NOISE,
    "wear of own rate": np.exp(0.01 * CYCLE * np.repeat(1 + 0.1 * NOISE[:14], LIVES)),
    "cycle": CYCLE,
    "hours": 1.5 * CYCLE,
    "model": ENGINE % 3,
    "site": ENGINE // 5,
    "age at the start": np.repeat(NOISE[:14], LIVES),
    "alarm at random": NOISE > 2,
    "alarm about a month before": np.repeat(30 + 15 * NOISE[:14], LIVES) >= RUL,
    "alarm by threshold": 3 * CYCLE / LIFE + NOISE > 3.5,
    "one spike at the end": np.where((ENGINE == 3) & (RUL == 0), 1e9, NOISE),
    "one spike before it": np.where((ENGINE == 3) & (RUL == 1), 1e9, NOISE),
    "one spike at the start": np.where((LIVES.max() == LIFE) & (CYCLE == 1), -1e9, NOISE),
    "one engine's spike": np.where((ENGINE == 3) & (RUL == 40), 1.0, 0.0),
}


@pytest.mark.parametrize("values", LABELS.values(), ids=LABELS)
def test_labels_are_found_in_any_direction_and_not_in_few_engines(values):
    values = np.asarray(values, dtype=float)
    assert label(values)
    assert label(7 - 3 * values)
    assert label(values, engines=10)
    assert not label(values, engines=9)


def test_a_label_is_described():
    assert label(RUL) == "a function of the RUL"
    assert label(CYCLE / LIFE) == "a function of cycle ÷ life"
    assert label(LIFE) == "constant in each engine, it ranks them by their life"
    assert find_labels(fleet(RUL * 1.0), ["x"]) == {"x": "a function of the RUL"}


@pytest.mark.parametrize("values", MEASURED.values(), ids=MEASURED)
def test_measurements_are_not_labels(values):
    assert not label(values)


ROW = np.arange(len(CYCLE))
INDEXES = {
    "row number": ROW,
    "row number from 1": ROW + 1,
    "cycle from 0": CYCLE - 1,
    "hours": (CYCLE / 3).round(2) + np.repeat(NOISE[:14], LIVES),
    "seconds": 1.7e9 + 3600 * ROW + np.round(600 * NOISE),
    "milliseconds": 1e3 * (1.6e9 + 3600 * ROW + np.round(600 * NOISE)),
}


@pytest.mark.parametrize("values", INDEXES.values(), ids=INDEXES)
@pytest.mark.parametrize("engines", [2, 14])
def test_index_columns_are_found(values, engines):
    values = np.asarray(values, dtype=float)
    assert describe_index(values[engines >= ENGINE], fleet(values, engines))


def test_row_numbers_of_a_file_sorted_by_time_are_found():
    numbers = np.argsort(np.argsort(CYCLE + ENGINE / 100)).astype(float)
    assert describe_index(numbers, fleet(numbers)) == "numbers the rows"
    assert describe_index(numbers[ENGINE <= 11], fleet(numbers, 11)) == "numbers the rows"


def test_dates_are_found():
    days = np.datetime64("2019-03-01") + np.concatenate([np.arange(life) for life in LIVES])
    dates = np.char.replace(days.astype(str), "-", "").astype(float)
    assert describe_index(dates, fleet(dates)) == "seems to be a date"


@pytest.mark.parametrize("name", sorted(set(MEASURED) - {"cycle", "hours"}))
def test_measurements_are_not_indexes(name):
    values = np.asarray(MEASURED[name], dtype=float)
    assert not describe_index(values, fleet(values))
    counts = np.concatenate([np.cumsum(NOISE[:life] > 0) for life in LIVES]).astype(float)
    assert not describe_index(counts, fleet(counts))


def test_single_rows_give_no_index():
    one = Fleet.from_rows(np.arange(12), np.ones(12, int), np.arange(12.0)[:, None], ("x",))
    assert not describe_index(one.values[:, 0], one)


def caught(found):
    indexes = [name for name in found.columns if describe_index(found.column_values([name])[:, 0],
                                                                found)]  # fmt: skip
    return [*find_labels(found, found.columns), *indexes]


@pytest.mark.parametrize("conditions", [1, 6])
@pytest.mark.parametrize("faults", [1, 2])
def test_simulated_fleets_have_neither(tmp_path, conditions, faults):
    for seed, engines in ((0, 12), (1, 40)):
        folder = tmp_path / str(seed)
        simulate(folder, engines=engines, conditions=conditions, faults=faults, seed=seed)
        assert caught(read_fleet(next(folder.glob("train_*.txt")))) == []


@pytest.mark.needs_data
@pytest.mark.parametrize("subset", SUBSETS)
def test_c_mapss_has_neither(official, subset):
    assert caught(read_fleet(official / f"train_{subset}.txt")) == []
