"""Bounds and concordance by hand, and against a loop over pairs."""

from itertools import combinations

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


def concordance_of_pairs(engines):
    """Harrell's index by its definition, pair by pair."""
    right = pairs = 0
    for one, other in combinations(engines, 2):
        # of two equal times that of a failure comes first
        (time, first, failed), (later, last, also) = sorted(
            (one, other), key=lambda e: (e[0], not e[2])
        )
        if failed and (time < later or not also):
            pairs += 1
            right += 1 if first < last else 0.5 if first == last else 0
    return right / pairs if pairs else None


@given(engines)
def test_it_is_that_of_the_pairs_one_by_one(engines):
    """Also equal to lifelines 0.30.0, which is incompatible with newer pandas."""
    time, predicted, failed = map(np.array, zip(*engines, strict=True))
    found, expected = concordance_index(time, predicted, failed), concordance_of_pairs(engines)
    assert found == (None if expected is None else pytest.approx(expected))


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
