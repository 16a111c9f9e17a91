"""Bounds and concordance by hand, and against lifelines."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.metrics.censored import bound_metrics, concordance_index, cut_concordance


def test_engines_weigh_the_same():
    # engine 1: 1 of 4 windows below, by 8; engine 2: its only window below, by 3
    predicted, bound = np.array([5, 5, 5, 2, 0]), np.array([5, 4, 0, 10, 3])
    found = bound_metrics(predicted, bound, np.array([1, 1, 1, 1, 2]))
    assert (found.violated, found.shortfall) == (0.625, 2.5)
    assert (found.engines, found.windows) == (2, 5)


def test_no_pair_no_index():
    assert concordance_index(np.array([1, 2]), np.array([1, 2]), np.array([False, True])) is None
    assert cut_concordance(np.arange(4), np.array([4]), np.array([True]), 1) is None


engines = st.lists(
    st.tuples(st.integers(1, 6), st.integers(0, 5), st.booleans()), min_size=2, max_size=12
)


@given(engines)
def test_it_is_that_of_lifelines(engines):
    lifelines = pytest.importorskip("lifelines.utils")
    time, predicted, failed = map(np.array, zip(*engines, strict=True))
    found = concordance_index(time, predicted, failed)
    try:
        expected = lifelines.concordance_index(time, predicted, failed)
    except ZeroDivisionError:
        assert found is None
    else:
        assert found == pytest.approx(expected)


def test_a_perfect_prediction_orders_every_cut():
    lengths = np.array([30, 50, 8, 41])
    failed = np.array([True, True, False, True])
    # of the censored record the truth is far above the rest of its record
    left = np.concatenate(
        [np.arange(n)[::-1] + 99 * (not f) for n, f in zip(lengths, failed, strict=True)]
    )
    assert cut_concordance(left, lengths, failed, 10) == 1
    assert cut_concordance(-left, lengths, failed, 10) == 0
    assert cut_concordance(0 * left, lengths, failed, 10) == 0.5


def test_a_cut_is_at_the_earliest_row_or_later_and_never_at_the_last():
    # right at rows 3 to 4 and 3 to 5, and wrong at all others
    left = np.array([-50, 70, 2, 1, 99, 80, -50, 3, 2, 1, -99])
    assert cut_concordance(left, np.array([5, 6]), np.array([True, True]), 3) == 1
