"""The graph that `rul export` writes: from raw rows to RUL, health and interval."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.data.table_cells import MAX_VALUE
from cmapss_rul.evaluation.intervals import interval_level
from cmapss_rul.intervals.calibration import Calibration
from cmapss_rul.intervals.estimate import Estimate
from cmapss_rul.training.trained_model import TrainedModel


class IntervalGraph(nn.Module):
    """Bounds of the interval around predictions, both [batch], cycles: `Calibration.bounds`."""

    knots: Tensor
    scales: Tensor
    edges: Tensor
    quantiles: Tensor

    def __init__(self, calibration: Calibration, level: float, cap: int) -> None:
        super().__init__()
        index = calibration.levels.index(level)
        banded = bool(calibration.edges)
        quantiles = calibration.band_quantiles[index] if banded else [calibration.quantiles[index]]
        self.cap = cap
        self.register_buffer("edges", torch.tensor(calibration.edges, dtype=torch.float64))
        self.register_buffer("quantiles", torch.tensor(quantiles, dtype=torch.float64))
        scales = [calibration.late, calibration.early]
        self.register_buffer("knots", torch.tensor(calibration.knots, dtype=torch.float64))
        self.register_buffer("scales", torch.tensor(scales, dtype=torch.float64))

    @classmethod
    def of(cls, model: TrainedModel) -> "IntervalGraph | None":
        """Build the interval of a model at the level nearest to 0.9; None where it has none."""
        level = interval_level(model)
        if level is None or model.calibration is None:
            return None
        return cls(model.calibration, level, model.config.data.cap)

    def forward(self, rul: Tensor) -> tuple[Tensor, Tensor]:
        """Return the lower and the upper bound."""
        rul = rul.double()
        late, early = _interpolate(rul, self.knots, self.scales)
        bound = self.quantiles  # one without bands
        if len(self.edges):
            bound = bound[(rul.unsqueeze(1) >= self.edges).sum(dim=1)]
        lower = (rul - bound * late).clamp(0, self.cap)
        return lower.float(), (rul + bound * early).clamp(0, self.cap).float()


class NasaShift(nn.Module):
    """Shift [batch], cycles, at most 0, from the network's RUL to `Calibration.nasa_estimate`."""

    knots: Tensor
    shifts: Tensor

    def __init__(self, calibration: Calibration | None) -> None:
        super().__init__()
        assert calibration is not None  # `estimated_rul` refuses a model without shifts
        self.register_buffer("knots", torch.tensor(calibration.nasa_knots, dtype=torch.float64))
        self.register_buffer("shifts", torch.tensor([calibration.nasa_shifts], dtype=torch.float64))

    def forward(self, rul: Tensor) -> Tensor:
        """Return the shifts."""
        return _interpolate(rul.double(), self.knots, self.shifts)[0].float()


