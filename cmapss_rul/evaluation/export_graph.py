"""Exported graph: preprocessing, network, interval and point estimate as one torch module."""

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
    """Bounds of the interval, both [batch], cycles; equals `Calibration.bounds`."""

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
        """Build the interval of a model at the level nearest to 0.9; None without intervals."""
        level = interval_level(model)
        if level is None or model.calibration is None:
            return None
        return cls(model.calibration, level, model.config.data.cap)

    def forward(self, rul: Tensor) -> tuple[Tensor, Tensor]:
        """Return the lower and the upper bound."""
        rul = rul.double()
        late, early = _interpolate(rul, self.knots, self.scales)
        bound = self.quantiles  # a single one without bands
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
    """np.interp in tensor operations, from values [row, knot] to [row, batch].

    Constant beyond the outer knots; two knots at the same place make a step.
    """
    passed = (at.unsqueeze(1) >= knots).sum(dim=1)
    left, right = (passed - 1).clamp(min=0), passed.clamp(max=len(knots) - 1)
    gap = knots[right] - knots[left]
    # torch.where evaluates both branches: the inner one avoids 0/0
    share = torch.where(gap > 0, (at - knots[left]) / torch.where(gap > 0, gap, 1.0), 0.0)
    at_left = values[:, left]
    return at_left + share * (values[:, right] - at_left)


_MOST_DECIMALS = 6
"""Maximum number of decimal places to try; the C-MAPSS files have at most 4."""


class GraphInputs(NamedTuple):
    """Inputs of the graph, for a batch of engines.

    Attributes:
        window: float32 [batch, window, column], raw latest rows, in the order of the fleet's
            columns (24 for C-MAPSS).
        cycle: int64 [batch], cycle of the window's last row; for records with gaps or times
            (`data.gaps`, `data.unit`) float64 [batch, window], the cycle of each row.
        valid_length: int64 [batch], number of valid rows, which are the last ones of history and
            window together; earlier rows are ignored.
        history: float32 [batch, any, column], rows directly before the window; only for a model
            with smoothing, which depends on the whole record, or with `data.missing: hold`,
            which uses values from up to `data.max_hold` rows before.
    """

    window: Tensor
    cycle: Tensor
    valid_length: Tensor
    history: Tensor | None = None

    def named(self) -> dict[str, Tensor]:
        """Return the inputs by name, without a missing history."""
        return {name: value for name, value in self._asdict().items() if value is not None}

    @property
    def length(self) -> int:
        """Number of rows of history and window together."""
        return self.window.shape[1] + (0 if self.history is None else self.history.shape[1])

    def with_value(self, row: int | slice, column: int, value: float) -> "GraphInputs":
        """Return a copy with one or more cells of the first engine replaced.

        `row` counts from the first row of the history.
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

    Equals `Preprocessor`, `Windows` and `predict_fleet` on a record without gaps, in float64 up to
    the network as there. All outputs of an engine are NaN if those would refuse its record: an
    input cell of a valid row is NaN, infinite or above 1e30, no row is valid, or the network's
    output is not finite. The inputs are checked before the network, because ReLU and clamp of
    ONNX Runtime turn NaN into a number (*measured*: RUL 48 instead of 60 with a sensor at NaN).

    Shapes:
        arguments: those of `GraphInputs`.
        returns: rul float32 [batch], cycles, clamped to [0, cap]; health float32
            [batch, class], probabilities; and for a model with intervals their lower and upper
            bound at the level nearest to 0.9, both float32 [batch], cycles.
    """

    used_columns: Tensor

    def __init__(self, model: TrainedModel, estimate: Estimate = "rmse") -> None:
        super().__init__()
        # evaluation mode before tracing, or dropout and input noise would be part of the graph
        self.network = model.network.eval()
        self.window = model.config.data.window
        self.cap = model.config.data.cap
        self.smoothing = model.preprocessor.smoothing
        self.cycle_count = model.preprocessor.cycle_count
        self.hold = model.config.data.max_hold if model.config.data.missing == "hold" else 0
        raw = model.config.data.raw_columns
        # one per network, each fitted on the network's training engines
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
        # gather instead of branches, so that the traced graph accepts records of any length
        index = torch.maximum(position, first.unsqueeze(1))
        padded = rows.gather(1, index.unsqueeze(2).expand(-1, -1, rows.shape[2]))
        padded = self._hold_last(padded, position)
        values, parts = shortest_decimal(padded), list[Tensor]()
        for scaling in self.scalings:
            assert isinstance(scaling, ScalingGraph)
            features = scaling(values)
            if self.smoothing is not None:
                features = self._smoothing_weights(position, self.smoothing) @ features
            # cut after smoothing, which needs the rows before the window
            parts.append(features[:, -self.window :])
            if self.cycle_count:
                time = self._time(index, cycle, length)
                parts.append((time / scaling.cycle_unit).unsqueeze(2))
        features = torch.cat(parts, dim=2)
        # the last row is never padding, even without a valid row, since attention needs one step
        padding = (self.window - valid_length).clamp(min=0, max=self.window - 1)
        raw_rul, health = self.network(features.float(), padding)
        rul = raw_rul.clamp(0, self.cap)
        bounds = () if self.interval is None else self.interval(rul)
        if self.shift is not None:  # after the interval, which is around the network's estimate
            rul = (rul + self.shift(rul)).clamp(min=0)
        # the history matters only with smoothing
        seen = padded if self.smoothing is not None else padded[:, -self.window :]
        measured = seen[:, :, self.used_columns].abs() <= MAX_VALUE  # false for NaN, too
        usable = measured.flatten(1).all(dim=1) & features.isfinite().flatten(1).all(dim=1)
        usable &= valid_length > 0
        usable &= raw_rul.isfinite() & health.isfinite().all(dim=1)
        nan = torch.full_like(rul, torch.nan)
        rul, *bounds = (torch.where(usable, value, nan) for value in (rul, *bounds))
        return rul, torch.where(usable.unsqueeze(1), health.softmax(dim=1), torch.nan), *bounds

    def _time(self, index: Tensor, cycle: Tensor, length: int) -> Tensor:
        """Return the cycle, or time, of each row of the window, float64 [batch, window]."""
        back = length - 1 - index[:, -self.window :]
        if cycle.dim() == 1:
            return (cycle.unsqueeze(1) - back).double()
        return cycle.gather(1, self.window - 1 - back)

    def _hold_last(self, rows: Tensor, position: Tensor) -> Tensor:
        """Replace NaN in raw rows [batch, row, column] with the last value; see `data.missing`."""
        reach = 0
        while reach < self.hold:
            # each pass about doubles the reach, since the row `step` before is already filled
            step = min(reach + 1, self.hold - reach)
            before = rows.index_select(1, (position - step).clamp(min=0))
            rows = torch.where(rows.isnan(), before, rows)
            reach += step
        return rows

    def _smoothing_weights(self, position: Tensor, newest: float) -> Tensor:
        """Return exponential smoothing as a matrix [window, row].

        yₜ = Σₖ a·(1 − a)^(t−k)·xₖ, but with the weight (1 − a)^t for the first row, k = 0.
        """
        ages = position[-self.window :].unsqueeze(1) - position
        powers = (1.0 - newest) ** ages.clamp(min=0).double()
        shares = torch.where(position > 0, newest, 1.0).double()
        return torch.where(ages >= 0, powers * shares, 0.0)


