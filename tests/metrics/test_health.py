"""Confusion matrix, accuracy and macro F1, against hand and torchmetrics."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.metrics.health import accuracy, confusion_matrix, macro_f1

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
def test_what_is_no_set_of_classes_is_refused(predicted, true, message):
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
