"""Labels: remaining useful life (RUL), capped RUL, and health classes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Fleet, Times


def run_to_failure_rul(fleet: Fleet) -> Times:
    """RUL of each row of run-to-failure records; for censored ones, the largest lower bound.

    [row], the number of cycles that follow: 0, not 1, at an engine's last cycle.
    """
    # 0 at the failure; rul-datasets, for example, ends at 1
    return truncated_rul(fleet, np.zeros(len(fleet.starts), dtype=np.int64))


def truncated_rul(fleet: Fleet, rul: Times) -> Times:
    """RUL of each row of records that end before the failure.

    Args:
        fleet: the truncated records.
        rul: [engine], true RUL at the last row of each engine, cycles.

    Returns:
        rul: [row], cycles: the engine's RUL plus the cycles until its last row.
    """
    end: NDArray[Any] = rul + fleet.cycle[fleet.last_rows]
    # from cycle numbers, not row numbers: a record may have gaps, or times in another unit
    until: NDArray[Any] = np.repeat(end, fleet.lengths) - fleet.cycle
    return until


def cap_rul(rul: Times, cap: int) -> Times:
    """Piecewise-linear label: constant at `cap` far from failure, then decreasing by 1 per cycle.

    The sensors of a healthy engine do not reveal when it will fail, so a network could only
    memorise larger labels.

    >>> cap_rul(np.array([300, 125, 7]), 125)
    array([125, 125,   7])
    """
    return np.minimum(rul, cap)


def health_class_names(boundaries: Sequence[int], cap: int) -> list[str]:
    """Name each health class and its range of capped RUL, the healthiest first.

    >>> health_class_names((125, 50), 125)
    ['healthy (≥ 125)', 'degrading (51–124)', 'critical (0–50)']
    >>> health_class_names((100, 75, 30), 125)[1:3]
    ['degrading 1 (76–100)', 'degrading 2 (31–75)']
    """
    # as in `health_classes`, a boundary at the cap belongs to the better side
    highs = [b - 1 if b == cap else b for b in boundaries]
    lows = [*(high + 1 for high in highs), 0]
    middle = len(boundaries) - 1
    numbers = [f" {number}" for number in range(1, middle + 1)] if middle > 1 else [""] * middle
    states = ["healthy", *(f"degrading{number}" for number in numbers), "critical"]
    ranges = [f"≥ {lows[0]}", *map("{}–{}".format, lows[1:], highs)]
    return [f"{state} ({span})" for state, span in zip(states, ranges, strict=True)]


def health_classes(
    rul: NDArray[np.int64] | NDArray[np.float64], boundaries: Sequence[int], cap: int
) -> NDArray[np.int64]:
    """Health class of each capped RUL, [row]; 0 is the healthiest.

    The class is the number of boundaries b with RUL ≤ b.

    >>> health_classes(np.array([125, 124, 51, 50, 0]), (125, 50), 125)
    array([0, 1, 1, 2, 2])
    """
    classes = np.zeros(len(rul), dtype=np.int64)
    for boundary in boundaries:
        # no capped label exceeds the cap: with ≤ at a boundary equal to the cap, class 0 is empty
        classes += (rul < boundary) if boundary == cap else (rul <= boundary)
    return classes
