import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.metrics.prognostics import (
    alpha_lambda,
    convergence,
    cumulative_relative_accuracy,
    end_of_life,
    index_at_lambda,
    prognostic_horizon,
    prognostic_metrics,
    relative_accuracy,
)

# An engine that fails at cycle 110, followed from 10 to 110: true RUL 100 … 0.
CYCLE = np.arange(10, 111)
TRUE = 110 - CYCLE


def late_by(cycles):
    return TRUE + cycles


def test_the_failure_is_where_the_rul_runs_out():
    assert end_of_life(CYCLE, TRUE) == 110
    assert end_of_life(CYCLE[:20], TRUE[:20]) == 110  # also beyond the record


@pytest.mark.parametrize(
    ("share", "rows", "expected"),
    [
        (0.5, 101, 50),
        (0.0, 101, 0),
        (1.0, 101, 100),
        (0.305, 101, 31),
        (0.5, 51, 50),
        (0.5, 50, None),
    ],
)
def test_the_moment_lambda_is_the_first_cycle_at_or_after_it(share, rows, expected):
    # half-way from 10 to 110 is cycle 60, the row of index 50
    assert index_at_lambda(CYCLE[:rows], TRUE[:rows], share) == expected


@pytest.mark.parametrize(
    ("off", "expected"), [(10, True), (-10, True), (10.1, False), (-10.1, False), (0, True)]
)
def test_the_cone_at_half_way_is_a_fifth_of_the_true_rul(off, expected):
    # at cycle 60 the true RUL is 50, and a fifth of it is 10
    assert alpha_lambda(CYCLE, late_by(off), TRUE) is expected


def test_alpha_and_lambda_are_parameters():
    assert alpha_lambda(CYCLE, late_by(10), TRUE, alpha=0.1) is False
    assert alpha_lambda(CYCLE, late_by(10), TRUE, alpha=0.1, lam=0.0) is True  # RUL 100


def test_only_the_moment_lambda_counts():
    predicted = late_by(99.0)
    predicted[50] = 50
    assert alpha_lambda(CYCLE, predicted, TRUE) is True
    assert relative_accuracy(CYCLE, predicted, TRUE) == 1


def test_the_horizon_begins_with_the_first_prediction_in_the_band():
    # the band is 5 % of 110, 5.5 cycles
    predicted = late_by(6.0)
    assert prognostic_horizon(CYCLE, predicted, TRUE) is None
    predicted[30] += -0.5  # cycle 40, 5.5 off, 70 cycles before the failure
    predicted[60:] -= 6
    assert prognostic_horizon(CYCLE, predicted, TRUE) == 70
    assert prognostic_horizon(CYCLE, predicted, TRUE, alpha=0.04) == 40
    assert prognostic_horizon(CYCLE, late_by(0), TRUE) == 100


def test_the_horizon_of_a_cut_record_reaches_to_the_failure():
    assert prognostic_horizon(CYCLE[:5], TRUE[:5], TRUE[:5]) == 100


@pytest.mark.parametrize(("off", "expected"), [(0, 1.0), (10, 0.8), (-25, 0.5), (100, -1.0)])
def test_relative_accuracy_at_half_way(off, expected):
    assert relative_accuracy(CYCLE, late_by(off), TRUE) == pytest.approx(expected)


def test_at_the_failure_itself_there_is_no_relative_accuracy():
    assert relative_accuracy(CYCLE, TRUE, TRUE, lam=1.0) is None
    assert cumulative_relative_accuracy(np.array([3.0]), np.array([0])) is None


def test_cumulative_relative_accuracy_by_hand():
    # 1 − 1/4, 1 − 0, 1 − 2/2; the failure is left out: (0.75 + 1 + 0) / 3
    predicted, true = np.array([5.0, 3, 4, 9]), np.array([4, 3, 2, 0])
    assert cumulative_relative_accuracy(predicted, true) == pytest.approx(1.75 / 3)


def test_convergence_by_hand():
    # errors 4, 2, (last not held) at cycles 5, 6, 8: A = 4 + 2·2 = 8
    # x = ½ (1·4 + (9 − 1)·2) / 8 = 1.25, y = ½ (16 + 2·4) / 8 = 1.5
    cycle, true = np.array([5, 6, 8]), np.array([9, 8, 6])
    found = convergence(cycle, true + np.array([4, -2, 50]), true)
    assert found == pytest.approx(np.hypot(1.25, 1.5))


def test_an_error_that_vanishes_early_converges_faster():
    early = late_by(np.where(CYCLE < 30, 20.0, 1.0))
    later = late_by(np.where(CYCLE < 90, 20.0, 1.0))
    assert convergence(CYCLE, early, TRUE) < convergence(CYCLE, later, TRUE)


def test_undefined_metrics_are_none():
    one = prognostic_metrics(CYCLE[:1], TRUE[:1], TRUE[:1])
    assert one.alpha_lambda is None
    assert one.relative_accuracy is None
    assert one.convergence is None
    assert one.prognostic_horizon == 100
    assert one.cumulative_relative_accuracy == 1
    assert prognostic_metrics(CYCLE, TRUE, TRUE).convergence is None  # never wrong


def test_shapes_must_agree():
    for metric in (alpha_lambda, prognostic_horizon, relative_accuracy, convergence):
        with pytest.raises(ValueError, match="same shape"):
            metric(CYCLE, TRUE[:, None], TRUE)


@given(st.lists(st.floats(-50, 200), min_size=3, max_size=40), st.integers(0, 30))
def test_metrics_stay_in_their_ranges(predicted, rest):
    n = len(predicted)
    cycle, true = np.arange(1, n + 1), np.arange(n - 1, -1, -1) + rest
    found = prognostic_metrics(cycle, np.array(predicted), true)
    end = n + rest
    if found.prognostic_horizon is not None:
        assert rest <= found.prognostic_horizon <= end - 1
    if found.relative_accuracy is not None:
        assert found.relative_accuracy <= 1
    if found.convergence is not None:
        assert found.convergence >= 0
