"""RMSE, MAE, bias and NASA score: hand-worked values, shapes, overflow, an oracle."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cmapss_rul.data.columns import SUBSETS, file_name
from cmapss_rul.data.labels import cap_rul, run_to_failure_rul
from cmapss_rul.data.reader import read_fleet, read_rul
from cmapss_rul.metrics.regression import (
    RegressionMetrics,
    band_name,
    bias,
    constant_baseline,
    errors,
    in_band,
    mae,
    nasa_mean,
    nasa_score,
    nasa_terms,
    perfect_under_cap,
    random_cut_weights,
    regression_metrics,
    rmse,
    rul_bands,
)

PREDICTED = np.array([100.0, 45.0, 80.0, 120.0])
TRUE = np.array([90, 50, 80, 110])  # errors +10, −5, 0, +10
ALL = [rmse, mae, bias, nasa_score, nasa_mean, nasa_terms, errors, regression_metrics]

numbers = st.floats(-500, 500).map(lambda x: round(x, 3))  # squares of less are rounded to 0
cycles = hnp.arrays(np.float64, st.integers(1, 30), elements=numbers)
pairs = hnp.arrays(np.float64, (2, 9), elements=numbers)


def test_hand_worked_values():
    assert rmse(PREDICTED, TRUE) == pytest.approx(7.5)  # √((100 + 25 + 0 + 100) / 4)
    assert mae(PREDICTED, TRUE) == pytest.approx(6.25)  # (10 + 5 + 0 + 10) / 4
    assert bias(PREDICTED, TRUE) == pytest.approx(3.75)  # (10 − 5 + 0 + 10) / 4


@pytest.mark.parametrize(
    ("error", "score"),
    [(10, 1.71828), (-10, 1.15811), (0, 0.0), (20, 6.38906), (-13, 1.71828), (13, 2.66930)],
)
def test_nasa_score_of_one_error(error, score):
    assert nasa_score(np.array([50.0 + error]), np.array([50.0])) == pytest.approx(score, abs=5e-6)


def test_nasa_score_is_a_sum_and_its_mean_is_per_prediction():
    late, early = math.e - 1, math.exp(5 / 13) - 1
    assert nasa_score(PREDICTED, TRUE) == pytest.approx(2 * late + early)
    assert nasa_mean(PREDICTED, TRUE) == pytest.approx((2 * late + early) / 4)
    assert nasa_terms(PREDICTED, TRUE) == pytest.approx([late, early, 0, late])


def test_bias_is_predicted_less_true():
    assert bias(np.array([60.0]), np.array([50.0])) == 10
    assert bias(np.array([40.0]), np.array([50.0])) == -10


def test_metrics_are_the_values_of_the_functions():
    assert regression_metrics(PREDICTED, TRUE) == RegressionMetrics(
        rmse(PREDICTED, TRUE),
        mae(PREDICTED, TRUE),
        bias(PREDICTED, TRUE),
        nasa_score(PREDICTED, TRUE),
        nasa_mean(PREDICTED, TRUE),
    )


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize(
    ("left", "right"), [((4,), (4, 1)), ((4, 1), (4,)), ((4,), (1,)), ((4,), ()), ((4,), (3,))]
)
def test_shapes_that_differ_are_refused_and_never_broadcast(function, left, right):
    with pytest.raises(ValueError, match="should have the same shape, found") as caught:
        function(np.zeros(left), np.zeros(right))
    assert f"{list(left)} and {list(right)}" in str(caught.value)


@pytest.mark.parametrize("function", ALL)
def test_nothing_to_compare_is_refused(function):
    with pytest.raises(ValueError, match="at least one prediction"):
        function(np.zeros(0), np.zeros(0))


def test_a_column_against_a_column_is_no_broadcast():
    assert rmse(PREDICTED[:, None], TRUE[:, None]) == pytest.approx(7.5)


def test_absurd_errors_give_infinity_without_a_warning():
    far = np.array([1e5, 0.0])
    assert nasa_score(far, np.zeros(2)) == math.inf
    assert nasa_mean(-far, np.zeros(2)) == math.inf
    assert nasa_score(np.array([7_090.0]), np.array([0.0])) < math.inf
    assert rmse(np.array([1e200]), np.array([0.0])) == math.inf


def test_a_sum_beyond_a_float_is_infinite_too():
    assert nasa_score(np.full(9, 7_097.0), np.zeros(9)) == math.inf


def test_nan_stays_nan():
    assert all(
        math.isnan(f) for f in vars(regression_metrics(np.array([np.nan]), np.zeros(1))).values()
    )


def test_whole_numbers_and_single_precision_are_worked_out_in_double():
    assert rmse(np.array([3], np.uint8), np.array([5], np.uint8)) == 2.0
    assert errors(np.zeros(2, np.float32), np.zeros(2, np.int64)).dtype == np.float64


def test_a_mean_over_uneven_batches_would_be_too_low():
    predicted, true = np.array([10.0, 10, 10, 0]), np.zeros(4)
    batches = [rmse(predicted[:3], true[:3]), rmse(predicted[3:], true[3:])]
    assert np.mean(batches) < rmse(predicted, true) == pytest.approx(math.sqrt(75))


@given(cycles)
def test_a_perfect_prediction_scores_zero(true):
    assert set(vars(regression_metrics(true, true)).values()) == {0.0}


@given(cycles, st.floats(0.1, 100))
def test_late_costs_more_than_early(true, error):
    late, early = nasa_score(true + error, true), nasa_score(true - error, true)
    assert late > early > 0


@given(pairs, st.permutations(range(9)))
def test_order_does_not_matter_and_rmse_bounds_the_rest(both, order):
    predicted, true = both
    assert rmse(predicted[order], true[order]) == pytest.approx(rmse(predicted, true))
    assert abs(bias(predicted, true)) <= mae(predicted, true) * (1 + 1e-12)
    assert mae(predicted, true) <= rmse(predicted, true) * (1 + 1e-12)
    assert rmse(predicted, true) == pytest.approx(rmse(true, predicted))


@given(pairs)
def test_rmse_and_mae_agree_with_torch(both):
    predicted, true = map(torch.from_numpy, both)
    squared = torch.nn.functional.mse_loss(predicted, true).sqrt().item()
    absolute = torch.nn.functional.l1_loss(predicted, true).item()
    assert rmse(*both) == pytest.approx(squared)
    assert mae(*both) == pytest.approx(absolute)


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
    figures = constant_baseline(50.0, np.array([40, 50, 60]))
    assert figures.bias == 0
    assert figures.mae == pytest.approx(20 / 3)
    assert figures.nasa == pytest.approx(np.e - 1 + np.expm1(10 / 13))


def test_a_constant_takes_the_shape_of_the_labels():
    assert constant_baseline(1.5, np.zeros((4, 1))).rmse == 1.5


@given(st.lists(st.integers(0, 300), min_size=1, max_size=50), st.floats(0, CAP))
def test_nothing_under_the_cap_beats_the_floor(raw, other):
    raw = np.array(raw)
    assert rmse(np.full(len(raw), other), raw) >= perfect_under_cap(raw, CAP).rmse - 1e-9


@given(st.lists(st.integers(0, 300), min_size=1, max_size=50), st.floats(0, 300))
def test_no_constant_has_a_lower_rmse_than_the_mean(labels, other):
    labels = np.array(labels)
    assert (
        constant_baseline(np.mean(labels), labels).rmse
        <= constant_baseline(other, labels).rmse + 1e-9
    )


def shown(figures):
    return round(figures.rmse, 2), round(figures.nasa)


@pytest.mark.needs_data
@pytest.mark.parametrize("subset", SUBSETS)
def test_the_official_files_give_the_values_of_the_protocol(official, subset):
    test = read_fleet(official / file_name("test", subset))
    raw = read_rul(official / file_name("RUL", subset), len(test.starts))
    low = cap_rul(raw, CAP)
    assert shown(perfect_under_cap(raw, CAP)) == FLOOR[subset]
    assert shown(constant_baseline(np.mean(low), low)) == TEST_MEAN_CAPPED[subset]
    assert shown(constant_baseline(np.mean(raw), raw)) == TEST_MEAN_RAW[subset]


@pytest.mark.needs_data
@pytest.mark.parametrize("subset", SUBSETS)
def test_the_honest_constant_on_the_official_files(official, subset):
    train = read_fleet(official / file_name("train", subset))
    mean_label = np.mean(cap_rul(run_to_failure_rul(train), CAP))
    test = read_fleet(official / file_name("test", subset))
    low = cap_rul(read_rul(official / file_name("RUL", subset), len(test.starts)), CAP)
    assert shown(constant_baseline(mean_label, low)) == TRAIN_MEAN_CAPPED[subset]


@given(st.integers(1, 500), st.integers(0, 1000))
def test_every_rul_lies_in_one_band(cap, rul):
    inside = [band for band in rul_bands(cap) if in_band(np.array([rul]), *band).all()]
    assert len(inside) == 1
    assert (inside[0][1] is None) is (rul >= cap)


@pytest.mark.parametrize("cap", [1, 3, 125])
def test_band_names_show_the_first_and_the_last_rul(cap):
    for low, below in rul_bands(cap):
        name = band_name(low, below)
        assert name == (f"{cap} or more" if below is None else f"{low}–{below - 1}")


def test_weights_of_random_cuts_are_the_expectation_over_many_cuts():
    """Against cuts that are drawn: an engine at random, then a cycle from 20 on."""
    generator = np.random.default_rng(0)
    lives = {7: 25, 3: 60, 5: 18}  # the last one has no cut of 20 cycles
    engine = np.repeat(list(lives), list(lives.values()))
    lengths = np.concatenate([np.arange(1, n + 1) for n in lives.values()])
    values = generator.normal(size=len(engine))
    weights = random_cut_weights(engine, lengths)
    assert weights.sum() == pytest.approx(1)
    drawn = [
        values[(engine == number) & (lengths == generator.integers(20, lives[number] + 1))][0]
        for number in generator.choice([7, 3], size=40_000)
    ]
    assert (weights * values).sum() == pytest.approx(np.mean(drawn), abs=0.03)


def test_fleets_of_short_records_are_cut_anywhere():
    weights = random_cut_weights(np.array([1, 1, 2]), np.array([1, 2, 1]))
    assert weights.tolist() == [0.25, 0.25, 0.5]


def test_weighted_metrics_by_hand():
    predicted, true = np.array([3.0, 10.0]), np.array([0.0, 10.0])
    weights = np.array([0.25, 0.75])
    assert rmse(predicted, true, weights) == pytest.approx(1.5)
    assert nasa_mean(predicted, true, weights) == pytest.approx(np.expm1(0.3) / 4)
