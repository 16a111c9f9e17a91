"""Floor and constants: by hand, and the values of the official files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.data.columns import SUBSETS, file_name
from cmapss_rul.data.labels import cap_rul, run_to_failure_rul
from cmapss_rul.data.reader import read_fleet, read_rul
from cmapss_rul.metrics.baselines import constant, mean_of, perfect_under_cap
from cmapss_rul.metrics.regression import rmse

CAP = 125
RAW = np.array([7, 120, 125, 135, 145])

# Last window of each test engine; RMSE to two decimals, NASA score to a whole number.
FLOOR = {"FD001": (3.74, 15), "FD002": (18.32, 2010), "FD003": (4.71, 23), "FD004": (19.53, 2130)}
TEST_MEAN_CAPPED = {
    "FD001": (40.07, 10_579),
    "FD002": (42.94, 34_150),
    "FD003": (39.17, 9_433),
    "FD004": (42.98, 39_031),
}
TEST_MEAN_RAW = {
    "FD001": (41.56, 12_229),
    "FD002": (53.78, 124_943),
    "FD003": (41.40, 11_722),
    "FD004": (54.52, 128_534),
}
TRAIN_MEAN_CAPPED = {
    "FD001": (41.94, 33_354),
    "FD002": (44.93, 115_590),
    "FD003": (43.70, 57_687),
    "FD004": (45.57, 164_681),
}


def test_the_floor_by_hand():
    floor = perfect_under_cap(RAW, CAP)  # errors 0, 0, 0, −10, −20
    assert floor.rmse == pytest.approx(10.0)
    assert floor.mae == pytest.approx(6.0)
    assert floor.bias == pytest.approx(-6.0)
    assert floor.nasa == pytest.approx(1.15811 + np.expm1(20 / 13), abs=5e-6)


def test_there_is_no_floor_where_nothing_is_above_the_cap():
    assert perfect_under_cap(cap_rul(RAW, CAP), CAP).rmse == 0


def test_a_constant_by_hand():
    figures = constant(50.0, np.array([40, 50, 60]))
    assert figures.bias == 0
    assert figures.mae == pytest.approx(20 / 3)
    assert figures.nasa == pytest.approx(np.e - 1 + np.expm1(10 / 13))


def test_a_constant_takes_the_shape_of_the_labels():
    assert constant(1.5, np.zeros((4, 1))).rmse == 1.5


@given(st.lists(st.integers(0, 300), min_size=1, max_size=50), st.floats(0, CAP))
def test_nothing_under_the_cap_beats_the_floor(raw, other):
    raw = np.array(raw)
    assert rmse(np.full(len(raw), other), raw) >= perfect_under_cap(raw, CAP).rmse - 1e-9


@given(st.lists(st.integers(0, 300), min_size=1, max_size=50), st.floats(0, 300))
def test_no_constant_has_a_lower_rmse_than_the_mean(labels, other):
    labels = np.array(labels)
    assert constant(mean_of(labels), labels).rmse <= constant(other, labels).rmse + 1e-9


def shown(figures):
    return round(figures.rmse, 2), round(figures.nasa)


@pytest.mark.needs_data
@pytest.mark.parametrize("subset", SUBSETS)
def test_the_official_files_give_the_values_of_the_protocol(official, subset):
    test = read_fleet(official / file_name("test", subset))
    raw = read_rul(official / file_name("RUL", subset), len(test.starts))
    low = cap_rul(raw, CAP)
    assert shown(perfect_under_cap(raw, CAP)) == FLOOR[subset]
    assert shown(constant(mean_of(low), low)) == TEST_MEAN_CAPPED[subset]
    assert shown(constant(mean_of(raw), raw)) == TEST_MEAN_RAW[subset]


@pytest.mark.needs_data
@pytest.mark.parametrize("subset", SUBSETS)
def test_the_honest_constant_on_the_official_files(official, subset):
    train = read_fleet(official / file_name("train", subset))
    mean_label = mean_of(cap_rul(run_to_failure_rul(train), CAP))
    test = read_fleet(official / file_name("test", subset))
    low = cap_rul(read_rul(official / file_name("RUL", subset), len(test.starts)), CAP)
    assert shown(constant(mean_label, low)) == TRAIN_MEAN_CAPPED[subset]
