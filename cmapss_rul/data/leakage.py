"""Leaks: labels among the columns of a user's own file, and records that occur in two places.

A label is known only after the failure: the RUL in any form, the share of the life that has passed,
the length of the life. A network that reads it has a small error and predicts nothing.

The same rows are found again by fingerprints: 64-bit hashes of 20 consecutive rows, or of a whole
record. Names and cycles of the engines are not in them, so that a record that was cut or renamed is
found, too.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Fleet, Times

LABEL_LEAK = "a label among the inputs"
"""Mark of the metrics of a network that reads labels."""

_ENGINES = 10  # fewer engines may agree by chance
_ROUNDING = 0.02  # guess: error of rounding, such as to whole days, as a share of the range
_SPAN = 0.5  # guess: least share of the range that a function of cycle ÷ life covers per engine
_STEPS = 10  # guess: fewer steps may be equal by chance
_STEP_ROUNDING = 0.05  # guess: error of rounding, as a share of a constant step
_DENSITY = 0.5  # guess: share of the row numbers that remain when engines are held out
_EPOCH = (6e8, 3e9)  # seconds since 1970: 1989 to 2065
_DATES = (19_700_101, 21_000_101)  # as in 20 240 131
_RANK_CORRELATION = 0.95  # guess: 1 of 9,257 random orders of ten engines reaches it


def find_labels(fleet: Fleet, columns: Sequence[str]) -> dict[str, str]:
    """Find the columns that are labels, each with the reason of `describe_label`."""
    found = {}
    for column in columns:
        values = fleet.column_values([column])[:, 0]
        if reason := describe_label(values, fleet):
            found[column] = reason
    return found


def describe_index(values: NDArray[np.float64], fleet: Fleet) -> str:
    """Say why a column, [row], only counts rows or time; empty where it is a measurement.

    A column that rises by a constant each cycle tells no more than the cycle; a row number or a
    date tells when the engine was recorded, which says nothing about the next one.
    """
    if fleet.rows - len(fleet.starts) < _STEPS:
        return ""
    first = fleet.row_starts
    since, passed = values - values[first], fleet.cycle - fleet.cycle[first]
    rate = since.sum() / passed.sum()
    if rate > 0 and np.abs(since - rate * passed).max() <= _STEP_ROUNDING * abs(rate):
        return f"rises by {rate:.6g} a cycle, as an index or a clock does"
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
    """Say why a column, [row], is a label; empty where it may be a measurement.

    It is one if it is, within rounding, the same monotone or step function of the RUL or of
    cycle ÷ life in all engines; or is constant in each engine and ranks the engines by their life
    (Spearman's correlation). Alarms that do not follow the RUL and facts such as a model or a site
    are not. Nothing is found in fewer than ten engines.

    Args:
        values: of the column.
        fleet: of records that end at the failure; only engines that train.
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
    # beyond, fewer engines have a value, and could not contradict each other
    shared = rul < np.sort(fleet.lengths)[-_ENGINES]
    if _is_monotone(values[shared], rul[shared], np.zeros(shared.sum())):
        return "a function of the RUL"
    # cycle ÷ life or (cycle − 1) ÷ (life − 1): a cycle more or less is no contradiction
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
    """Whether values, [row], rise or fall with their keys, which are known up to the slack."""
    scale = np.ptp(values)
    if scale == 0:
        return False
    high = keys + slack
    order = np.argsort(high)
    # of each row, the rows whose keys are certainly no larger
    before = np.searchsorted(high[order], keys - slack, side="right")
    for sign in (1, -1):
        highest = np.maximum.accumulate(sign * values[order])
        excess = np.where(before > 0, highest[before - 1], -np.inf) - sign * values
        if excess.max() <= _ROUNDING * scale:
            return True
    return False


RECORD_LEAK = "a leak of test records"
"""Mark of metrics on records that were trained on."""

RUN = 20
"""Number of consecutive equal rows by which a part of a record is found."""

_DISTINCT = 10  # guess: runs of fewer distinct rows, as of an idle engine, also agree by chance
_MAX_RUNS, _MAX_RECORDS = 20_000, 2_000  # 176 kB in a checkpoint
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ ÷ the golden ratio, odd
_SHIFT = np.uint64(29)


def training_fingerprints(fleet: Fleet, columns: Sequence[str]) -> NDArray[np.int64]:
    """Fingerprints of a fleet: of all its runs and records, or a sample of them.

    A sample has the lowest ones, which is as good as a random draw.
    """
    (runs, _), (records, _) = _fingerprints(fleet, columns)
    kept = np.unique(runs)[:_MAX_RUNS], np.unique(records)[:_MAX_RECORDS]
    return np.unique(np.concatenate(kept)).view(np.int64)


def engines_with(
    fleet: Fleet, columns: Sequence[str], fingerprints: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Numbers of the engines of which some run, or the whole record, has a known fingerprint."""
    known = fingerprints.view(np.uint64)
    found = [owner[np.isin(hashes, known)] for hashes, owner in _fingerprints(fleet, columns)]
    return np.unique(np.concatenate(found))


def find_twins(fleet: Fleet, columns: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of engines, by their numbers, that share a run of rows or a whole record."""
    pairs = set()
    for hashes, owner in _fingerprints(fleet, columns):
        order = np.lexsort((owner, hashes))
        hashes, owner = hashes[order], owner[order]
        same = np.flatnonzero((np.diff(hashes) == 0) & (np.diff(owner) != 0))
        pairs |= set(zip(owner[same].tolist(), owner[same + 1].tolist(), strict=True))
    return sorted(pairs)


_Hashes = tuple[NDArray[np.uint64], NDArray[np.int64]]
"""Hashes, and the number of the engine that each belongs to."""


def _fingerprints(fleet: Fleet, columns: Sequence[str]) -> tuple[_Hashes, _Hashes]:
    """Fingerprints of runs and of whole records."""
    rows = _hash_rows(fleet.column_values(columns))
    weights = _powers(max(int(fleet.lengths.max()), RUN))
    runs, owners = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    records, numbers = [], []
    for number, start, length in zip(fleet.engines, fleet.starts, fleet.lengths, strict=True):
        own = rows[start : start + length]
        if len(np.unique(own)) > 1:
            records.append((own * weights[:length]).sum(keepdims=True) ^ np.uint64(length))
            numbers.append(number)
        if length >= RUN:
            views = np.lib.stride_tricks.sliding_window_view(own, RUN)
            distinct = 1 + np.count_nonzero(np.diff(np.sort(views, axis=1), axis=1), axis=1)
            runs.append((views * weights[:RUN]).sum(axis=1)[distinct >= _DISTINCT])
            owners.append(np.full(len(runs[-1]), number, dtype=np.int64))
    of_records = np.concatenate([np.zeros(0, np.uint64), *records])
    return (
        (_mix(np.concatenate(runs)), np.concatenate(owners)),
        (_mix(of_records), np.array(numbers, np.int64)),
    )


def _hash_rows(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """[row], hashes of the rows in single precision, in which some files are saved."""
    hashes = np.zeros(len(values), np.uint64)
    for column in values.T:
        bits = (column.astype(np.float32) + np.float32(0)).view(np.uint32)  # -0.0 is 0.0
        hashes = _mix(hashes + bits)
    return hashes


def _mix(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread the bits: any difference changes about half of them."""
    for _ in range(2):
        hashes = (hashes ^ (hashes >> _SHIFT)) * _MULTIPLIER
    return hashes ^ (hashes >> _SHIFT)


def _powers(count: int) -> NDArray[np.uint64]:
    return np.cumprod(np.full(count, _MULTIPLIER)).astype(np.uint64)
