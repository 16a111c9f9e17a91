"""A trained model as one graph from raw rows to RUL and health, to hand on to other systems."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.preprocess import CYCLE_UNIT
from cmapss_rul.evaluation.intervals import level_of
from cmapss_rul.intervals.calibration import Calibration
from cmapss_rul.training.trained_model import TrainedModel

_PLACES = 6
"""Digits behind the point that are tried; C-MAPSS has at most 4."""


class Inputs(NamedTuple):
    """What the graph takes, for a batch of engines.

    Attributes:
        window: float32 [batch, window, 24], the latest rows, raw, in the order of the fleet's
            columns; a user's own fleet may have another number of them.
        cycle: int64 [batch], cycle number of the window's last row.
        valid_length: int64 [batch], number of rows that are there. They stand at the end, of
            history and window together where there is a history; what stands before them is
            ignored, whatever it is.
        history: float32 [batch, any, 24], the rows right before the window; for a model that
            smooths only, because smoothing remembers all of a record.
    """

    window: Tensor
    cycle: Tensor
    valid_length: Tensor
    history: Tensor | None = None

    def there(self) -> dict[str, Tensor]:
        """The inputs by name, without a history that there is not."""
        return {name: value for name, value in self._asdict().items() if value is not None}


class Portable(nn.Module):
    """Padding, conditions, scaling, smoothing, cycle count, network, clamp, softmax, interval.

        Raw rows --> first valid one repeated --> scaled --> smoothed? --> network --> RUL, health
                                                                                   --> interval?

    The same as `Preprocessor`, `Windows` and `predict_fleet` make of a record without gaps.

    Shapes:
        arguments: those of `Inputs`.
        returns: rul float32 [batch], cycles, clamped to [0, cap]; health float32
            [batch, class], probabilities; and for a model with intervals their lower and upper
            end at the level nearest to 0.9, both float32 [batch], cycles.
    """

    picks: Tensor
    keys: Tensor
    tenfold: Tensor
    table: Tensor
    span: Tensor
    centre: Tensor
    factor: Tensor

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        preprocessor, scaler = model.preprocessor, model.preprocessor.scaler
        self.network = model.network.eval()
        self.window = model.config.data.window
        self.cap = model.config.data.cap
        self.smoothing = preprocessor.smoothing
        self.cycle_count = preprocessor.cycle_count
        conditions, raw = preprocessor.conditions, model.config.data.raw_columns
        # keys times these are whole numbers where `Conditions` rounds them
        self.rounds = conditions.decimals is not None
        tenfold = (
            10.0 ** torch.tensor(conditions.decimals or [0.0] * len(preprocessor.keys)).double()
        )
        table = torch.from_numpy(conditions.table) * tenfold
        span = table.amax(0) - table.amin(0)
        self.register_buffer("picks", torch.tensor([raw.index(c) for c in preprocessor.columns]))
        self.register_buffer("keys", torch.tensor([raw.index(k) for k in preprocessor.keys]).long())
        self.register_buffer("tenfold", tenfold)
        self.register_buffer("table", table.round() if self.rounds else table)
        self.register_buffer("span", torch.where(span > 0, span, 1.0))
        self.register_buffer("centre", torch.from_numpy(scaler.centre))
        self.register_buffer("factor", torch.from_numpy(scaler.factor))
        self.interval = Interval.of(model)

    def forward(
        self, window: Tensor, cycle: Tensor, valid_length: Tensor, history: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return RUL, health probabilities, and the ends of the interval if there is one."""
        rows = window if history is None else torch.cat((history, window), dim=1)
        length = rows.shape[1]
        position = torch.arange(length, device=rows.device)
        first = length - valid_length.clamp(min=1, max=length)
        index = torch.maximum(position, first.unsqueeze(1))
        padded = rows.gather(1, index.unsqueeze(2).expand(-1, -1, rows.shape[2]))
        features = self._scaled(as_written(padded))
        if self.smoothing is not None:
            features = self._weights(position, self.smoothing) @ features
        features = features[:, -self.window :]
        if self.cycle_count:
            back = length - 1 - index[:, -self.window :]
            count = (cycle.unsqueeze(1) - back).double() / CYCLE_UNIT
            features = torch.cat((features, count.unsqueeze(2)), dim=2)
        rul, health = self.network(features.float())
        rul = rul.clamp(0, self.cap)
        ends = () if self.interval is None else self.interval(rul)
        return rul, health.softmax(dim=1), *ends

    def _scaled(self, rows: Tensor) -> Tensor:
        """[batch, row, column] from raw rows [batch, row, 24], per operating condition."""
        if len(self.table) == 1:
            return (rows[:, :, self.picks] - self.centre[0]) * self.factor[0]
        keys = rows[:, :, self.keys] * self.tenfold
        off = ((keys.round() if self.rounds else keys).unsqueeze(2) - self.table) / self.span
        condition = off.square().sum(dim=3).float().argmin(dim=2)
        return (rows[:, :, self.picks] - self.centre[condition]) * self.factor[condition]

    def _weights(self, position: Tensor, newest: float) -> Tensor:
        """Exponential smoothing as a matrix [window, row]: a sum of all rows so far.

        yₜ = Σₖ a·(1 − a)^(t−k)·xₖ, but (1 − a)^t for the very first row, k = 0.
        """
        ages = position[-self.window :].unsqueeze(1) - position
        powers = (1.0 - newest) ** ages.clamp(min=0).double()
        shares = torch.where(position > 0, newest, 1.0).double()
        return torch.where(ages >= 0, powers * shares, 0.0)


