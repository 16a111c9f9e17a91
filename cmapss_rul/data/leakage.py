"""Detection of labels among the columns of a user's file.

A label is known only after the failure: the RUL in any form, the elapsed share of the life, the
length of the life. A network with such an input has a small error and no predictive value.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Fleet, Times

LABEL_LEAK = "a label among the inputs"
"""Mark of metrics of a network with labels among its inputs."""

_ENGINES = 10  # fewer engines may agree by chance
_ROUNDING = 0.02  # *guess*: rounding error, such as to whole days, as a share of the range
_SPAN = 0.5  # *guess*: a function of cycle ÷ life covers this share of the range in each engine
_STEPS = 10  # *guess*: fewer steps may be equal by chance
_STEP_ROUNDING = 0.05  # *guess*: rounding error, as a share of a constant step
_DENSITY = 0.5  # *guess*: share of the row numbers that remain when engines are held out
_EPOCH = (6e8, 3e9)  # seconds since 1970: 1989 to 2065
_DATES = (19_700_101, 21_000_101)  # as in 20 240 131
_RANK_CORRELATION = 0.95  # *guess*: 1 of 9,257 random orders of ten engines reaches it


def find_labels(fleet: Fleet, columns: Sequence[str]) -> dict[str, str]:
    """Find the columns that are labels; the values are the reasons, from `describe_label`."""
    found = {}
    for column in columns:
        values = fleet.column_values([column])[:, 0]
        if reason := describe_label(values, fleet):
            found[column] = reason
    return found


def describe_index(values: NDArray[np.float64], fleet: Fleet) -> str:
    """Return why a column [row] is an index or a clock; empty if it may be a measurement.

    A column that rises by a constant per cycle adds nothing to the cycle; a row number or a date
    is about when the engine was recorded, which does not generalise to other engines.
    """
    if fleet.rows - len(fleet.starts) < _STEPS:
        return ""
    first = fleet.row_starts
    since, passed = values - values[first], fleet.cycle - fleet.cycle[first]
    rate = since.sum() / passed.sum()
    if rate > 0 and np.abs(since - rate * passed).max() <= _STEP_ROUNDING * abs(rate):
        return f"rises by {rate:.6g} per cycle, like an index or a clock"
    # the last row of an engine may lie before or after the first of the next
    if not (np.delete(np.diff(values), fleet.last_rows[:-1]) > 0).all() or (values % 1).any():
        return ""
    low, high = values.min(), values.max()
    if len(np.unique(values)) == fleet.rows >= _DENSITY * (high - low + 1):
        return "numbers the rows"
    if any(unit * _EPOCH[0] <= low <= high < unit * _EPOCH[1] for unit in (1, 1e3, 1e6, 1e9)):
        return "seems to be a time since 1970"
    if _DATES[0] <= low <= high < _DATES[1] and (values % 100 <= 31).all():
        return "seems to be a date"
    return ""


def describe_label(values: NDArray[np.float64], fleet: Fleet) -> str:
    """Return why a column [row] is a label; empty if it may be a measurement.

    A label is, within rounding, the same monotone or step function of the RUL or of cycle ÷ life
    in all engines; or it is constant in each engine, and ranks the engines by life (Spearman's
    correlation). Alarms that do not follow the RUL, and attributes such as model or site, are
    not labels. Needs at least ten engines.

    Args:
        values: [row], the column.
        fleet: run-to-failure records of the training engines.
    """
    scale = np.ptp(values)
    if len(fleet.starts) < _ENGINES or scale == 0:
        return ""
    lives = fleet.cycle[fleet.last_rows]
    spans = np.maximum.reduceat(values, fleet.starts) - np.minimum.reduceat(values, fleet.starts)
    if not spans.any():
        if _rank_correlation(values[fleet.starts], lives) >= _RANK_CORRELATION:
            return "constant in each engine, it ranks them by their life"
        return ""
    life = np.repeat(lives, fleet.lengths).astype(np.float64)
    rul = life - fleet.cycle
    # only RULs that ten engines reach, so that engines can contradict each other
    shared = rul < np.sort(fleet.lengths)[-_ENGINES]
    if _is_monotone(values[shared], rul[shared], np.zeros(shared.sum())):
        return "a function of the RUL"
    # cycle ÷ life or (cycle − 1) ÷ (life − 1): tolerates a difference of one cycle
    if spans.min() >= _SPAN * scale and _is_monotone(values, fleet.cycle / life, 1.5 / life):
        return "a function of cycle ÷ life"
    return ""


def _rank_correlation(values: NDArray[np.float64], lives: Times) -> float:
    from scipy.stats import spearmanr  # here: a slow import

    if np.ptp(values) == 0 or np.ptp(lives) == 0:
        return 0.0
    return abs(float(spearmanr(values, lives).statistic))


def _is_monotone(
    values: NDArray[np.float64], keys: NDArray[np.float64], slack: NDArray[np.float64]
) -> bool:
    """Whether values [row] are monotone in their keys, which are known up to the slack."""
    scale = np.ptp(values)
    if scale == 0:
        return False
    high = keys + slack
    order = np.argsort(high)
    # number of rows whose keys are certainly not larger
    before = np.searchsorted(high[order], keys - slack, side="right")
    for sign in (1, -1):
        highest = np.maximum.accumulate(sign * values[order])
        excess = np.where(before > 0, highest[before - 1], -np.inf) - sign * values
        if excess.max() <= _ROUNDING * scale:
            return True
    return False
