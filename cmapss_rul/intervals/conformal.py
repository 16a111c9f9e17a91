"""Hierarchical conformal prediction (HCP), with engines as the exchangeable units.

The cycles of an engine are strongly correlated, so K engines count as K observations, however
many cycles they have; treating cycles as exchangeable would make the intervals too narrow.
Observation K + 1 is the record of a new engine, truncated at a random cycle.

Source: Y. Lee, R. F. Barber and R. Willett, "Distribution-free inference with hierarchical data",
2023, arXiv:2306.06342, method HCP.
"""

import math
from collections.abc import Iterable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.system.errors import UsageError

DEFAULT_LEVELS = (0.8, 0.9, 0.95)
PREFERRED_LEVEL = 0.9
"""The default level is the supported level nearest to this."""

_ROUNDING = 1e-9
"""Well above the rounding error of a sum of weights, well below the weight of any engine."""


def engine_weights(engine: NDArray[np.int64]) -> NDArray[np.float64]:
    """Weight of each cycle such that all engines have the same total weight.

    Returns:
        weights: [cycle], sum 1; equal within an engine.

    >>> engine_weights(np.array([4, 4, 9])).tolist()
    [0.25, 0.25, 0.5]
    """
    # a long life must not dominate: cycles of an engine share its weight
    _, inverse, cycles = np.unique(engine, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = 1.0 / (len(cycles) * cycles[inverse])
    return weights


def conformal_quantile(
    scores: NDArray[np.float64], engine: NDArray[np.int64], level: float
) -> float:
    """Upper bound of the score of a new engine's cycle, with a given coverage probability.

    q = quantile of Σₖ Σᵢ 1/((K + 1)·nₖ)·δ(sₖᵢ) + 1/(K + 1)·δ(∞) at the level, where sₖᵢ is the
    score of cycle i of engine k, which has nₖ cycles. P(s ≤ q) ≥ level for a cycle drawn uniformly
    from those of a new engine, if the K + 1 engines are exchangeable and the score function does
    not depend on them. The cycles may be selected by a rule that is the same for all engines, such
    as 'from cycle 20 on' or 'with a prediction in this band'; K then counts only engines with such
    cycles, and the bound holds for a new engine that has some. Coverage is marginal, over draws of
    all engines: nothing is guaranteed for a particular engine or a particular RUL.

    Args:
        scores: [cycle].
        engine: [cycle], a number for each engine.
        level: in (0, 1).

    Returns:
        One of the scores, or infinity if the level exceeds K/(K + 1).

    >>> conformal_quantile(np.array([1.0, 2.0, 5.0]), np.array([1, 1, 2]), 0.5)
    5.0
    """
    engines = len(np.unique(engine))
    order = np.argsort(scores, kind="stable")
    # mass K/(K + 1) on the scores; the rest, for the new engine, is at infinity
    mass = np.cumsum(engine_weights(engine)[order]) * engines / (engines + 1)
    # without the tolerance, rounding would make 9 engines miss the level 0.9
    reached = int(np.searchsorted(mass, level - _ROUNDING))
    # beyond the last score is only the mass of the new engine
    return float(scores[order[reached]]) if reached < len(scores) else math.inf


def band_quantiles(
    scores: NDArray[np.float64],
    engine: NDArray[np.int64],
    band: NDArray[np.int64],
    bands: int,
    level: float,
) -> list[float]:
    """Upper bound of the score in each band: the larger of the overall and the band's quantile.

    The overall quantile preserves the marginal coverage. The band's quantile adds coverage within
    the band (Mondrian conformal prediction: V. Vovk, A. Gammerman and G. Shafer, "Algorithmic
    learning in a random world", 2005, section 4.5), for a cycle drawn uniformly from those of a
    new engine in that band. A band with too few engines for the level has the overall one only.

    Args:
        scores: [cycle].
        engine: [cycle], a number for each engine.
        band: [cycle], index from 0 on, computed without the truth, such as from the prediction.
        bands: number of bands.
        level: in (0, 1).

    >>> scores, engine = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 2, 1, 2])
    >>> band_quantiles(scores, engine, np.array([0, 0, 0, 1]), 3, 0.5)
    [3.0, 4.0, 3.0]
    >>> band_quantiles(scores, engine, np.array([0, 0, 1, 1]), 2, 0.5)
    [3.0, 4.0]
    """
    overall = conformal_quantile(scores, engine, level)
    found = []
    for number in range(bands):
        # engines without a cycle in this band do not count: K is the number of the others
        inside = band == number
        within = conformal_quantile(scores[inside], engine[inside], level)
        found.append(overall if math.isinf(within) else max(overall, within))
    return found


def engines_needed(level: float, spare: int = 0) -> int:
    """Smallest number of engines K that supports a level: (K + 1) · level ≤ K − spare.

    With `spare` 0, the smallest K with a finite bound: K/(K + 1) ≥ level. The level is converted
    to the exact decimal that it prints as; the binary value of 0.9 would need ten engines.

    >>> [engines_needed(level) for level in (0.5, 0.8, 0.9, 0.95, 0.99)]
    [1, 4, 9, 19, 99]
    >>> [engines_needed(level, spare=1) for level in (0.8, 0.9, 0.95)]
    [9, 19, 39]
    """
    outside = 1 - Fraction(repr(float(level)))
    return max(1, math.ceil((1 + spare) / outside) - 1)


def validate_level(level: float) -> float:
    """Check a level and return it.

    Raises:
        UsageError: the level is outside (0, 1).
    """
    if not 0 < level < 1:
        raise UsageError(f"found level {level:g}, expected a number between 0 and 1, such as 0.9")
    return level


def supported_levels(levels: Iterable[float], engines: int) -> tuple[float, ...]:
    """Return the levels that a number of engines supports, ascending.

    >>> supported_levels((0.95, 0.8, 0.9), 10)
    (0.8, 0.9)
    """
    return tuple(sorted({level for level in levels if engines_needed(level) <= engines}))


def offered_levels(levels: Iterable[float], engines: int) -> tuple[float, ...]:
    """Return the default levels for a number of engines: supported with one to spare, ascending.

    Without a spare engine, the bound is about the largest score of any cycle, and the interval too
    wide to be useful, because the new engine uses up nearly all of the miscoverage that the level
    allows. The lowest level is offered even without a spare engine.

    >>> [offered_levels((0.8, 0.9, 0.95), engines) for engines in (3, 4, 18, 20, 52)]
    [(), (0.8,), (0.8,), (0.8, 0.9), (0.8, 0.9, 0.95)]
    """
    supported = supported_levels(levels, engines)
    # spare=1: (K + 1)·(1 − level) ≥ 2
    spared = tuple(level for level in supported if engines_needed(level, spare=1) <= engines)
    return spared or supported[:1]


def preferred_level(levels: Iterable[float]) -> float | None:
    """Return the level nearest to 0.9, the higher of two equally near; None for no levels.

    >>> preferred_level((0.8, 0.85, 0.95)), preferred_level(())
    (0.95, None)
    """
    # rounded: 0.85 and 0.95 are equally near, but not in floating point
    return min(
        levels, key=lambda level: (round(abs(level - PREFERRED_LEVEL), 9), -level), default=None
    )
