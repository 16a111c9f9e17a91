"""The estimate for the NASA score: shifts by hand, their properties, lower scores."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.intervals.estimate import SHRINKAGE, fit_shifts, nasa_shift
from cmapss_rul.metrics.regression import nasa_mean

ERRORS = st.lists(st.floats(-80, 80), min_size=1, max_size=30)


def shift_of(errors):
    errors = np.array(errors, dtype=float)
    return nasa_shift(60 + errors, np.full(len(errors), 60.0), np.ones(len(errors)))


@pytest.mark.parametrize(("late", "early"), [(10.0, -10.0), (25.0, -5.0), (8.0, -30.0)])
def test_two_residuals_have_a_closed_form(late, early):
    """Between them the slope exp((b + c)/10)/10 − exp(−(a + c)/13)/13 is 0 where
    (b + c)/10 + (a + c)/13 = ln(10/13)."""
    expected = (math.log(10 / 13) - early / 13 - late / 10) / (1 / 10 + 1 / 13)
    assert shift_of([early, late]) == pytest.approx(expected, abs=1e-3)


def test_weights_count():
    """The weight of the late residual enters the closed form as its logarithm."""
    predicted, true = np.array([70.0, 50.0]), np.full(2, 60.0)
    expected = (math.log(10 / 13 / 3) + 10 / 13 - 1) / (1 / 10 + 1 / 13)
    assert nasa_shift(predicted, true, np.array([3.0, 1.0])) == pytest.approx(expected, abs=1e-3)
    tripled = nasa_shift(np.array([70.0] * 3 + [50.0]), np.full(4, 60.0), np.ones(4))
    assert tripled == pytest.approx(expected, abs=1e-3)


def test_without_errors_there_is_no_shift():
    assert shift_of([0.0] * 5) == 0.0
    assert shift_of([7.0] * 3) == pytest.approx(-7.0)
    # most are right, and the score has a corner there
    assert shift_of([0.0] * 9 + [1.0]) == 0.0


@given(ERRORS)
def test_symmetric_errors_give_an_earlier_estimate(errors):
    assert shift_of([*errors, *(-e for e in errors)]) <= 0


@given(ERRORS, st.floats(-20, 20))
def test_no_other_shift_has_a_lower_score(errors, other):
    predicted, true = 100 + np.array(errors), np.full(len(errors), 100.0)
    best = nasa_shift(predicted, true, np.ones(len(errors)))
    assert nasa_mean(predicted + best, true) <= nasa_mean(predicted + other, true) + 1e-3


def test_each_band_has_its_shift_of_engines_of_equal_weight():
    # band 0: engine 1 three times 10 late, engine 2 once 10 early; band 2: both 5 early
    predicted = np.array([10.0, 10, 10, 14, 80, 90])
    true = np.array([0.0, 0, 0, 24, 85, 95])
    engine, band = np.array([1, 1, 1, 2, 1, 2]), np.array([0, 0, 0, 0, 2, 2])
    knots, shifts = fit_shifts(predicted, true, engine, band)
    assert knots == [12.0, 85.0]
    assert shifts[0] == pytest.approx(SHRINKAGE * -2.7873, abs=1e-3)
    assert shifts[1] == 0.0  # never later than the network