class Interval(nn.Module):
    """The interval around each prediction: the same as `Calibration.bounds`.

    Args:
        calibration: of the model.
        level: one of its levels.
        cap: of labels and predictions, cycles.

    Shapes:
        rul: float32 [batch], clamped to [0, cap], cycles.
        returns: lower and upper end, float32 [batch], cycles.
    """

    knots: Tensor
    usual: Tensor

    def __init__(self, calibration: Calibration, level: float, cap: int) -> None:
        super().__init__()
        self.bound = calibration.quantiles[calibration.levels.index(level)]
        self.cap = cap
        usual = [calibration.late, calibration.early]
        self.register_buffer("knots", torch.tensor(calibration.knots, dtype=torch.float64))
        self.register_buffer("usual", torch.tensor(usual, dtype=torch.float64))

    @classmethod
    def of(cls, model: TrainedModel) -> "Interval | None":
        """The interval of a model at the level nearest to 0.9; None where it has none."""
        level = level_of(model)
        if level is None or model.calibration is None:
            return None
        return cls(model.calibration, level, model.config.data.cap)

    def forward(self, rul: Tensor) -> tuple[Tensor, Tensor]:
        """Return both ends."""
        at = rul.double()
        passed = (at.unsqueeze(1) >= self.knots).sum(dim=1)
        left, right = (passed - 1).clamp(min=0), passed.clamp(max=len(self.knots) - 1)
        gap = self.knots[right] - self.knots[left]
        way = torch.where(gap > 0, (at - self.knots[left]) / torch.where(gap > 0, gap, 1.0), 0.0)
        late, early = self.usual[:, left] + way * (self.usual[:, right] - self.usual[:, left])
        lower = (at - self.bound * late).clamp(0, self.cap)
        return lower.float(), (at + self.bound * early).clamp(0, self.cap).float()


def as_written(raw: Tensor) -> Tensor:
    """Give float32 values the float64 of the shortest decimal number that they may stand for.

    Shaft speeds such as 2388.06 have a standard deviation of 0.07 in FD001, so that the rounding
    to float32 alone moves a prediction by some hundredths of a cycle. A decimal that becomes the
    very same float32 is never further off than the float32 itself, and for sensors that are
    written with few digits it is exact. Without such a decimal the value stays as it is.

    >>> as_written(torch.tensor([2388.06, 1 / 3])).tolist()
    [2388.06, 0.3333333432674408]
    """
    value = raw.double()
    found = value
    for places in range(_PLACES, -1, -1):
        decimal = (value * 10.0**places).round() / 10.0**places
        found = torch.where(decimal.float() == raw, decimal, found)
    return found


def inputs_of(model: TrainedModel, fleet: Fleet, rows: NDArray[np.int64]) -> Inputs:
    """Cut the graph's inputs out of whole records.

    What the graph must ignore is NaN, so that it shows where it does not.

    Args:
        model: whose graph it is.
        fleet: the records.
        rows: [batch], the rows of the fleet at which the windows end.
    """
    length = model.config.data.window
    seen = rows - fleet.row_starts[rows] + 1
    smooths = model.preprocessor.smoothing is not None
    before = max(1, int(seen.max()) - length) if smooths else 0
    values = np.full((len(rows), before + length, len(fleet.columns)), np.nan, dtype=np.float32)
    valid = np.minimum(seen, before + length)
    for into, row, count in zip(values, rows, valid, strict=True):
        into[-count:] = fleet.values[row + 1 - count : row + 1]
    both = torch.from_numpy(values)
    return Inputs(
        window=both[:, before:].contiguous(),
        cycle=torch.from_numpy(fleet.cycle[rows]),
        valid_length=torch.from_numpy(valid),
        history=both[:, :before].contiguous() if smooths else None,
    )
