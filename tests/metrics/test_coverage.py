"""How often intervals hold: by hand, with engines as units, and the binomial interval."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cmapss_rul.metrics.coverage import binomial_interval, interval_coverage, mean_by_engine


def test_engines_weigh_the_same_whatever_their_number_of_windows():
    lower, upper = np.array([0.0, 0, 0, 10]), np.array([4.0, 4, 4, 30])
    found = interval_coverage(lower, upper, np.array([4, 5, 0, 9]), np.array([1, 1, 1, 2]))
    assert found.coverage == pytest.approx((2 / 3 + 0) / 2)
    assert found.width == (4 + 20) / 2
    assert (found.engines, found.windows) == (2, 4)
    assert found.interval == binomial_interval(found.coverage, 2)


def test_with_one_window_an_engine_it_is_the_share():
    true = np.arange(10)
    found = interval_coverage(np.full(10, 2.0), np.full(10, 8.0), true, true)
    assert found.coverage == pytest.approx(0.7)
    exact = stats.binomtest(7, 10).proportion_ci(0.95, method="exact")
    assert found.interval == pytest.approx((exact.low, exact.high))


@given(st.integers(0, 60), st.integers(1, 60))
def test_the_interval_is_the_exact_one_for_whole_numbers(successes, trials):
    successes = min(successes, trials)
    exact = stats.binomtest(successes, trials).proportion_ci(0.95, method="exact")
    found = binomial_interval(successes / trials, trials)
    assert found == pytest.approx((exact.low, exact.high), abs=1e-9)


@given(st.integers(0, 10_000), st.integers(1, 300))
def test_the_interval_holds_the_share(share, trials):
    share /= 10_000
    low, high = binomial_interval(share, trials)
    assert 0 <= low <= share <= high <= 1
    assert low < high


def test_means_of_truths_are_shares():
    assert mean_by_engine(np.array([True, False, True]), np.array([3, 3, 1])) == 0.75


def test_shapes_that_differ_and_nothing_at_all_are_refused():
    ends, engine = np.zeros(3), np.arange(3)
    with pytest.raises(ValueError, match=r"same shape, found \[3\], \[3\], \[3, 1\], \[3\]"):
        interval_coverage(ends, ends, np.zeros((3, 1)), engine)
    with pytest.raises(ValueError, match="at least one interval"):
        interval_coverage(*(np.zeros(0),) * 4)
