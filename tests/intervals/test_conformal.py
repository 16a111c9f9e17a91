"""The quantile over engines: values by hand, a reference, and simulated coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.intervals.conformal import (
    band_quantiles,
    conformal_quantile,
    engine_weights,
    engines_needed,
    offered_levels,
    preferred_level,
    supported_levels,
    validate_level,
)
from cmapss_rul.system.errors import UsageError


def test_engines_have_equal_weight_whatever_their_length_and_order():
    weights = engine_weights(np.array([7, 2, 7, 7, 2, 5]))
    assert weights.tolist() == pytest.approx([1 / 9, 1 / 6, 1 / 9, 1 / 9, 1 / 6, 1 / 3])


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        # 3 engines, 4 units of 1/4: engine 1 has scores 1 and 9, engine 2 has 2, engine 3 has 4
        # mass up to 1: 1/8, up to 2: 3/8, up to 4: 5/8, up to 9: 6/8
        (0.1, 1.0),
        (0.125, 1.0),
        (0.126, 2.0),
        (0.375, 2.0),
        (0.5, 4.0),
        (0.625, 4.0),
        (0.7, 9.0),
        (0.75, 9.0),
        (0.751, math.inf),
    ],
)
def test_values_by_hand(level, expected):
    scores, engine = np.array([9.0, 2.0, 1.0, 4.0]), np.array([1, 2, 1, 3])
    assert conformal_quantile(scores, engine, level) == expected


def test_bands_by_hand():
    """Four engines, units of 1/5. The level of 0.6 needs a mass of three engines.

    All cycles: mass up to 1: 2/10, up to 2: 3/10, up to 3: 4/10, up to 5: 5/10, up to 7: 6/10.
    Band 0 has one cycle of each engine: 1, 1, 2 and 3, of which the third is 2. Band 1 has 5, 7, 8
    and 9, of which it is 8. Band 2 has no cycle. A band of a single engine has a mass of 1/2.
    """
    scores = np.array([1.0, 5.0, 1.0, 7.0, 2.0, 8.0, 3.0, 9.0])
    engine = np.array([1, 1, 2, 2, 3, 3, 4, 4])
    overall = conformal_quantile(scores, engine, 0.6)
    assert overall == 7.0
    band = np.array([0, 1] * 4)
    assert band_quantiles(scores, engine, band, 3, 0.6) == [7.0, 8.0, 7.0]
    one = np.array([0, 1, 0, 0, 0, 0, 0, 0])
    assert band_quantiles(scores, engine, one, 2, 0.6)[1] == 7.0


def test_a_level_is_offered_with_an_engine_to_spare():
    """With one cycle an engine, the score of the bound is not the largest."""
    for level in (0.8, 0.9, 0.95):
        count = engines_needed(level, spare=1)
        scores = np.arange(count) + 1.0
        assert conformal_quantile(scores, np.arange(count), level) == count - 1
        assert conformal_quantile(scores[1:], np.arange(count - 1), level) == count
    assert offered_levels((0.95, 0.9, 0.8), 39) == (0.8, 0.9, 0.95)
    assert offered_levels((0.95, 0.9, 0.8), 38) == (0.8, 0.9)
    assert offered_levels((0.9, 0.8), 4) == (0.8,)
    assert offered_levels((0.9,), 8) == ()


@given(
    st.lists(st.floats(0, 100), min_size=1, max_size=60),
    st.sampled_from([0.5, 0.75, 0.8, 0.9, 0.95, 0.98]),
)
def test_with_one_cycle_an_engine_it_is_split_conformal_prediction(scores, level):
    """The ⌈(K + 1)·level⌉-th smallest score."""
    count = len(scores)
    rank = math.ceil(round((count + 1) * level, 9))
    expected = sorted(scores)[rank - 1] if rank <= count else math.inf
    assert conformal_quantile(np.array(scores), np.arange(count), level) == expected


@given(st.lists(st.integers(1, 6), min_size=1, max_size=30), st.integers(0, 999))
def test_it_rises_with_the_level_and_ends_at_the_bound(lengths, seed):
    engine = np.repeat(np.arange(len(lengths)), lengths)
    scores = np.random.default_rng(seed).random(len(engine))
    bound = len(lengths) / (len(lengths) + 1)
    found = [
        conformal_quantile(scores, engine, level) for level in (0.2 * bound, 0.6 * bound, bound)
    ]
    assert found == sorted(found)
    assert found[-1] == scores.max()
    assert conformal_quantile(scores, engine, bound + 1e-6) == math.inf


def test_repeating_each_cycle_of_an_engine_changes_nothing():
    scores, engine = np.array([3.0, 1.0, 2.0, 5.0]), np.array([1, 1, 2, 3])
    again = np.repeat(scores, [1, 1, 9, 4]), np.repeat(engine, [1, 1, 9, 4])
    for level in (0.2, 0.4, 0.5, 0.7):
        assert conformal_quantile(scores, engine, level) == conformal_quantile(*again, level)


@pytest.mark.parametrize(("level", "count"), [(0.8, 9), (0.8, 4), (0.9, 20)])
def test_it_holds_for_a_further_engine(level, count):
    """Simulated: engines differ in size, length and spread, the cycles within are alike.

    Treated as independent, the cycles would promise too much: with so few engines the plain
    quantile of all of them falls short.
    """
    generator = np.random.default_rng(0)
    held, plain, rounds = 0.0, 0.0, 600
    for _ in range(rounds):
        lengths = generator.integers(1, 12, count + 1)
        size = np.repeat(generator.lognormal(0, 1, count + 1), lengths)
        engine = np.repeat(np.arange(count + 1), lengths)
        scores = size * generator.uniform(0.5, 1.5, len(size))
        own, further = engine < count, engine == count
        bound = conformal_quantile(scores[own], engine[own], level)
        held += np.mean(scores[further] <= bound)
        plain += np.mean(scores[further] <= np.quantile(scores[own], level))
    error = 3 * math.sqrt(level * (1 - level) / rounds)
    assert held / rounds >= level - error
    assert held / rounds <= level + 1 / (count + 1) + error
    assert plain < held
    assert plain / rounds < level


def test_the_smallest_number_of_engines_is_exact():
    for count in range(1, 200):
        level = round(count / (count + 1), 12)
        assert engines_needed(level) <= count + (level > count / (count + 1))
    assert engines_needed(0.95) == 19
    assert engines_needed(0.9500001) == 20
    assert supported_levels([0.9, 0.8, 0.8], 8) == (0.8,)
    assert supported_levels([0.8], 3) == ()
    # the bound is in the quantile what it is here
    for count, level in ((4, 0.8), (9, 0.9), (19, 0.95), (99, 0.99)):
        assert conformal_quantile(np.arange(count) + 1.0, np.arange(count), level) == count
        fewer = count - 1
        assert conformal_quantile(np.arange(fewer) + 1.0, np.arange(fewer), level) == math.inf


@pytest.mark.parametrize(
    ("levels", "nearest"),
    [((0.8, 0.9, 0.95), 0.9), ((0.8,), 0.8), ((0.5, 0.8, 0.99), 0.99), ((), None)],
)
def test_the_level_to_show(levels, nearest):
    assert preferred_level(levels) == nearest


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, 90.0, math.nan, math.inf])
def test_invalid_levels_are_refused(level):
    with pytest.raises(UsageError, match=r"expected a number between 0 and 1, such as 0\.9"):
        validate_level(level)
