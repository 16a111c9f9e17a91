"""Prognostics metrics of a fleet: what is scored, and the means over engines."""

import numpy as np
import pytest

from cmapss_rul.metrics.prognostics import fleet_prognostics, prognostic_metrics


def of_engines(*engines, cap=10):
    """Predictions and truth of engines, each a list of true RUL and one of predicted RUL."""
    number = np.repeat(np.arange(1, len(engines) + 1), [len(true) for true, _ in engines])
    cycle = np.concatenate([np.arange(1, len(true) + 1) for true, _ in engines])
    raw = np.concatenate([true for true, _ in engines])
    rul = np.concatenate([predicted for _, predicted in engines]).astype(float)
    return fleet_prognostics(number, cycle, rul, raw, cap).as_dict()


def test_predictions_count_from_the_cap_on():
    found = of_engines(([12, 11, 10, 9, 8], [10, 10, 10, 9, 7]))["engines"][0]
    assert found["scored"] == 3
    expected = prognostic_metrics(np.array([3, 4, 5]), np.array([10, 9, 7]), np.array([10, 9, 8]))
    assert found["prognostic_horizon"] == expected.prognostic_horizon == 10
    assert found["cumulative_relative_accuracy"] == pytest.approx((1 + 1 + 7 / 8) / 3)
    assert found["alpha_lambda"] is None  # half-way from cycle 3 to 13 is 8: the record ends at 5


def test_an_engine_above_the_cap_has_no_metrics_and_is_in_no_mean():
    found = of_engines(([30, 29], [10, 10]), ([1, 0], [1, 0]))
    assert found["engines"][0] == {
        "engine": 1,
        "scored": 0,
        "alpha_lambda": None,
        "prognostic_horizon": None,
        "relative_accuracy": None,
        "cumulative_relative_accuracy": None,
        "convergence": None,
    }
    assert found["mean"]["prognostic_horizon"] == {"value": 1.0, "engines": 1}
    assert found["mean"]["convergence"] == {"value": None, "engines": 0}


def test_the_mean_is_over_the_engines_that_have_the_metric():
    right, wrong = ([4, 3, 2, 1, 0], [4, 3, 2, 1, 0]), ([4, 3, 2, 1, 0], [9, 9, 9, 9, 9])
    found = of_engines(right, right, wrong, ([10], [10]))["mean"]
    assert found["alpha_lambda"] == {"value": pytest.approx(2 / 3), "engines": 3}
    assert found["prognostic_horizon"]["engines"] == 3
