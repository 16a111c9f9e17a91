"""The records of a fleet in memory: what the reader returns and everything else uses."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import COLUMNS

_BLOCK_ROWS = 1 << 12


def row_blocks(rows: int) -> Iterator[slice]:
    """Yield all rows in order, some at a time: what is worked out by blocks needs little memory.

    >>> [block.stop - block.start for block in row_blocks(5_000)]
    [4096, 904]
    """
    for start in range(0, rows, _BLOCK_ROWS):
        yield slice(start, min(start + _BLOCK_ROWS, rows))


@dataclass(frozen=True, eq=False)
class Fleet:
    """Records of several engines, one row a cycle, engines one after another.

    Attributes:
        engine: [row], number of the engine (the files call it unit), rising.
        cycle: [row], cycle since the start of the engine's record, from 1 without a gap.
        values: [row, column], raw settings and sensors in the order of `columns`.
        starts: [engine], first row of each engine.
        lengths: [engine], number of rows of each engine.
        columns: names of the columns of `values`; the 24 of C-MAPSS, unless it is a user's own.
    """

    engine: NDArray[np.int64]
    cycle: NDArray[np.int64]
    values: NDArray[np.float64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    columns: tuple[str, ...] = COLUMNS

    @classmethod
    def from_rows(
        cls,
        engine: NDArray[np.int64],
        cycle: NDArray[np.int64],
        values: NDArray[np.float64],
        columns: tuple[str, ...] = COLUMNS,
    ) -> "Fleet":
        """Join columns whose engines stand one after another, as the files have them."""
        starts = np.flatnonzero(np.diff(engine, prepend=engine[:1] - 1))
        lengths = np.diff(starts, append=len(engine))
        return cls(engine, cycle, values, starts, lengths, columns)

    @property
    def engines(self) -> NDArray[np.int64]:
        """[engine], the number of each engine."""
        return self.engine[self.starts]

    @property
    def rows(self) -> int:
        """Number of rows of all engines."""
        return len(self.engine)

    @property
    def last_rows(self) -> NDArray[np.int64]:
        """[engine], the last row of each engine."""
        return self.starts + self.lengths - 1

    @property
    def row_starts(self) -> NDArray[np.int64]:
        """[row], the first row of the row's engine."""
        return np.repeat(self.starts, self.lengths)

    def column_values(
        self, columns: Sequence[str], rows: slice | NDArray[np.bool_] = slice(None)
    ) -> NDArray[np.float64]:
        """[row, column], a copy of the columns of those names, in their order.

        Args:
            columns: their names.
            rows: which rows; all by default.
        """
        wanted = np.array([self.columns.index(name) for name in columns], dtype=np.int64)
        if isinstance(rows, slice):
            return self.values[rows].take(wanted, axis=1)
        picked, stop = np.empty((np.count_nonzero(rows), len(wanted))), 0
        for block in row_blocks(self.rows):
            part = self.values[block].compress(rows[block], axis=0).take(wanted, axis=1)
            start, stop = stop, stop + len(part)
            picked[start:stop] = part
        return picked

    def select_engines(self, engines: NDArray[np.int64]) -> "Fleet":
        """Return the fleet of the named engines alone, in the order of the file."""
        return self._at(np.isin(self.engine, engines))

    def truncate(self, lengths: NDArray[np.int64]) -> "Fleet":
        """Return the first rows of each engine alone.

        Args:
            lengths: [engine], rows to keep, at least 1.
        """
        since = np.arange(self.rows) - np.repeat(self.starts, self.lengths)
        return self._at(since < np.repeat(lengths, self.lengths))

    def _at(self, keep: NDArray[np.bool_]) -> "Fleet":
        return Fleet.from_rows(self.engine[keep], self.cycle[keep], self.values[keep], self.columns)
