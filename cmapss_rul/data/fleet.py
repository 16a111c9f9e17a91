"""Records of a fleet of engines, as the readers return them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import COLUMNS

Times = NDArray[np.int64] | NDArray[np.float64]
"""Whole cycles, or times in another unit."""

_BLOCK_ROWS = 1 << 12  # 800 kB of 24 columns: temporaries stay in the cache


def row_blocks(rows: int) -> Iterator[slice]:
    """Yield slices that cover all rows in blocks, so that intermediate arrays stay small.

    >>> [block.stop - block.start for block in row_blocks(5_000)]
    [4096, 904]
    """
    for start in range(0, rows, _BLOCK_ROWS):
        yield slice(start, min(start + _BLOCK_ROWS, rows))


@dataclass(frozen=True, eq=False)
class Fleet:
    """Records of several engines, one row per cycle, engines one after another.

    Attributes:
        engine: [row], number of the engine (the files call it unit), ascending.
        cycle: [row], ascending within an engine; in C-MAPSS's files from 1 without a gap; float64
            for times in another unit.
        values: [row, column], raw settings and sensors in the order of `columns`.
        starts: [engine], first row of each engine.
        lengths: [engine], number of rows of each engine.
        columns: names of the columns of `values`.
        censored: numbers of the engines of a training file whose records end before the failure.
        held: [row, column], whether the cell is empty in the file and holds an earlier value; None
            if no cell may be empty.
        seconds: whether rows are seconds of flights. The cycle of a row is then the number of its
            flight, and neither windows nor smoothing cross flights.
    """

    engine: NDArray[np.int64]
    cycle: Times
    values: NDArray[np.float64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    columns: tuple[str, ...] = COLUMNS
    censored: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    held: NDArray[np.bool_] | None = None
    seconds: bool = False

    @classmethod
    def from_rows(
        cls,
        engine: NDArray[np.int64],
        cycle: Times,
        values: NDArray[np.float64],
        columns: tuple[str, ...] = COLUMNS,
    ) -> "Fleet":
        """Build a fleet from columns in which the rows of each engine are contiguous."""
        # prepend another number, so that the first row is a start, too
        starts = np.flatnonzero(np.diff(engine, prepend=engine[:1] - 1))
        lengths = np.diff(starts, append=len(engine))
        return cls(engine, cycle, values, starts, lengths, columns)

    @property
    def engines(self) -> NDArray[np.int64]:
        """Number of each engine, [engine]."""
        return self.engine[self.starts]

    @property
    def failed(self) -> NDArray[np.int64]:
        """Numbers of the engines that are not censored, ascending."""
        return np.setdiff1d(self.engines, self.censored)

    @property
    def rows(self) -> int:
        """Number of rows of all engines."""
        return len(self.engine)

    @property
    def last_rows(self) -> NDArray[np.int64]:
        """Last row of each engine, [engine]."""
        return self.starts + self.lengths - 1

    @property
    def row_starts(self) -> NDArray[np.int64]:
        """First row of each row's engine, [row]."""
        return np.repeat(self.starts, self.lengths)

    @property
    def cycle_starts(self) -> NDArray[np.int64]:
        """First row of each cycle of each engine, [cycle]: every row, unless rows are seconds."""
        if not self.seconds:
            return np.arange(self.rows)
        new = (np.diff(self.engine) != 0) | (np.diff(self.cycle) != 0)
        return np.concatenate([[0], np.flatnonzero(new) + 1])

    @property
    def cycle_ends(self) -> NDArray[np.int64]:
        """Last row of each cycle of each engine, [cycle]."""
        return np.append(self.cycle_starts[1:], self.rows) - 1

    @property
    def cycles_seen(self) -> NDArray[np.int64]:
        """Number of cycles in each row's record, up to and including the row, [row]."""
        count = np.searchsorted(self.cycle_starts, np.arange(self.rows), side="right")
        return np.asarray(count - count[self.row_starts] + 1)

    @property
    def record_starts(self) -> NDArray[np.int64]:
        """First row of each segment that windows do not cross: an engine, or a flight, [record]."""
        return self.cycle_starts if self.seconds else self.starts

    @property
    def record_lengths(self) -> NDArray[np.int64]:
        """Number of rows of each of these segments, [record]."""
        return np.diff(self.record_starts, append=self.rows)

    @property
    def held_cells(self) -> dict[str, int]:
        """Number of held cells of each column that has any."""
        if self.held is None:
            return {}
        counts = zip(self.columns, self.held.sum(axis=0).tolist(), strict=True)
        return {name: count for name, count in counts if count}

    def column_values(
        self, columns: Sequence[str], rows: slice | NDArray[np.bool_] = slice(None)
    ) -> NDArray[np.float64]:
        """Return a copy of the named columns, [row, column], in the given order."""
        wanted = np.array([self.columns.index(name) for name in columns], dtype=np.int64)
        if isinstance(rows, slice):
            return self.values[rows].take(wanted, axis=1)
        # in blocks: indexing all rows at once would copy every column of the fleet
        copied, stop = np.empty((np.count_nonzero(rows), len(wanted))), 0
        for block in row_blocks(self.rows):
            part = self.values[block].compress(rows[block], axis=0).take(wanted, axis=1)
            start, stop = stop, stop + len(part)
            copied[start:stop] = part
        return copied

    def select_engines(self, engines: NDArray[np.int64]) -> "Fleet":
        """Return the records of these engines, in the order of the file."""
        return self._filter(np.isin(self.engine, engines))

    def truncate(self, lengths: NDArray[np.int64]) -> "Fleet":
        """Return the first `lengths` [engine] rows of each engine; at least 1."""
        rows_before = np.arange(self.rows) - self.row_starts
        return self._filter(rows_before < np.repeat(lengths, self.lengths))

    def _filter(self, mask: NDArray[np.bool_]) -> "Fleet":
        left = Fleet.from_rows(self.engine[mask], self.cycle[mask], self.values[mask], self.columns)
        held = None if self.held is None else self.held[mask]
        return replace(
            left,
            censored=np.intersect1d(self.censored, left.engines),
            held=held,
            seconds=self.seconds,
        )


def hold_last(fleet: Fleet, limit: int) -> NDArray[np.bool_]:
    """Replace NaN in a fleet's values, in place, with the engine's last value.

    A value is held over at most `limit` consecutive rows; later rows, and those before the first
    value of an engine, keep NaN.

    Args:
        fleet: records sorted by engine and cycle; changed in place.
        limit: maximum number of rows over which a value is held.

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
    """Format the number of held cells of each column.

    >>> list_held({"flow": 3, "temp": 1})
    '3 of flow, 1 of temp'
    """
    return ", ".join(f"{count:,} of {name}" for name, count in cells.items())
