"""Bootstrap over engines: confidence interval of an RMSE, given a finite test set."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.metrics.regression import errors

LEVEL = 0.95
DRAWS = 2_000
# fixed, so that equal predictions have equal intervals and compared runs share their draws
SEED = 0
_BLOCK = 1 << 22
"""Engines drawn per block; bounds the memory to tens of megabytes."""


def rmse_interval(
    predicted: NDArray[Any],
    true: NDArray[Any],
    engine: NDArray[Any],
    *,
    level: float = LEVEL,
    draws: int = DRAWS,
    seed: int = SEED,
) -> tuple[float, float] | None:
    """Bootstrap interval of the RMSE of one trained network over test engines.

    The spread between seeds is not included. Source: the percentile interval of Efron and
    Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13, with engines as the
    resampling units.

    Args:
        predicted: [window], cycles.
        true: [window], cycles.
        engine: [window], number or name of each window's engine.
        level: nominal coverage of the interval.
        draws: number of bootstrap draws.
        seed: of the draws.

    Returns:
        Lower and upper bound, cycles; None for a single engine, which cannot be resampled.

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
    resampled = resampled_rmse(squares.reshape(1, -1), engine, draws=draws, seed=seed)
    return None if resampled is None else percentile_interval(resampled[0], level)


def resampled_rmse(
    squares: NDArray[np.float64], engine: NDArray[Any], *, draws: int = DRAWS, seed: int = SEED
) -> NDArray[np.float64] | None:
    """RMSE of each bootstrap resample of engines, for several runs on the same windows.

    This is a cluster bootstrap: from the E engines, E are drawn with replacement, each with all
    its windows, because the windows of one engine are not independent. The RMSE of a draw is
    √(Σ squared errors / Σ windows) over the engines drawn. All runs, and all calls with the same
    engines, share the draws, so that differences between runs are paired by engine.

    Args:
        squares: [run, window], squared errors, cycles².
        engine: [window], number or name of each window's engine.
        draws: number of bootstrap draws.
        seed: of the draws.

    Returns:
        [run, draw], cycles; None for a single engine.
    """
    # a draw needs only the sums per engine, so its cost does not grow with the windows
    _, index, windows = np.unique(engine, return_inverse=True, return_counts=True)
    # every draw would be the same engine: an interval of width 0, which suggests certainty
    if len(windows) == 1:
        return None
    sums = [np.bincount(index.ravel(), weights=run.ravel()).astype(np.float64) for run in squares]
    # the denominator is random, too: engines differ in their number of windows
    blocks = [
        [np.sqrt(total[chosen].sum(axis=1) / windows[chosen].sum(axis=1)) for total in sums]
        for chosen in _draw_engines(len(windows), draws, np.random.default_rng(seed))
    ]
    return np.concatenate(blocks, axis=1)


def percentile_interval(
    resampled: NDArray[np.float64], level: float = LEVEL
) -> tuple[float, float]:
    """Return the (1 − level)/2 and (1 + level)/2 quantiles of bootstrap draws."""
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _draw_engines(
    engines: int, draws: int, generator: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield blocks of [draw, engine] indices; the block size does not change the draws."""
    rows = max(1, _BLOCK // engines)
    for start in range(0, draws, rows):
        # integers fills row by row, so that blocks continue one stream
        yield generator.integers(engines, size=(min(rows, draws - start), engines))
