"""Health classification metrics: confusion matrix, accuracy, macro F1, calibration error, Brier."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.metrics.regression import errors

BINS = 15
"""*From the paper*: Guo et al., "On calibration of modern neural networks", ICML 2017."""


def confusion_matrix(
    predicted: NDArray[Any], true: NDArray[Any], classes: int
) -> NDArray[np.int64]:
    """Count how often each true class was predicted as each class.

    Args:
        predicted: [n], class from 0 to K − 1.
        true: [n], the same.
        classes: K, including those that do not occur.

    Returns:
        [K, K], rows: true class, columns: predicted class.

    Raises:
        ValueError: the shapes differ, the arrays are empty, or a class is outside 0 … K − 1.

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    errors(predicted, true)  # checks the shapes
    predicted, true = np.asarray(predicted), np.asarray(true)
    both = np.stack([predicted, true])
    if both.min() < 0 or both.max() >= classes:
        raise ValueError(
            f"classes should lie between 0 and {classes - 1}, found {both.min()} to {both.max()}"
        )
    # each pair of classes as an index into the flattened matrix
    counts = np.bincount((true * classes + predicted).ravel(), minlength=classes**2)
    return counts.reshape(classes, classes)


def accuracy(confusion: NDArray[np.int64]) -> float:
    """Share of correct predictions, from a confusion matrix [K, K].

    >>> accuracy(np.array([[1, 1], [0, 1]])) == 2 / 3
    True
    """
    return float(np.trace(confusion) / confusion.sum())


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Unweighted mean of the classes' F1 scores.

    F1 of a class is 2·TP / (2·TP + FP + FN). A class that neither occurs nor is predicted has no
    F1 and is excluded from the mean, as in torchmetrics; scikit-learn counts it as 0 if it is
    passed in `labels`.

    Args:
        confusion: [K, K], rows: true class.

    >>> round(macro_f1(np.array([[1, 1], [0, 1]])), 4)
    0.6667
    """
    correct = np.diag(confusion)
    total = confusion.sum(axis=0) + confusion.sum(axis=1)  # 2·TP + FP + FN
    occurs = total > 0
    return float(np.mean(2 * correct[occurs] / total[occurs]))


def expected_calibration_error(
    probabilities: NDArray[Any], true: NDArray[Any], bins: int = BINS
) -> float:
    """Expected calibration error (ECE): mean gap between confidence and accuracy.

    ECE = Σ_b n_b/n · |accuracy in b − mean confidence in b|, where the confidence of a prediction
    is its largest probability, and bin b holds those in (b/B, (b + 1)/B]. Source: Naeini, Cooper
    and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015.

    `probabilities` are [n, class], rows sum to 1; `true` is [n]; `bins` is B.

    Raises:
        ValueError: the shapes do not match, or there is no prediction.

    >>> expected_calibration_error(np.array([[0.75, 0.25], [0.25, 0.75]]), np.array([0, 0]))
    0.25
    """
    probabilities, true = _check_shapes(probabilities, true)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == true
    edges = np.linspace(0, 1, bins + 1)
    # `left`: bins include their upper edge; clipped, because a confidence of 0 is in no bin
    index = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    gap = np.bincount(index, correct - confidence, minlength=bins)
    return float(np.abs(gap).sum() / len(true))


def brier_score(probabilities: NDArray[Any], true: NDArray[Any]) -> float:
    """Brier score over all classes: 0 at best, 2 at worst.

    Mean over n of Σ_k (p_k − [class is k])². Source: Brier, "Verification of forecasts expressed
    in terms of probability", Monthly Weather Review 78, 1950. The common binary form sums over one
    of the two classes only, and is half of this.

    `probabilities` are [n, class]; `true` is [n].

    Raises:
        ValueError: the shapes do not match, or there is no prediction.

    >>> brier_score(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 0]))
    0.25
    """
    probabilities, true = _check_shapes(probabilities, true)
    one_hot = np.zeros_like(probabilities)
    one_hot[np.arange(len(true)), true] = 1
    return float(np.mean(np.square(probabilities - one_hot).sum(axis=1)))


def _check_shapes(
    probabilities: NDArray[Any], true: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    probabilities, true = np.asarray(probabilities, np.float64), np.asarray(true)
    if probabilities.ndim != 2 or true.shape != probabilities.shape[:1] or not len(true):
        raise ValueError(
            "probabilities should be [n, class] and true [n], n at least 1, found "
            f"{list(probabilities.shape)} and {list(true.shape)}"
        )
    return probabilities, true
