"""Typical errors by predicted RUL: bins by hand, linear and stepwise scales, interval bounds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.intervals.scales import FORMS, SCALE_BINS, ErrorScales, ScaleCurve

EIGHT = np.arange(1.0, 9.0) * 10
"""One prediction a part, each of an engine of its own."""


def of_eight(errors, form):
    """Eight engines of one cycle each, with the given errors (predicted − true)."""
    return ScaleCurve.fit(EIGHT, EIGHT - np.array(errors), np.arange(8), form)


def test_each_side_has_a_scale_of_its_own_and_at_least_a_cycle():
    scales = of_eight([4, -6, 0, 2, -0.5, 8, -3, 0.25], "normalised")
    assert scales.knots.tolist() == EIGHT.tolist()
    assert scales.late.tolist() == [4, 1, 1, 2, 1, 8, 1, 1]
    assert scales.early.tolist() == [1, 6, 1, 1, 1, 1, 3, 1]


def test_linear_between_the_bins_and_constant_beyond():
    scales = of_eight([4, 8, 8, 8, 8, 8, 8, -5], "normalised")
    late, early = scales.at(np.array([0.0, 10.0, 12.5, 20.0, 75.0, 125.0]))
    assert late.tolist() == [4, 4, 5, 8, 4.5, 1]
    assert early.tolist() == [1, 1, 1, 1, 3, 5]


def test_steps_where_a_part_begins():
    scales = of_eight([4, 8, 2, 2, 2, 2, 2, 2], "bins")
    late, _ = scales.at(np.array([0.0, 19.99, 20.0, 29.99, 30.0, 125.0]))
    assert late.tolist() == [4, 4, 8, 8, 2, 2]


def test_a_part_averages_squares_and_each_engine_weighs_the_same():
    # engine 1: three cycles, all 6 too late; engine 2: one cycle, 2 too late
    scales = ScaleCurve.fit(np.full(4, 50.0), np.array([44.0, 44, 44, 48]), np.array([1, 1, 1, 2]),
                        "normalised")  # fmt: skip
    assert scales.late.tolist() == pytest.approx([np.sqrt((36 + 4) / 2)])
    assert scales.early.tolist() == [1.0]


@pytest.mark.parametrize("form", FORMS)
def test_predictions_that_are_all_the_same_make_one_part(form):
    scales = ScaleCurve.fit(np.full(5, 125.0), np.full(5, 120.0), np.arange(5), form)
    assert [values.tolist() for values in scales.at(np.array([0.0, 125.0]))] == [[5, 5], [1, 1]]


@given(st.lists(st.floats(0, 125), min_size=1, max_size=80), st.integers(0, 99))
@pytest.mark.parametrize("form", FORMS)
def test_any_predictions_give_scales_that_are_finite_and_rise_over_one(form, predicted, seed):
    predicted = np.array(predicted)
    generator = np.random.default_rng(seed)
    true, engine = (
        generator.uniform(0, 125, len(predicted)),
        generator.integers(0, 5, len(predicted)),
    )
    scales = ScaleCurve.fit(predicted, true, engine, form)
    assert (np.diff(scales.knots) >= 0).all()
    assert len(scales.knots) <= 2 * SCALE_BINS
    for side in scales.at(np.linspace(-5, 130, 50)):
        assert np.isfinite(side).all()
        assert (side >= 1).all()
        assert (side <= 125).all()


def test_the_score_is_the_larger_error_in_units_of_its_own_scale():
    scales = ErrorScales(np.full(3, 2.0), np.full(3, 5.0))
    scores = scales.scores(np.array([50.0, 50.0, 50.0]), np.array([40.0, 60.0, 50.0]))
    assert scores.tolist() == [5.0, 2.0, 0.0]


@given(st.floats(0, 125), st.floats(0, 125), st.floats(0, 30))
def test_a_truth_is_within_the_bounds_exactly_where_its_score_is(at, true, bound):
    scales = ErrorScales(np.array([3.0]), np.array([7.0]))
    predicted, truth = np.array([at]), np.array([true])
    lower, upper = scales.bounds(predicted, bound, 125)
    score = scales.scores(predicted, truth)[0]
    if abs(score - bound) > 1e-9:
        assert (lower[0] <= true <= upper[0]) == (score <= bound)
    assert 0 <= lower[0] <= at <= upper[0] <= 125
