"""Whether probabilities of health classes mean what they say: calibration error, Brier score."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15


def expected_calibration_error(
    probabilities: NDArray[Any], true: NDArray[Any], bins: int = BINS
) -> float:
    """Mean distance between how sure the predictions are and how often they are right.

    ECE = Σ_b n_b/n · |share right in b − mean confidence in b|, where the confidence of a
    prediction is its largest probability, and bin b holds those in (b/B, (b + 1)/B]. Source:
    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning", AAAI 2015; 15 bins as in Guo et al., "On calibration of modern neural networks",
    ICML 2017.

    Args:
        probabilities: [n, class], rows sum to 1.
        true: [n], class.
        bins: B.

    Raises:
        ValueError: the shapes do not fit, or there is no prediction.

    >>> expected_calibration_error(np.array([[0.75, 0.25], [0.25, 0.75]]), np.array([0, 0]))
    0.25
    """
    probabilities, true = _checked(probabilities, true)
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == true
    edges = np.linspace(0, 1, bins + 1)
    held = np.clip(np.searchsorted(edges, sure, side="left") - 1, 0, bins - 1)
    gap = np.bincount(held, right - sure, minlength=bins)
    return float(np.abs(gap).sum() / len(true))


def brier_score(probabilities: NDArray[Any], true: NDArray[Any]) -> float:
    """Mean squared distance between the probabilities and what came: 0 at best, 2 at worst.

    Mean over n of Σ_k (p_k − [class is k])². Source: Brier, "Verification of forecasts expressed
    in terms of probability", Monthly Weather Review 78, 1950. Differs from the form for two
    classes, which counts one of them and is half of this.

    Args:
        probabilities: [n, class].
        true: [n], class.

    Raises:
        ValueError: the shapes do not fit, or there is no prediction.

    >>> brier_score(np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([0, 0]))
    0.25
    """
    probabilities, true = _checked(probabilities, true)
    came = np.zeros_like(probabilities)
    came[np.arange(len(true)), true] = 1
    return float(np.mean(np.square(probabilities - came).sum(axis=1)))


def _checked(
    probabilities: NDArray[Any], true: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    probabilities, true = np.asarray(probabilities, np.float64), np.asarray(true)
    if probabilities.ndim != 2 or true.shape != probabilities.shape[:1] or not len(true):
        raise ValueError(
            "probabilities should be [n, class] and true [n], n at least 1, found "
            f"{list(probabilities.shape)} and {list(true.shape)}"
        )
    return probabilities, true
