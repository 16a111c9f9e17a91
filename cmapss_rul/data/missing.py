"""Empty cells of records: refused, or filled with the engine's last value over a few rows."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Fleet

SPELLINGS = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "-"})
"""Cells, in lower case, that say that there is no value: pandas, R, SQL and Excel write these."""


def hold_last(fleet: Fleet, limit: int) -> NDArray[np.bool_]:
    """Replace NaN in a fleet's values, in place, by the last value of the same engine.

    Values are held in the order of the cycles over at most `limit` rows in a row; after that, and
    before the first value of an engine, NaN stays.

    Args:
        fleet: the records, sorted; its values are changed.
        limit: rows.

    Returns:
        [row, column], whether the cell is held.
    """
    held = np.zeros(fleet.values.shape, dtype=np.bool_)
    rows = np.arange(fleet.rows)
    for column in np.flatnonzero(np.isnan(fleet.values).any(axis=0)):
        values = fleet.values[:, column]
        last = np.maximum.accumulate(np.where(np.isnan(values), -1, rows))
        held[:, column] = (last >= fleet.row_starts) & (last < rows) & (rows - last <= limit)
        values[held[:, column]] = values[last[held[:, column]]]
    return held


def list_held(cells: Mapping[str, int]) -> str:
    """List how many cells of each column are held.

    >>> list_held({"flow": 3, "temp": 1})
    '3 of flow, 1 of temp'
    """
    return ", ".join(f"{count:,} of {name}" for name, count in cells.items())
