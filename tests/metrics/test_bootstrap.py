"""The interval of the RMSE by bootstrap over engines."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from cmapss_rul.metrics import bootstrap
from cmapss_rul.metrics.bootstrap import percentile_interval, resampled_rmse, rmse_interval
from cmapss_rul.metrics.regression import rmse


def fleet(engines=40, windows=1, spread=10.0, seed=3):
    generator = np.random.default_rng(seed)
    true = np.repeat(generator.uniform(0, 125, engines), windows)
    predicted = true + np.repeat(generator.normal(0, spread, engines), windows)
    return predicted, true, np.repeat(np.arange(1, engines + 1), windows)


def test_the_interval_contains_the_rmse_and_is_seeded():
    predicted, true, engine = fleet()
    low, high = rmse_interval(predicted, true, engine)
    assert low < rmse(predicted, true) < high
    assert rmse_interval(predicted, true, engine) == (low, high)
    assert rmse_interval(predicted, true, engine, seed=1) != (low, high)


def test_hand_worked_with_two_engines():
    # One engine errs by 0, the other by 10: of four equally likely draws one has RMSE 0, two
    # have √50 and one has 10. So a quarter lies at each end.
    predicted, true, engine = np.array([0.0, 10.0]), np.zeros(2), np.array([1, 2])
    assert rmse_interval(predicted, true, engine) == (0.0, 10.0)
    middle = rmse_interval(predicted, true, engine, level=0.4)
    assert middle == pytest.approx((np.sqrt(50), np.sqrt(50)))


def test_windows_are_weighed_by_their_number_within_a_draw():
    # Three windows of the good engine to one of the bad: √(100 / 4) = 5 where both are drawn.
    predicted, true = np.array([0.0, 0, 0, 10]), np.zeros(4)
    middle = rmse_interval(predicted, true, np.array([1, 1, 1, 2]), level=0.4)
    assert middle == pytest.approx((5.0, 5.0))


def test_copies_of_a_window_do_not_narrow_the_interval():
    one, many = rmse_interval(*fleet(windows=1)), rmse_interval(*fleet(windows=50))
    assert many == pytest.approx(one)
    predicted, true, _ = fleet(windows=50)
    low, high = rmse_interval(predicted, true, np.arange(len(true)))  # the mistake
    assert high - low < (one[1] - one[0]) / 4


def test_the_width_is_that_of_theory():
    # For normal errors the standard error of an RMSE over E engines is σ / √(2E).
    low, high = rmse_interval(*fleet(engines=2_000, spread=10.0))
    assert (high - low) / 2 == pytest.approx(1.96 * 10 / np.sqrt(4_000), rel=0.12)


def test_a_wider_level_gives_a_wider_interval():
    low, high = rmse_interval(*fleet(), level=0.5)
    outer_low, outer_high = rmse_interval(*fleet(), level=0.99)
    assert outer_low < low < high < outer_high


def test_a_single_engine_has_no_interval():
    assert rmse_interval(np.array([1.0, 2]), np.zeros(2), np.array([7, 7])) is None


def test_equal_errors_leave_no_spread():
    low, high = rmse_interval(np.full(5, 3.0), np.zeros(5), np.arange(5))
    assert (low, high) == (3.0, 3.0)


def test_shapes_that_differ_are_refused():
    with pytest.raises(ValueError, match=r"same shape, found \[3\] and \[3, 1\]"):
        rmse_interval(np.zeros(3), np.zeros((3, 1)), np.arange(3))
    with pytest.raises(ValueError, match=r"engine should have .* found \[2\] and \[3\]"):
        rmse_interval(np.zeros(3), np.zeros(3), np.arange(2))


def test_large_fleets_are_drawn_in_blocks_with_the_same_result(monkeypatch):
    whole = rmse_interval(*fleet(), draws=200)
    monkeypatch.setattr(bootstrap, "_BLOCK", 100)  # two draws of 40 engines at a time
    assert rmse_interval(*fleet(), draws=200) == whole


@settings(max_examples=25)
@given(st.integers(2, 12), st.integers(1, 4), st.floats(0.5, 5))
def test_it_scales_with_the_errors_and_ignores_the_order_of_rows(engines, windows, factor):
    predicted, true, engine = fleet(engines, windows)
    interval = rmse_interval(predicted, true, engine, draws=100)
    scaled = rmse_interval(true + factor * (predicted - true), true, engine, draws=100)
    assert scaled == pytest.approx((factor * interval[0], factor * interval[1]))
    mixed = np.random.default_rng(0).permutation(len(true))
    shuffled = rmse_interval(predicted[mixed], true[mixed], engine[mixed], draws=100)
    assert shuffled == pytest.approx(interval)


def test_one_run_alone_and_among_others_has_the_same_draws():
    predicted, true, engine = fleet(windows=3)
    squares = np.square(np.stack([predicted - true, 2 * (predicted - true)]))
    resampled = resampled_rmse(squares, engine)
    assert resampled.shape == (2, bootstrap.DRAWS)
    assert percentile_interval(resampled[0]) == rmse_interval(predicted, true, engine)
    assert resampled[1] == pytest.approx(2 * resampled[0])


def test_a_single_engine_cannot_be_resampled():
    assert resampled_rmse(np.ones((2, 3)), np.array([4, 4, 4])) is None


def test_percentile_intervals_are_at_95_per_cent():
    assert percentile_interval(np.arange(1001.0)) == pytest.approx((25, 975))


def test_the_interval_is_near_scipys():
    errors = np.random.default_rng(3).normal(0, 10, size=60)
    expected = stats.bootstrap(
        (errors,), lambda x, axis: np.sqrt(np.mean(x**2, axis=axis)), method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    found = rmse_interval(errors, np.zeros(60), np.arange(60))
    assert found == pytest.approx((expected.low, expected.high), abs=0.2)
