"""The records of a fleet in memory: what the reader returns and everything else uses."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Fleet:
    """Records of several engines, one row a cycle, engines one after another.

    Attributes:
        engine: [row], number of the engine (the files call it unit), rising.
        cycle: [row], cycle since the start of the engine's record, from 1 without a gap.
        values: [row, 24], raw settings and sensors in the order of `COLUMNS`.
        starts: [engine], first row of each engine.
        lengths: [engine], number of rows of each engine.
    """

    engine: NDArray[np.int64]
    cycle: NDArray[np.int64]
    values: NDArray[np.float64]
    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @classmethod
    def from_rows(
        cls, engine: NDArray[np.int64], cycle: NDArray[np.int64], values: NDArray[np.float64]
    ) -> "Fleet":
        """Join columns whose engines stand one after another, as the files have them."""
        starts = np.flatnonzero(np.diff(engine, prepend=engine[:1] - 1))
        lengths = np.diff(starts, append=len(engine))
        return cls(engine, cycle, values, starts, lengths)

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
    def starts_of_rows(self) -> NDArray[np.int64]:
        """[row], the first row of the row's engine."""
        return np.repeat(self.starts, self.lengths)

    def select(self, engines: NDArray[np.int64]) -> "Fleet":
        """Return the fleet of the named engines alone, in the order of the file."""
        keep = np.isin(self.engine, engines)
        return Fleet.from_rows(self.engine[keep], self.cycle[keep], self.values[keep])
