"""Statistics against values worked by hand, and against scipy's own tests."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cmapss_rul.experiments.statistics import (
    DRAWS,
    drawn_rmse,
    engine_draws,
    holm,
    mean_interval,
    mean_ranks,
    paired,
    percentile_interval,
)

p_values = st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=12)


def test_the_t_interval_by_hand():
    """1, 2, 3, 4, 5: mean 3, sd √2.5, standard error √0.5; t(4) at 97.5 % is 2.776445."""
    found = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.n, found.mean) == (5, 3.0)
    assert found.sd == pytest.approx(math.sqrt(2.5))
    assert found.t == pytest.approx(3 / math.sqrt(0.5))
    half = 2.776445 * math.sqrt(0.5)
    assert found.interval == pytest.approx((3 - half, 3 + half), abs=1e-6)


@given(st.lists(st.floats(-50, 50).map(lambda x: round(x, 3)), min_size=3, max_size=8),
       st.integers(0, 100))  # fmt: skip
def test_paired_is_scipys_paired_test(figures, seed):
    noise = np.random.default_rng(seed).normal(size=len(figures))
    other = [figure + change for figure, change in zip(figures, noise, strict=True)]
    found = paired(dict(enumerate(figures)), dict(enumerate(other)))
    wanted = stats.ttest_rel(figures, other)
    assert found.p == pytest.approx(wanted.pvalue)
    assert found.t == pytest.approx(wanted.statistic)
    assert found.interval == pytest.approx(tuple(wanted.confidence_interval(0.95)))


def test_only_seeds_that_both_have_are_compared():
    found = paired({0: 5.0, 1: 7.0, 2: 100.0}, {1: 6.0, 0: 3.0, 9: 0.0})
    assert (found.n, found.mean) == (2, 1.5)


def test_what_too_few_figures_cannot_give_is_none():
    assert mean_interval([]) is None
    assert paired({0: 1.0}, {1: 1.0}) is None
    one = mean_interval([2.0])
    assert (one.n, one.mean, one.sd, one.interval, one.t, one.p) == (1, 2, None, None, None, None)


def test_without_spread_there_is_no_test_and_no_warning():
    same = mean_interval([0.0, 0.0, 0.0])
    assert (same.sd, same.interval, same.t, same.p) == (0, (0, 0), None, 1)
    shifted = mean_interval([0.5, 0.5])
    assert (shifted.interval, shifted.p) == ((0.5, 0.5), None)


def test_spread_that_is_rounding_is_no_spread():
    """Differences of a constant shift, as floats have it; scipy would warn, and warnings fail."""
    found = mean_interval([0.1 + 0.2, 0.3, 0.3 + 1e-16])
    assert (found.sd, found.t, found.p) == (0, None, None)
    assert found.interval == pytest.approx((0.3, 0.3))
    assert mean_interval([0.3, 0.3 + 1e-9]).sd > 0


def test_all_intervals_are_at_95_per_cent():
    drawn = np.arange(1001.0)
    assert percentile_interval(drawn) == pytest.approx((25, 975))


def test_holm_by_hand():
    """0.01 · 4; 0.02 · 3 = 0.06; 0.03 · 2 = 0.06; 0.5 · 1."""
    assert holm([0.5, 0.02, 0.01, 0.03]) == pytest.approx([0.5, 0.06, 0.04, 0.06])
    assert holm([0.04, 0.04]) == pytest.approx([0.08, 0.08])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_holm_counts_tests_only():
    assert holm([None, 0.01, None, 0.03]) == pytest.approx([None, 0.02, None, 0.03])


@given(p_values)
def test_holm_never_helps_and_keeps_the_order(values):
    adjusted = holm(values)
    pairs = [(p, q) for p, q in zip(values, adjusted, strict=True) if p is not None]
    assert [q is None for q in adjusted] == [p is None for p in values]
    assert all(p <= q <= 1 for p, q in pairs)
    ordered = [q for _, q in sorted(pairs)]
    assert ordered == sorted(ordered)
    if pairs:  # Bonferroni is never smaller
        assert min(q for _, q in pairs) == pytest.approx(min(1, len(pairs) * min(pairs)[0]))


def test_draws_hold_as_many_engines_as_there_are_and_repeat():
    draws = engine_draws(7)
    assert draws.shape == (DRAWS, 7)
    assert (draws.sum(axis=1) == 7).all()
    assert (draws == engine_draws(7)).all()
    assert engine_draws(1) is None


def test_rmse_of_a_draw_by_hand():
    """Errors 3, 4 in seed 0 and 0, 2 in seed 1; drawing the second engine twice."""
    errors = np.array([[3.0, 4.0], [0.0, 2.0]])
    found = drawn_rmse(np.array([[1, 1], [0, 2]]), errors)
    assert found == pytest.approx([(math.sqrt(12.5) + math.sqrt(2)) / 2, (4 + 2) / 2])


def test_equal_errors_have_an_interval_of_no_width():
    drawn = drawn_rmse(engine_draws(5), np.full((2, 5), -3.0))
    assert percentile_interval(drawn) == pytest.approx((3, 3))


def test_the_bootstrap_is_near_scipys():
    errors = np.random.default_rng(3).normal(0, 10, size=(1, 60))
    low, high = percentile_interval(drawn_rmse(engine_draws(60), errors))
    wanted = stats.bootstrap(
        (errors[0],), lambda x, axis: np.sqrt(np.mean(x**2, axis=axis)), method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    assert (low, high) == pytest.approx((wanted.low, wanted.high), abs=0.2)


def test_ranks_with_ties_by_hand():
    figures = {
        "fd001": {"a": 12.0, "b": 11.0, "c": 12.0},
        "fd003": {"a": 10.0, "b": 11.0, "c": 12.0},
    }
    found = mean_ranks(figures)
    assert found.labels == ["a", "b", "c"]
    assert found.ranks == [[2.5, 1.0, 2.5], [1.0, 2.0, 3.0]]
    assert found.mean == [1.75, 1.5, 2.75]
    assert 0 < found.friedman_p < 1


def test_the_critical_difference_is_demsars():
    """Demšar's table 5: q = 2.728 at 0.05 for five classifiers."""
    figures = {f"d{i}": dict(zip("abcde", range(5), strict=True)) for i in range(4)}
    wanted = 2.728 * math.sqrt(5 * 6 / (6 * 4))
    assert mean_ranks(figures).critical_difference == pytest.approx(wanted, abs=2e-3)


def test_one_configuration_has_ranks_and_no_test():
    found = mean_ranks({"fd001": {"a": 1.0, "b": 2.0, "c": 3.0}})
    assert found.mean == [1, 2, 3]
    assert (found.friedman_p, found.critical_difference) == (None, None)


def test_all_tied_is_no_test():
    assert mean_ranks({c: {"a": 1.0, "b": 1.0, "c": 1.0} for c in "xy"}).friedman_p is None


def test_only_cells_that_every_configuration_has_are_ranked():
    figures = {"x": {"a": 1.0, "b": 2.0, "c": 0.0}, "y": {"b": 1.0, "a": 2.0}}
    assert mean_ranks(figures).labels == ["a", "b"]
    assert mean_ranks({"x": {"a": 1.0}, "y": {"b": 1.0}}) is None
    assert mean_ranks({"x": {"a": 1.0}}) is None
    assert mean_ranks({}) is None
