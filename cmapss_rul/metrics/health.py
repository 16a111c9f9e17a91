"""How often the health class is right: confusion matrix, accuracy and macro F1."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def confusion_matrix(
    predicted: NDArray[Any], true: NDArray[Any], classes: int
) -> NDArray[np.int64]:
    """Count how often each true class was predicted as each class.

    Args:
        predicted: [n], class from 0 to classes − 1.
        true: [n], class from 0 to classes − 1.
        classes: number of classes K, whether they occur or not.

    Returns:
        [K, K], rows: true class, columns: predicted class.

    Raises:
        ValueError: the shapes differ, there is nothing to compare, or a class is none of K.

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    predicted, true = np.asarray(predicted), np.asarray(true)
    if predicted.shape != true.shape:
        raise ValueError(
            f"predicted and true should have the same shape, found {list(predicted.shape)} "
            f"and {list(true.shape)}"
        )
    if not predicted.size:
        raise ValueError("there should be at least one prediction, found none")
    both = np.stack([predicted, true])
    if both.min() < 0 or both.max() >= classes:
        raise ValueError(
            f"classes should lie between 0 and {classes - 1}, found {both.min()} to {both.max()}"
        )
    counts = np.bincount((true * classes + predicted).ravel(), minlength=classes**2)
    return counts.reshape(classes, classes)


def accuracy(confusion: NDArray[np.int64]) -> float:
    """Share of the predictions that are right.

    Args:
        confusion: [K, K], counts.

    >>> accuracy(np.array([[1, 1], [0, 1]])) == 2 / 3
    True
    """
    return float(np.trace(confusion) / confusion.sum())


def macro_f1(confusion: NDArray[np.int64]) -> float:
    """Mean of the classes' F1 scores, every class with the same weight.

    F1 of a class is 2·right / (2·right + wrongly claimed + missed). A class that neither
    occurs nor is predicted has no F1 and is left out of the mean, as torchmetrics does;
    scikit-learn counts it as 0 when it is given all labels.

    Args:
        confusion: [K, K], rows: true class.

    >>> round(macro_f1(np.array([[1, 1], [0, 1]])), 4)
    0.6667
    """
    right = np.diag(confusion)
    named = confusion.sum(axis=0) + confusion.sum(axis=1)  # 2·right + claimed + missed
    occurs = named > 0
    return float(np.mean(2 * right[occurs] / named[occurs]))