def _interpolate(at: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """np.interp as tensor operations, [row, batch] from values [row, knot].

    Constant beyond the outer knots, a step where two are one.
    """
    passed = (at.unsqueeze(1) >= knots).sum(dim=1)
    left, right = (passed - 1).clamp(min=0), passed.clamp(max=len(knots) - 1)
    gap = knots[right] - knots[left]
    # torch.where computes both branches: the inner one avoids 0 / 0
    share = torch.where(gap > 0, (at - knots[left]) / torch.where(gap > 0, gap, 1.0), 0.0)
    at_left = values[:, left]
    return at_left + share * (values[:, right] - at_left)


_MOST_DECIMALS = 6
"""Decimal places that are tried; the C-MAPSS files have at most 4."""


class GraphInputs(NamedTuple):
    """Inputs of the graph, for a batch of engines.

    Attributes:
        window: float32 [batch, window, 24], one engine or more, the latest rows, raw, in the order
            of the fleet's columns; a user's own fleet may have another number of them.
        cycle: int64 [batch], cycle number of the window's last row; for records with gaps or times
            (`data.gaps`, `data.unit`) float64 [batch, window], that of each row.
        valid_length: int64 [batch], number of valid rows. They are the last ones, of history and
            window together where there is a history; the rows before them are ignored.
        history: float32 [batch, any, 24], the rows right before the window; only for a model
            with smoothing, which depends on the whole record, or with `data.missing: hold`,
            which takes values from up to `data.max_hold` rows before.
    """

    window: Tensor
    cycle: Tensor
    valid_length: Tensor
    history: Tensor | None = None

    def named(self) -> dict[str, Tensor]:
        """Return the inputs by name, without the history where there is none."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    @property
    def length(self) -> int:
        """Rows of history and window together."""
        return self.window.shape[1] + (0 if self.history is None else self.history.shape[1])

    def with_value(self, row: int | slice, column: int, value: float) -> "GraphInputs":
        """Return a copy with one cell, or more, of the first engine replaced.

        Rows count those of the history, too.
        """
        parts = [part for part in (self.history, self.window) if part is not None]
        rows = torch.cat(parts, dim=1)
        rows[0, row, column] = value
        before = self.length - self.window.shape[1]
        changed = self._replace(window=rows[:, before:].contiguous())
        return changed._replace(history=rows[:, :before].contiguous()) if before else changed


class ExportGraph(nn.Module):
    """Preprocessing, network and postprocessing as one module.

        raw rows --> pad (repeat the first valid row) --> hold? --> scale per operating condition
                 --> smooth? --> cycle count? --> network --> clamp, softmax --> interval?
                 --> earlier estimate for the NASA score?

    Equals `Preprocessor`, `Windows` and `predict_fleet` on a record without gaps; computed in
    float64 up to the network, as there. Where those refuse a record, all outputs of its engine
    are NaN: a used cell of a valid row is NaN, infinite or above 1e30, no row is valid, or the
    network's own output is not finite. Whether the inputs are finite is decided before the
    network: a ReLU or a clamp of ONNX Runtime turns NaN into a number (*measured*: RUL 48
    instead of 60 where one sensor was NaN).

    Shapes:
        arguments: those of `GraphInputs`.
        returns: rul float32 [batch], cycles, clamped to [0, cap]; health float32
            [batch, class], probabilities; and for a model with intervals their lower and upper
            bound at the level nearest to 0.9, both float32 [batch], cycles.
    """

    used_columns: Tensor

    def __init__(self, model: TrainedModel, estimate: Estimate = "rmse") -> None:
        super().__init__()
        # before the trace, which would otherwise fix dropout and input noise in the graph
        self.network = model.network.eval()
        self.window = model.config.data.window
        self.cap = model.config.data.cap
        self.smoothing = model.preprocessor.smoothing
        self.cycle_count = model.preprocessor.cycle_count
        self.hold = model.config.data.max_hold if model.config.data.missing == "hold" else 0
        raw = model.config.data.raw_columns
        # several of an ensemble, each fitted on the engines that train one network
        scalings = [ScalingGraph(part, raw) for part in model.preprocessor.parts]
        self.scalings = nn.ModuleList(scalings)
        used = {column for scaling in scalings for column in scaling.used}
        self.register_buffer("used_columns", torch.tensor(sorted(used)))
        self.interval = IntervalGraph.of(model)
        self.shift = NasaShift(model.calibration) if estimate == "nasa" else None

    def forward(
        self, window: Tensor, cycle: Tensor, valid_length: Tensor, history: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """Return RUL, health probabilities, and the bounds of the interval if there is one."""
        rows = window if history is None else torch.cat((history, window), dim=1)
        length = rows.shape[1]
        position = torch.arange(length, device=rows.device)
        first = length - valid_length.clamp(min=1, max=length)
        # a gather, not a branch: the traced graph must take records of any length
        index = torch.maximum(position, first.unsqueeze(1))
        padded = rows.gather(1, index.unsqueeze(2).expand(-1, -1, rows.shape[2]))
        padded = self._hold_last(padded, position)
        values, parts = shortest_decimal(padded), list[Tensor]()
        for scaling in self.scalings:
            assert isinstance(scaling, ScalingGraph)
            features = scaling(values)
            if self.smoothing is not None:
                features = self._smoothing_weights(position, self.smoothing) @ features
            # after the smoothing, which has to see the rows before the window
            parts.append(features[:, -self.window :])
            if self.cycle_count:
                time = self._time(index, cycle, length)
                parts.append((time / scaling.cycle_unit).unsqueeze(2))
        features = torch.cat(parts, dim=2)
        # the last row is never padding, even without a valid row: attention needs one step
        padding = (self.window - valid_length).clamp(min=0, max=self.window - 1)
        raw_rul, health = self.network(features.float(), padding)
        rul = raw_rul.clamp(0, self.cap)
        bounds = () if self.interval is None else self.interval(rul)
        if self.shift is not None:  # after the interval, which surrounds the network's estimate
            rul = (rul + self.shift(rul)).clamp(min=0)
        # what stands before the window counts only where smoothing carries it on
        seen = padded if self.smoothing is not None else padded[:, -self.window :]
        measured = seen[:, :, self.used_columns].abs() <= MAX_VALUE  # false for NaN, too
        usable = measured.flatten(1).all(dim=1) & features.isfinite().flatten(1).all(dim=1)
        usable &= valid_length > 0
        usable &= raw_rul.isfinite() & health.isfinite().all(dim=1)
        nan = torch.full_like(rul, torch.nan)
        rul, *bounds = (torch.where(usable, value, nan) for value in (rul, *bounds))
        return rul, torch.where(usable.unsqueeze(1), health.softmax(dim=1), torch.nan), *bounds

    def _time(self, index: Tensor, cycle: Tensor, length: int) -> Tensor:
        """Cycle number, or time, of each row of the window: float64 [batch, window]."""
        back = length - 1 - index[:, -self.window :]
        if cycle.dim() == 1:
            return (cycle.unsqueeze(1) - back).double()
        return cycle.gather(1, self.window - 1 - back)

    def _hold_last(self, rows: Tensor, position: Tensor) -> Tensor:
        """Replace NaN in raw rows [batch, row, 24] by the last value, as `data.missing` does."""
        reach = 0
        while reach < self.hold:
            # each pass doubles the reach: a row `step` before holds what it took from before
            step = min(reach + 1, self.hold - reach)
            before = rows.index_select(1, (position - step).clamp(min=0))
            rows = torch.where(rows.isnan(), before, rows)
            reach += step
        return rows

    def _smoothing_weights(self, position: Tensor, newest: float) -> Tensor:
        """Exponential smoothing as a matrix [window, row], each row a sum over all rows so far.

        yₜ = Σₖ a·(1 − a)^(t−k)·xₖ, but (1 − a)^t for the very first row, k = 0.
        """
        ages = position[-self.window :].unsqueeze(1) - position
        powers = (1.0 - newest) ** ages.clamp(min=0).double()
        shares = torch.where(position > 0, newest, 1.0).double()
        return torch.where(ages >= 0, powers * shares, 0.0)


class ScalingGraph(nn.Module):
    """Scaling per operating condition; equals `Preprocessor.scale`.

    Shapes:
        rows: float64 [batch, row, 24], raw.
        returns: [batch, row, column], scaled.
    """

    feature_columns: Tensor
    condition_columns: Tensor
    powers_of_ten: Tensor
    condition_table: Tensor
    span: Tensor
    centre: Tensor
    factor: Tensor

    def __init__(self, preprocessor: Preprocessor, raw: Sequence[str]) -> None:
        super().__init__()
        scaler, conditions = preprocessor.scaler, preprocessor.conditions
        self.cycle_unit = preprocessor.cycle_unit
        # settings times these are whole numbers where `Conditions` rounds them
        self.rounds = conditions.decimals is not None
        decimals = conditions.decimals or [0.0] * len(preprocessor.keys)
        powers = 10.0 ** torch.tensor(decimals).double()
        table = torch.from_numpy(conditions.table) * powers
        span = table.amax(0) - table.amin(0)
        features = torch.tensor([raw.index(column) for column in preprocessor.columns])
        keys = torch.tensor([raw.index(key) for key in preprocessor.keys]).long()
        # a single condition is not looked up, so its columns may hold anything
        self.used = {*features.tolist(), *(keys.tolist() if len(table) > 1 else ())}
        self.register_buffer("feature_columns", features)
        self.register_buffer("condition_columns", keys)
        self.register_buffer("powers_of_ten", powers)
        self.register_buffer("condition_table", table.round() if self.rounds else table)
        self.register_buffer("span", torch.where(span > 0, span, 1.0))
        self.register_buffer("centre", torch.from_numpy(scaler.centre))
        self.register_buffer("factor", torch.from_numpy(scaler.factor))

    def forward(self, rows: Tensor) -> Tensor:
        """Scale raw rows [batch, row, 24] per operating condition to [batch, row, column]."""
        values = rows[:, :, self.feature_columns]
        if len(self.condition_table) == 1:
            return (values - self.centre[0]) * self.factor[0]
        keys = rows[:, :, self.condition_columns] * self.powers_of_ten
        keys = (keys.round() if self.rounds else keys).unsqueeze(2)
        # an unknown condition is scaled as the nearest one, as in `Conditions`
        distance = ((keys - self.condition_table) / self.span).square().sum(dim=3)
        condition = distance.float().argmin(dim=2)
        return (values - self.centre[condition]) * self.factor[condition]


def shortest_decimal(raw: Tensor) -> Tensor:
    """Convert float32 values to the float64 of the shortest decimal that rounds to them.

    The standard deviation of shaft speeds such as 2388.06 is 0.07 in FD001, so that rounding to
    float32 alone moves a prediction by some hundredths of a cycle (measured). A decimal that
    rounds to the very same float32 is never further off than the float32 itself, and for sensors
    that are written with few digits it is exact. Without such a decimal the value stays.

    >>> shortest_decimal(torch.tensor([2388.06, 1 / 3])).tolist()
    [2388.06, 0.3333333432674408]
    """
    value = raw.double()
    found = value
    # from many places to few, so that the last match is the shortest decimal
    for places in range(_MOST_DECIMALS, -1, -1):
        decimal = (value * 10.0**places).round() / 10.0**places
        found = torch.where(decimal.float() == raw, decimal, found)
    return found


def graph_inputs(model: TrainedModel, fleet: Fleet, rows: NDArray[np.int64]) -> GraphInputs:
    """Cut the graph's inputs out of whole records, one window up to each of the rows [batch].

    Rows that the graph must ignore are NaN: if it did not, its outputs would be NaN.
    """
    length = model.config.data.window
    starts = np.repeat(fleet.record_starts, fleet.record_lengths)
    data, available = model.config.data, rows - starts[rows] + 1
    before, held = int(available.max()) - length, data.missing == "hold"
    if model.preprocessor.smoothing is None:
        before = min(before, data.max_hold) if held else 0
    has_history = held or model.preprocessor.smoothing is not None
    # at least one row: the graph was traced with a history of any length from 1 on
    before = max(before, int(has_history))
    values = np.full((len(rows), before + length, len(fleet.columns)), np.nan, dtype=np.float32)
    valid = np.minimum(available, before + length)
    for target, row, count in zip(values, rows, valid, strict=True):
        target[-count:] = fleet.values[row + 1 - count : row + 1]
    cycle = fleet.cycle[rows]
    if not data.consecutive:
        back = np.minimum(np.arange(length - 1, -1, -1), available[:, None] - 1)
        cycle = fleet.cycle[rows[:, None] - back].astype(np.float64)
    both = torch.from_numpy(values)
    return GraphInputs(
        window=both[:, before:].contiguous(),
        cycle=torch.from_numpy(cycle),
        valid_length=torch.from_numpy(valid),
        history=both[:, :before].contiguous() if has_history else None,
    )