class ScalingGraph(nn.Module):
    """Scaling per operating condition; equals `Preprocessor.scale`.

    Shapes:
        rows: float64 [batch, row, column], raw.
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
        # with `rounds`, keys times these powers are rounded to integers, as in `Conditions`
        self.rounds = conditions.decimals is not None
        decimals = conditions.decimals or [0.0] * len(preprocessor.keys)
        powers = 10.0 ** torch.tensor(decimals).double()
        table = torch.from_numpy(conditions.table) * powers
        span = table.amax(0) - table.amin(0)
        features = torch.tensor([raw.index(column) for column in preprocessor.columns])
        keys = torch.tensor([raw.index(key) for key in preprocessor.keys]).long()
        # with a single condition the keys are not used, so their cells may be invalid
        self.used = {*features.tolist(), *(keys.tolist() if len(table) > 1 else ())}
        self.register_buffer("feature_columns", features)
        self.register_buffer("condition_columns", keys)
        self.register_buffer("powers_of_ten", powers)
        self.register_buffer("condition_table", table.round() if self.rounds else table)
        self.register_buffer("span", torch.where(span > 0, span, 1.0))
        self.register_buffer("centre", torch.from_numpy(scaler.centre))
        self.register_buffer("factor", torch.from_numpy(scaler.factor))

    def forward(self, rows: Tensor) -> Tensor:
        """Scale raw rows per operating condition."""
        values = rows[:, :, self.feature_columns]
        if len(self.condition_table) == 1:
            return (values - self.centre[0]) * self.factor[0]
        keys = rows[:, :, self.condition_columns] * self.powers_of_ten
        keys = (keys.round() if self.rounds else keys).unsqueeze(2)
        # an unknown condition is assigned to the nearest one, as in `Conditions`
        distance = ((keys - self.condition_table) / self.span).square().sum(dim=3)
        condition = distance.float().argmin(dim=2)
        return (values - self.centre[condition]) * self.factor[condition]


def shortest_decimal(raw: Tensor) -> Tensor:
    """Convert float32 values to the float64 values of the shortest decimals that round to them.

    The standard deviation of shaft speeds such as 2388.06 is 0.07 in FD001, so that rounding to
    float32 changes a prediction by some hundredths of a cycle (*measured*). This restores values
    written with few digits exactly. Values without such a decimal are unchanged.

    >>> shortest_decimal(torch.tensor([2388.06, 1 / 3])).tolist()
    [2388.06, 0.3333333432674408]
    """
    value = raw.double()
    found = value
    # from many to few decimal places, so that the last match is the shortest
    for places in range(_MOST_DECIMALS, -1, -1):
        decimal = (value * 10.0**places).round() / 10.0**places
        found = torch.where(decimal.float() == raw, decimal, found)
    return found


def graph_inputs(model: TrainedModel, fleet: Fleet, rows: NDArray[np.int64]) -> GraphInputs:
    """Return the graph's inputs for the windows that end at the rows [batch].

    Rows that the graph must ignore are NaN, so that its outputs would be NaN otherwise.
    """
    length = model.config.data.window
    starts = np.repeat(fleet.record_starts, fleet.record_lengths)
    data, available = model.config.data, rows - starts[rows] + 1
    before, held = int(available.max()) - length, data.missing == "hold"
    if model.preprocessor.smoothing is None:
        before = min(before, data.max_hold) if held else 0
    has_history = held or model.preprocessor.smoothing is not None
    # at least one row, since the graph was traced with a history length of at least 1
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
