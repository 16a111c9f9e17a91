"""Confusion matrix, accuracy and macro F1, against hand and torchmetrics."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import multiclass_calibration_error

from cmapss_rul.metrics.health import (
    accuracy,
    brier_score,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
)

TRUE = np.array([0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 1, 2, 2])
MATRIX = [[2, 1, 0], [0, 1, 1], [0, 0, 1]]

labels = st.integers(2, 5).flatmap(
    lambda k: st.tuples(
        st.just(k),
        st.lists(st.tuples(st.integers(0, k - 1), st.integers(0, k - 1)), min_size=1, max_size=40),
    )
)


def test_rows_are_true_classes():
    assert confusion_matrix(PREDICTED, TRUE, 3).tolist() == MATRIX


def test_hand_worked_accuracy_and_f1():
    matrix = np.array(MATRIX)
    assert accuracy(matrix) == pytest.approx(4 / 6)
    # F1: 2·2/(2·2+0+1) = 0.8; 2·1/(2·1+1+1) = 0.5; 2·1/(2·1+1+0) = 2/3
    assert macro_f1(matrix) == pytest.approx((0.8 + 0.5 + 2 / 3) / 3)


def test_classes_that_do_not_occur_have_their_row_but_no_f1():
    matrix = confusion_matrix(PREDICTED, TRUE, 5)
    assert matrix.shape == (5, 5)
    assert matrix[3:].sum() == matrix[:, 3:].sum() == 0
    assert macro_f1(matrix) == macro_f1(np.array(MATRIX))


def test_a_class_that_is_only_claimed_counts_as_zero():
    assert macro_f1(confusion_matrix(np.array([0, 1]), np.array([0, 0]), 2)) == pytest.approx(
        (2 / 3 + 0) / 2
    )


@pytest.mark.parametrize(
    ("predicted", "true", "message"),
    [
        (np.zeros(2, int), np.zeros((2, 1), int), r"same shape, found \[2\] and \[2, 1\]"),
        (np.zeros(0, int), np.zeros(0, int), "at least one prediction"),
        (np.array([3]), np.array([0]), "between 0 and 2, found 0 to 3"),
        (np.array([0]), np.array([-1]), "between 0 and 2, found -1 to 0"),
    ],
)
def test_invalid_classes_are_refused(predicted, true, message):
    with pytest.raises(ValueError, match=message):
        confusion_matrix(predicted, true, 3)


@given(labels)
def test_totals_and_bounds(case):
    classes, pairs = case
    predicted, true = np.array(pairs).T
    matrix = confusion_matrix(predicted, true, classes)
    assert matrix.sum() == len(pairs)
    assert matrix.sum(axis=1).tolist() == np.bincount(true, minlength=classes).tolist()
    assert accuracy(matrix) == pytest.approx(np.mean(predicted == true))
    assert 0 <= macro_f1(matrix) <= 1
    assert macro_f1(confusion_matrix(true, true, classes)) == 1


def test_torchmetrics_agrees():
    torch = pytest.importorskip("torch")
    classification = pytest.importorskip("torchmetrics.functional.classification")
    generator = np.random.default_rng(5)
    for classes in (2, 3, 5):
        predicted, true = generator.integers(classes, size=(2, 50))
        matrix = confusion_matrix(predicted, true, classes)
        left, right = torch.from_numpy(predicted), torch.from_numpy(true)
        theirs = classification.multiclass_confusion_matrix(left, right, classes)
        assert matrix.tolist() == theirs.tolist()
        f1 = classification.multiclass_f1_score(left, right, classes, average="macro")
        assert macro_f1(matrix) == pytest.approx(f1.item())
        share = classification.multiclass_accuracy(left, right, classes, average="micro")
        assert accuracy(matrix) == pytest.approx(share.item())


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


def test_calibrated_probabilities_have_no_error():
    probabilities = np.tile([0.75, 0.25], (8, 1))
    assert expected_calibration_error(probabilities, np.array([0, 0, 0, 1] * 2)) == 0.0
    sure = np.eye(3)
    assert expected_calibration_error(sure, np.arange(3)) == 0.0
    assert expected_calibration_error(sure, np.array([1, 2, 0])) == 1.0


def test_the_brier_score_by_hand_and_at_its_extremes():
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
