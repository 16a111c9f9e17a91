"""Where labels come from: remaining useful life in cycles, and health classes made of it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Fleet


def run_to_failure_rul(fleet: Fleet) -> NDArray[np.int64]:
    """RUL of each row of a fleet that ran to failure: 0 at the engine's last cycle.

    Returns:
        rul: [row], cycles.
    """
    return truncated_rul(fleet, np.zeros(len(fleet.starts), dtype=np.int64))


def truncated_rul(fleet: Fleet, rul: NDArray[np.int64]) -> NDArray[np.int64]:
    """RUL of each row of a fleet whose records were cut before the failure.

    Args:
        fleet: the cut records.
        rul: [engine], true RUL at the last row of each engine, cycles.

    Returns:
        rul: [row], cycles: that of the engine plus the rows that still follow.
    """
    last = np.repeat(fleet.last_rows, fleet.lengths)
    return np.repeat(rul, fleet.lengths) + last - np.arange(fleet.rows)


def cap_rul(rul: NDArray[np.int64], cap: int) -> NDArray[np.int64]:
    """Piecewise-linear label: an engine far from failure counts as `cap` cycles away.

    >>> cap_rul(np.array([300, 125, 7]), 125)
    array([125, 125,   7])
    """
    return np.minimum(rul, cap)


def health_class_names(boundaries: Sequence[int], cap: int) -> list[str]:
    """The capped RUL of each health class, in words, the healthiest first.

    Args:
        boundaries: falling, cycles.
        cap: cap of the labels, cycles.

    >>> health_class_names((125, 50), 125), health_class_names((80, 30), 125)
    (['125', '51–124', '0–50'], ['81–125', '31–80', '0–30'])
    """
    # the highest RUL of each class but the healthiest
    tops = [cap, *(b - 1 if b == cap else b for b in boundaries)]
    lows = [*(top + 1 for top in tops[1:]), 0]
    return [str(low) if low == top else f"{low}–{top}" for low, top in zip(lows, tops, strict=True)]


def health_classes(
    rul: NDArray[np.int64] | NDArray[np.float64], boundaries: Sequence[int], cap: int
) -> NDArray[np.int64]:
    """Health class of each capped RUL, 0 the healthiest.

    The class is the number of boundaries on whose worse side the RUL lies. RUL ≤ b is the
    worse side of boundary b; for a boundary equal to the cap it is RUL < b, for otherwise
    no capped label would ever be healthy.

    Args:
        rul: [row], capped, cycles.
        boundaries: falling, cycles.
        cap: cap of the labels, cycles.

    Returns:
        class: [row], 0 … number of boundaries.

    >>> health_classes(np.array([125, 124, 51, 50, 0]), (125, 50), 125)
    array([0, 1, 1, 2, 2])
    """
    classes = np.zeros(len(rul), dtype=np.int64)
    for boundary in boundaries:
        classes += (rul < boundary) if boundary == cap else (rul <= boundary)
    return classes
