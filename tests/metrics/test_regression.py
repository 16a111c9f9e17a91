"""RMSE, MAE, bias and NASA score: hand-worked values, shapes, overflow, an oracle."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cmapss_rul.metrics.regression import (
    Figures,
    bias,
    errors,
    figures,
    mae,
    nasa_mean,
    nasa_score,
    nasa_terms,
    rmse,
)

PREDICTED = np.array([100.0, 45.0, 80.0, 120.0])
TRUE = np.array([90, 50, 80, 110])  # errors +10, −5, 0, +10
ALL = [rmse, mae, bias, nasa_score, nasa_mean, nasa_terms, errors, figures]

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


def test_figures_are_the_functions_values():
    assert figures(PREDICTED, TRUE) == Figures(
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
    assert all(math.isnan(f) for f in vars(figures(np.array([np.nan]), np.zeros(1))).values())


def test_whole_numbers_and_single_precision_are_worked_out_in_double():
    assert rmse(np.array([3], np.uint8), np.array([5], np.uint8)) == 2.0
    assert errors(np.zeros(2, np.float32), np.zeros(2, np.int64)).dtype == np.float64


def test_a_mean_over_uneven_batches_would_be_too_low():
    predicted, true = np.array([10.0, 10, 10, 0]), np.zeros(4)
    batches = [rmse(predicted[:3], true[:3]), rmse(predicted[3:], true[3:])]
    assert np.mean(batches) < rmse(predicted, true) == pytest.approx(math.sqrt(75))


@given(cycles)
def test_a_perfect_prediction_scores_zero(true):
    assert set(vars(figures(true, true)).values()) == {0.0}


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
