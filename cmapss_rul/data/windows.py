"""Sliding windows and their labels, gathered by index on demand rather than materialised."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cmapss_rul.data.fleet import Fleet


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of `length` rows that end at chosen rows of a series.

    If a record has fewer rows up to there, its first row is repeated at the front (front
    padding), so that every row has a window. A record belongs to an engine, or to a flight if
    rows are seconds. Memory is the series plus two integers per window, regardless of the length.

    Attributes:
        series: [row, feature], scaled rows of all engines, one engine after another.
        starts: [window], first row of the window's record.
        ends: [window], last row of the window.
        length: rows in a window.
        firsts: [window], first row of the window's engine; None if records are those of engines.

    >>> series = torch.arange(5.0).unsqueeze(1)  # engines of 3 and of 2 rows
    >>> windows = Windows(series, torch.tensor([0, 3]), torch.tensor([2, 4]), length=3)
    >>> windows.gather(torch.tensor([0, 1])).squeeze(-1).tolist()
    [[0.0, 1.0, 2.0], [3.0, 3.0, 4.0]]
    """

    series: Tensor
    starts: Tensor
    ends: Tensor
    length: int
    firsts: Tensor | None = None

    @classmethod
    def ending_at(
        cls, series: Tensor, fleet: Fleet, rows: NDArray[np.int64], length: int
    ) -> "Windows":
        """Build the windows that end at the given rows of a fleet, on the series' device."""
        device = series.device
        # the start of the record bounds the window: no window spans two engines or flights
        starts = np.repeat(fleet.record_starts, fleet.record_lengths)[rows]
        # rows are seconds: records are flights, and the engine must be stored separately
        firsts = torch.from_numpy(fleet.row_starts[rows]).to(device) if fleet.seconds else None
        return cls(
            series,
            torch.from_numpy(starts).to(device),
            torch.from_numpy(rows).to(device),
            length,
            firsts,
        )

    @classmethod
    def every_cycle(cls, series: Tensor, fleet: Fleet, length: int) -> "Windows":
        """Build one window per row."""
        return cls.ending_at(series, fleet, np.arange(fleet.rows), length)

    @classmethod
    def last_cycle(cls, series: Tensor, fleet: Fleet, length: int) -> "Windows":
        """Build one window per engine, which ends at its last row."""
        return cls.ending_at(series, fleet, fleet.last_rows, length)

    @classmethod
    def concatenate(cls, parts: Sequence["Windows"]) -> "Windows":
        """Concatenate sets of windows of equal length."""
        offsets = np.cumsum([0, *(len(part.series) for part in parts)]).tolist()
        shifted = list(zip(parts, offsets, strict=False))  # the last offset is the total
        return cls(
            torch.cat([part.series for part in parts]),
            torch.cat([part.starts + offset for part, offset in shifted]),
            torch.cat([part.ends + offset for part, offset in shifted]),
            parts[0].length,
            None
            if parts[0].firsts is None
            else torch.cat([part.engine_starts + offset for part, offset in shifted]),
        )

    def __len__(self) -> int:
        return len(self.ends)

    def gather(self, index: Tensor) -> Tensor:
        """Gather the windows at an index [batch] from the series: [batch, window, feature]."""
        offsets = torch.arange(1 - self.length, 1, device=self.ends.device)
        rows = self.ends[index].unsqueeze(1) + offsets
        # front padding: rows before the first one belong to another record; repeating a real row
        # keeps the features in their range, unlike zeros
        rows = torch.maximum(rows, self.starts[index].unsqueeze(1))
        # index_select copies whole rows and is faster than `self.series[rows]`
        return torch.unflatten(self.series.index_select(0, rows.view(-1)), 0, rows.shape)

    def select(self, index: Tensor) -> "Windows":
        """Return the windows at an index [window], on the same series."""
        firsts = None if self.firsts is None else self.firsts[index]
        return replace(self, starts=self.starts[index], ends=self.ends[index], firsts=firsts)

    def to(self, device: torch.device) -> "Windows":
        """Return the windows on another device, including the series."""
        return replace(
            self,
            series=self.series.to(device),
            starts=self.starts.to(device),
            ends=self.ends.to(device),
            firsts=None if self.firsts is None else self.firsts.to(device),
        )

    @property
    def engine_starts(self) -> Tensor:
        """First row of the window's engine, [window]; identifies the engine."""
        return self.starts if self.firsts is None else self.firsts

    @property
    def record_lengths(self) -> Tensor:
        """Number of rows of the engine up to the end of the window, [window]."""
        return self.ends - self.engine_starts + 1

    @property
    def padded(self) -> Tensor:
        """Whether the window has repeated rows at the front, [window]."""
        return self.ends - self.starts + 1 < self.length

    def padding(self, index: Tensor) -> Tensor:
        """Return the number of repeated rows at the front of each window at an index, [batch]."""
        # window length minus the rows of the record up to the end of the window
        return (self.length - 1 + self.starts[index] - self.ends[index]).clamp(min=0)


class Batch(NamedTuple):
    """A batch of windows with labels.

    Attributes:
        windows: [batch, window, feature].
        rul: [batch], capped, cycles.
        health: [batch], class; −1 if unknown.
        padding: [batch], number of repeated rows at the front of each window.
        censored: [batch], whether `rul` is only a lower bound of the RUL; None if it never is.
    """

    windows: Tensor
    rul: Tensor
    health: Tensor
    padding: Tensor
    censored: Tensor | None = None


@dataclass(frozen=True, eq=False)
class LabelledWindows:
    """Windows with labels, which are those of their last rows.

    Attributes:
        rul: [window], capped, cycles, float32.
        health: [window], class, int64; −1 if unknown.
        censored: [window], bool, whether `rul` is only a lower bound of the RUL; None if it never
            is.
    """

    windows: Windows
    rul: Tensor
    health: Tensor
    censored: Tensor | None = None

    def __len__(self) -> int:
        return len(self.windows)

    def batch(self, index: Tensor) -> Batch:
        """Gather the windows and labels at an index [batch]."""
        windows = self.windows
        censored = None if self.censored is None else self.censored[index]
        return Batch(
            windows=windows.gather(index),
            rul=self.rul[index],
            health=self.health[index],
            padding=windows.padding(index),
            censored=censored,
        )

    @classmethod
    def concatenate(cls, parts: Sequence["LabelledWindows"]) -> "LabelledWindows":
        """Concatenate sets of windows of equal length."""
        if len(parts) == 1:  # the usual case: avoids a copy of the series
            return parts[0]
        # there are several only with auxiliary subsets of C-MAPSS, which has no censored records
        return cls(
            Windows.concatenate([part.windows for part in parts]),
            torch.cat([part.rul for part in parts]),
            torch.cat([part.health for part in parts]),
        )

    def select(self, index: Tensor) -> "LabelledWindows":
        """Return the windows at an index [window], on the same series."""
        censored = None if self.censored is None else self.censored[index]
        return LabelledWindows(
            self.windows.select(index), self.rul[index], self.health[index], censored
        )

    def to(self, device: torch.device) -> "LabelledWindows":
        """Return the set on another device, including the series."""
        censored = None if self.censored is None else self.censored.to(device)
        return LabelledWindows(
            self.windows.to(device), self.rul.to(device), self.health.to(device), censored
        )
