"""Calibration of probabilities: by hand, and against torchmetrics."""

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

from cmapss_rul.metrics.probabilities import brier_score, expected_calibration_error


def drawn(seed, n=500, classes=3):
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.ones(classes), n), generator.integers(0, classes, n)


def test_the_calibration_error_by_hand():
    # the bin from 0.7 to 0.8 holds two, one of them right; that from 0.9 on one, which is right
    probabilities = np.array([[0.75, 0.25], [0.22, 0.78], [0.95, 0.05]])
    found = expected_calibration_error(probabilities, np.array([0, 0, 0]), bins=10)
    assert found == pytest.approx(2 / 3 * abs(0.5 - 0.765) + 1 / 3 * abs(1 - 0.95))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_is_that_of_torchmetrics(seed):
    probabilities, true = drawn(seed)
    expected = multiclass_calibration_error(
        torch.from_numpy(probabilities), torch.from_numpy(true), 3, n_bins=15, norm="l1"
    )
    assert expected_calibration_error(probabilities, true) == pytest.approx(float(expected))


def test_probabilities_that_mean_what_they_say_have_no_error():
    probabilities = np.tile([0.75, 0.25], (8, 1))
    assert expected_calibration_error(probabilities, np.array([0, 0, 0, 1] * 2)) == 0.0
    sure = np.eye(3)
    assert expected_calibration_error(sure, np.arange(3)) == 0.0
    assert expected_calibration_error(sure, np.array([1, 2, 0])) == 1.0


def test_the_brier_score_by_hand_and_at_its_ends():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    by_hand = ((0.3**2 + 0.2**2 + 0.1**2) + (0.1**2 + 0.7**2 + 0.6**2)) / 2
    assert brier_score(probabilities, np.array([0, 1])) == pytest.approx(by_hand)
    assert brier_score(np.eye(3), np.arange(3)) == 0.0
    assert brier_score(np.eye(3), np.array([1, 2, 0])) == 2.0


@pytest.mark.parametrize("metric", [expected_calibration_error, brier_score])
def test_shapes_that_do_not_fit_are_refused(metric):
    probabilities, true = drawn(0, 5)
    for wrong in (true[:4], true[:, None], true[:0]):
        with pytest.raises(ValueError, match="should be"):
            metric(probabilities, wrong)
    with pytest.raises(ValueError, match="n at least 1"):
        metric(probabilities[:0], true[:0])
