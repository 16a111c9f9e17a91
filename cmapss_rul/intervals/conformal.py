"""The quantile of hierarchical conformal prediction, where engines are the independent units.

The cycles of one engine are nearly copies of each other, so K engines are K observations, however
many cycles they have. Source: Y. Lee, R. F. Barber and R. Willett, "Distribution-free inference
with hierarchical data", 2023, arXiv:2306.06342, method HCP.
"""

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.system.errors import UsageError

DEFAULT_LEVELS = (0.8, 0.9, 0.95)
PREFERRED = 0.9
"""Where one level is to be shown, it is the one nearest to this."""

_ROUNDING = 1e-9
"""Far above the rounding of a sum of shares, far below the share of any engine."""


def engine_weights(engine: NDArray[np.int64]) -> tuple[NDArray[np.float64], int]:
    """The weight of each cycle where every engine weighs the same, and the number of engines.

    Args:
        engine: [cycle], a number for each engine.

    Returns:
        share: [cycle], sums to 1; those of one engine are equal.
        engines: K.

    >>> engine_weights(np.array([4, 4, 9]))[0].tolist()
    [0.25, 0.25, 0.5]
    """
    _, inverse, cycles = np.unique(engine, return_inverse=True, return_counts=True)
    return 1.0 / (len(cycles) * cycles[inverse]), len(cycles)


def conformal_quantile(
    scores: NDArray[np.float64], engine: NDArray[np.int64], level: float
) -> float:
    """The score under which a cycle of a further engine falls with at least this probability.

    q = quantile of Σₖ Σᵢ 1/((K + 1)·nₖ)·δ(sₖᵢ) + 1/(K + 1)·δ(∞) at the level, where sₖᵢ is the
    score of cycle i of engine k, which has nₖ cycles. P(s ≤ q) ≥ level for a cycle drawn evenly
    from all those of a further engine, if the K + 1 engines are exchangeable and the scores were
    defined without looking at them. A mean over draws of all engines: nothing is promised for
    the cycles of one engine, or of one RUL.

    Args:
        scores: [cycle].
        engine: [cycle], a number for each engine.
        level: in (0, 1).

    Returns:
        One of the scores, or infinity where the level is above K/(K + 1).

    >>> conformal_quantile(np.array([1.0, 2.0, 5.0]), np.array([1, 1, 2]), 0.5)
    5.0
    """
    share, engines = engine_weights(engine)
    order = np.argsort(scores, kind="stable")
    mass = np.cumsum(share[order]) * engines / (engines + 1)
    reached = int(np.searchsorted(mass, level - _ROUNDING))
    return float(scores[order[reached]]) if reached < len(scores) else math.inf


def engines_needed(level: float) -> int:
    """The smallest number of engines that supports a level: K/(K + 1) ≥ level.

    The level counts as the decimal number that it is written as.

    >>> [engines_needed(level) for level in (0.5, 0.8, 0.9, 0.95, 0.99)]
    [1, 4, 9, 19, 99]
    """
    exact = Fraction(repr(float(level)))
    return max(1, math.ceil(exact / (1 - exact)))


def validate_level(level: float) -> float:
    """Return a level, refused where it is none.

    Raises:
        UsageError: the level does not lie between 0 and 1.
    """
    if not 0 < level < 1:
        raise UsageError(f"found level {level:g}, expected a number between 0 and 1, 0.9 say")
    return level


def supported_levels(levels: Iterable[float], engines: int) -> tuple[float, ...]:
    """Those of some levels that so many engines support, rising.

    >>> supported_levels((0.95, 0.8, 0.9), 10)
    (0.8, 0.9)
    """
    return tuple(sorted({level for level in levels if engines_needed(level) <= engines}))


def preferred(levels: Iterable[float]) -> float | None:
    """The level nearest to 0.9, of two the higher one; None where there is none.

    >>> preferred((0.8, 0.85, 0.95)), preferred(())
    (0.95, None)
    """
    return min(levels, key=lambda level: (round(abs(level - PREFERRED), 9), -level), default=None)
