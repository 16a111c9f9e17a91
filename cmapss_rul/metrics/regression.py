"""How far predicted RUL lies from true RUL: RMSE, MAE, bias and the NASA score.

Every function takes `predicted` and `true` of one and the same shape, in cycles, and looks at
all elements at once, never at the mean over batches. Figures that are too large for a float
are `inf`; a NaN that goes in comes out as NaN.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

EARLY, LATE = 13.0, 10.0
"""Cycles over which the NASA score grows by a factor of e, for early and late predictions."""


@dataclass(frozen=True)
class Figures:
    """The figures of one set of predictions.

    Attributes:
        rmse: root of the mean squared error, cycles.
        mae: mean absolute error, cycles.
        bias: mean of predicted − true, cycles; above 0 means too late.
        nasa: NASA score, a sum over the predictions; lower is better.
        nasa_mean: NASA score divided by the number of predictions.
    """

    rmse: float
    mae: float
    bias: float
    nasa: float
    nasa_mean: float


def figures(predicted: NDArray[Any], true: NDArray[Any]) -> Figures:
    """Work out all figures of one set of predictions."""
    return Figures(
        rmse=rmse(predicted, true),
        mae=mae(predicted, true),
        bias=bias(predicted, true),
        nasa=nasa_score(predicted, true),
        nasa_mean=nasa_mean(predicted, true),
    )


def errors(predicted: NDArray[Any], true: NDArray[Any]) -> NDArray[np.float64]:
    """Return predicted − true, element by element, in double precision.

    Args:
        predicted: [n], cycles.
        true: [n], cycles.

    Raises:
        ValueError: the shapes differ ([n] against [n, 1] would otherwise become [n, n]), or
            there is nothing to compare.
    """
    predicted, true = np.asarray(predicted), np.asarray(true)
    if predicted.shape != true.shape:
        raise ValueError(
            f"predicted and true should have the same shape, found {list(predicted.shape)} "
            f"and {list(true.shape)}"
        )
    if not predicted.size:
        raise ValueError("there should be at least one prediction, found none")
    return predicted.astype(np.float64) - true.astype(np.float64)


def rmse(predicted: NDArray[Any], true: NDArray[Any]) -> float:
    """Root of the mean squared error, cycles.

    >>> rmse(np.array([1.0, 0.0]), np.array([0.0, 7.0]))
    5.0
    """
    with np.errstate(over="ignore"):
        return float(np.sqrt(np.mean(np.square(errors(predicted, true)))))


def mae(predicted: NDArray[Any], true: NDArray[Any]) -> float:
    """Mean absolute error, cycles.

    >>> mae(np.array([3.0, 0.0]), np.array([0.0, 4.0]))
    3.5
    """
    return float(np.mean(np.abs(errors(predicted, true))))


def bias(predicted: NDArray[Any], true: NDArray[Any]) -> float:
    """Mean of predicted − true, cycles: above 0 the failure comes before it is expected.

    >>> bias(np.array([3.0, 0.0]), np.array([0.0, 4.0]))
    -0.5
    """
    return float(np.mean(errors(predicted, true)))


def nasa_terms(predicted: NDArray[Any], true: NDArray[Any]) -> NDArray[np.float64]:
    """Return the NASA score of each prediction by itself.

    With d = predicted − true: exp(−d / 13) − 1 where d < 0, else exp(d / 10) − 1. Late
    predictions cost more than early ones. Source: Saxena, Goebel, Simon and Eklund, "Damage
    propagation modeling for aircraft engine run-to-failure simulation", PHM 2008. Differs in
    nothing but the range: beyond some 7,000 cycles the score exceeds a float and is `inf`,
    which is said rather than cut off.

    Args:
        predicted: [n], cycles.
        true: [n], cycles.

    Returns:
        [n], at least 0.

    >>> nasa_terms(np.array([10.0, -10.0, 0.0]), np.zeros(3)).round(5).tolist()
    [1.71828, 1.15811, 0.0]
    """
    d = errors(predicted, true)
    with np.errstate(over="ignore"):
        return np.expm1(np.where(d < 0, -d / EARLY, d / LATE))


def nasa_score(predicted: NDArray[Any], true: NDArray[Any]) -> float:
    """NASA score as papers print it: the sum of `nasa_terms`, lower is better."""
    with np.errstate(over="ignore"):
        return float(np.sum(nasa_terms(predicted, true)))


def nasa_mean(predicted: NDArray[Any], true: NDArray[Any]) -> float:
    """NASA score per prediction: comparable between sets of different size."""
    with np.errstate(over="ignore"):
        return float(np.mean(nasa_terms(predicted, true)))
