"""How much a figure owes to the engines that happened to be in the test set."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.metrics.regression import errors

LEVEL = 0.95
DRAWS = 2_000
SEED = 0
_BLOCK = 1 << 22  # engines drawn at a time: bounds the memory to tens of megabytes


def rmse_interval(
    predicted: NDArray[Any],
    true: NDArray[Any],
    engine: NDArray[Any],
    *,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = SEED,
) -> tuple[float, float] | None:
    """Bootstrap interval of the RMSE over engines.

    From the E engines of the set, E are drawn with replacement, each with all its windows,
    because the windows of one engine are no independent witnesses. The RMSE of a draw is
    √(Σ squared errors / Σ windows) over the engines drawn. The interval reaches from the
    (1 − level)/2 to the (1 + level)/2 quantile of `draws` such values. It holds for this one
    trained network: the spread between seeds is not in it.

    Source: the percentile interval of Efron and Tibshirani, "An Introduction to the
    Bootstrap" (1993), chapter 13, with engines as the units that are drawn.

    Args:
        predicted: [window], cycles.
        true: [window], cycles.
        engine: [window], number of each window's engine.
        level: share of the draws that the interval holds.
        draws: number of draws.
        seed: of the generator of its own; the same seed gives the same interval.

    Returns:
        Lower and upper end, cycles; None for a single engine, which says nothing of others.

    Raises:
        ValueError: the shapes differ, or there is nothing to compare.
    """
    squares = np.square(errors(predicted, true))
    engine = np.asarray(engine)
    if engine.shape != squares.shape:
        raise ValueError(
            f"engine should have the shape of predicted, found {list(engine.shape)} and "
            f"{list(squares.shape)}"
        )
    _, index, windows = np.unique(engine, return_inverse=True, return_counts=True)
    engines = len(windows)
    if engines == 1:
        return None
    sums = np.bincount(index.ravel(), weights=squares.ravel()).astype(np.float64)
    drawn = _draw(sums, windows, draws, np.random.default_rng(seed))
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _draw(
    sums: NDArray[np.float64],
    windows: NDArray[np.int64],
    draws: int,
    generator: np.random.Generator,
) -> NDArray[np.float64]:
    """RMSE of each draw from the engines' sums of squares and numbers of windows."""
    engines = len(sums)
    rows = max(1, _BLOCK // engines)
    blocks = []
    for start in range(0, draws, rows):
        chosen = generator.integers(engines, size=(min(rows, draws - start), engines))
        blocks.append(np.sqrt(sums[chosen].sum(axis=1) / windows[chosen].sum(axis=1)))
    return np.concatenate(blocks)
