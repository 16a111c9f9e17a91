"""Detection of duplicate records, such as test records in a training file, by fingerprints.

Fingerprints are 64-bit hashes of 20 consecutive rows, or of a whole record. They do not include
the names and cycles of the engines, so that truncated and renamed records are found, too.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Fleet

RECORD_LEAK = "a leak of test records"
"""Mark of metrics computed on training records."""

RUN_ROWS = 20
"""Number of consecutive rows in a fingerprint."""

_DISTINCT = 10  # *guess*: runs of fewer distinct rows, as of an idle engine, agree by chance
_MAX_RUNS, _MAX_RECORDS = 20_000, 2_000  # 176 kB in a checkpoint
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # 2⁶⁴ ÷ the golden ratio, odd
_SHIFT = np.uint64(29)


def training_fingerprints(fleet: Fleet, columns: Sequence[str]) -> NDArray[np.int64]:
    """Compute the fingerprints of a fleet, or a sample of them if there are many.

    The sample consists of the lowest hashes, which is as good as a random draw.
    """
    (runs, _), (records, _) = _fingerprints(fleet, columns)
    kept = np.unique(runs)[:_MAX_RUNS], np.unique(records)[:_MAX_RECORDS]
    return np.unique(np.concatenate(kept)).view(np.int64)


def engines_with(
    fleet: Fleet, columns: Sequence[str], fingerprints: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the numbers of the engines with at least one of the given fingerprints."""
    known = fingerprints.view(np.uint64)
    found = [owner[np.isin(hashes, known)] for hashes, owner in _fingerprints(fleet, columns)]
    return np.unique(np.concatenate(found))


def find_duplicates(fleet: Fleet, columns: Sequence[str]) -> list[tuple[int, int]]:
    """Return the pairs of engines, by number, that share a fingerprint."""
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
    """Compute the fingerprints of runs of rows, and those of whole records."""
    rows = _hash_rows(fleet.column_values(columns))
    weights = _powers(max(int(fleet.lengths.max()), RUN_ROWS))
    runs, owners = [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    records, numbers = [], []
    for number, start, length in zip(fleet.engines, fleet.starts, fleet.lengths, strict=True):
        own = rows[start : start + length]
        if len(np.unique(own)) > 1:
            records.append((own * weights[:length]).sum(keepdims=True) ^ np.uint64(length))
            numbers.append(number)
        if length >= RUN_ROWS:
            views = np.lib.stride_tricks.sliding_window_view(own, RUN_ROWS)
            distinct = 1 + np.count_nonzero(np.diff(np.sort(views, axis=1), axis=1), axis=1)
            runs.append((views * weights[:RUN_ROWS]).sum(axis=1)[distinct >= _DISTINCT])
            owners.append(np.full(len(runs[-1]), number, dtype=np.int64))
    of_records = np.concatenate([np.zeros(0, np.uint64), *records])
    return (
        (_mix(np.concatenate(runs)), np.concatenate(owners)),
        (_mix(of_records), np.array(numbers, np.int64)),
    )


def _hash_rows(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Hash each row, [row], in single precision, since some files are saved in it."""
    hashes = np.zeros(len(values), np.uint64)
    for column in values.T:
        bits = (column.astype(np.float32) + np.float32(0)).view(np.uint32)  # -0.0 equals 0.0
        hashes = _mix(hashes + bits)
    return hashes


def _mix(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits, such that any difference changes about half of them."""
    for _ in range(2):
        hashes = (hashes ^ (hashes >> _SHIFT)) * _MULTIPLIER
    return hashes ^ (hashes >> _SHIFT)


def _powers(count: int) -> NDArray[np.uint64]:
    return np.cumprod(np.full(count, _MULTIPLIER)).astype(np.uint64)
