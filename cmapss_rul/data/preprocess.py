"""Preprocessing from raw rows to the network's features, fitted on training engines only.

raw rows → operating condition → scaled columns → smoothing → cycle count appended
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cmapss_rul.data.conditions import Conditions
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fleet import Fleet, row_blocks
from cmapss_rul.data.reference import STUCK, Reference, run_lengths

CYCLE_UNIT = 200
"""Divisor of the cycle count: about the mean life of an engine (*measured*: 206 in FD001).

Times in another unit are divided by the mean life of the training engines.
"""


@dataclass(frozen=True, eq=False)
class Scaler:
    """Standardisation per operating condition, fitted on training engines.

    scaled = (raw − centre) · factor, with centre and factor of the row's condition. With six
    conditions, most of a sensor's variance is between conditions, and would mask degradation.
    Settings have the same centre and factor in each condition: since they define the
    conditions, scaling per condition would leave only their jitter.

    Attributes:
        centre: [condition, column], mean, raw units.
        factor: [condition, column], 1 / standard deviation; 0 for a constant column.
        low: [condition, column], minimum of the raw training values.
        high: [condition, column], maximum of the raw training values.
    """

    centre: NDArray[np.float64]
    factor: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        values: NDArray[np.float64],
        condition: NDArray[np.int64],
        conditions: int,
        is_setting: NDArray[np.bool_],
    ) -> "Scaler":
        """Fit on the rows of the training engines.

        Args:
            values: [row, column], raw.
            condition: [row], index of each row's operating condition.
            conditions: number of conditions; each occurs in the rows.
            is_setting: [column], whether to scale the column over all conditions at once.
        """
        # *measured* on FD002: 99.2 % of the variance of the sensors is between conditions
        statistics = _statistics(values, [condition == index for index in range(conditions)])
        if is_setting.any():
            overall = _statistics(values, [np.ones(len(values), dtype=np.bool_)])
            for per_condition, of_all in zip(statistics, overall, strict=True):
                per_condition[:, is_setting] = of_all[:, is_setting]
        return cls(*statistics)

    def transform(
        self, values: NDArray[np.float64], condition: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Scale raw values [row, column] by the condition [row] of each row."""
        # in double precision: a shaft speed near 9000 that varies by 5 loses digits in float32
        scaled = values - self.centre.take(condition, axis=0)
        scaled *= self.factor.take(condition, axis=0)
        return scaled.astype(np.float32)

    def out_of_range(
        self, values: NDArray[np.float64], condition: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return [row, column], whether a raw value is outside the range of the training values."""
        return np.asarray((values < self.low[condition]) | (values > self.high[condition]))


def _statistics(
    values: NDArray[np.float64], groups: Sequence[NDArray[np.bool_]]
) -> tuple[NDArray[np.float64], ...]:
    """Compute centre, factor, minimum and maximum, [group, column] each, of groups of rows."""
    shape = len(groups), values.shape[1]
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    total, squares = np.zeros(shape), np.zeros(shape)
    for index, rows in _group_blocks(values, groups):
        low[index] = np.minimum(low[index], rows.min(axis=0))
        high[index] = np.maximum(high[index], rows.max(axis=0))
        total[index] = _add_rows(total[index], rows)
    counts = np.array([[np.count_nonzero(group)] for group in groups])
    centre = total / counts
    # two passes: E[x²] − E[x]² suffers from cancellation if a sensor hardly varies
    for index, rows in _group_blocks(values, groups):
        squares[index] = _add_rows(squares[index], (rows - centre[index]) ** 2)
    # a constant column is recognised by its range: its standard deviation may be a rounding
    # error instead of 0 (*measured*: 5e-15 for sensor 5 of FD001), and dividing by it would
    # amplify noise
    constant = high == low
    deviation = np.where(constant, 1.0, np.sqrt(squares / counts))
    return centre, np.where(constant, 0.0, 1.0 / deviation), low, high


def _group_blocks(
    values: NDArray[np.float64], groups: Sequence[NDArray[np.bool_]]
) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield index and rows of each group, [row, column], block by block."""
    for block in row_blocks(len(values)):
        for index, group in enumerate(groups):
            rows = values[block].compress(group[block], axis=0)
            if len(rows):
                yield index, rows


def _add_rows(total: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add rows sequentially, so that the sum does not depend on the block size."""
    return np.asarray(np.concatenate([total[None], rows]).sum(axis=0))


@dataclass(frozen=True, eq=False)
class Preprocessor:
    """Converts raw rows to features: scaling per operating condition, smoothing, cycle count.

    Attributes:
        columns: names of the input settings and sensors.
        cycle_count: whether the cycle count is appended as the last feature.
        smoothing: weight of the newest row in exponential smoothing; None for no smoothing.
        keys: names of the columns that define the operating conditions.
        cycle_unit: divisor of the cycle count.
        reference: distribution of the training rows; None in older checkpoints.
    """

    columns: tuple[str, ...]
    cycle_count: bool
    smoothing: float | None
    keys: tuple[str, ...]
    conditions: Conditions
    scaler: Scaler
    cycle_unit: float = CYCLE_UNIT
    reference: Reference | None = None

    @classmethod
    def fit(
        cls, fleet: Fleet, config: DataConfig, engines: NDArray[np.int64] | None = None
    ) -> "Preprocessor":
        """Fit conditions, scaler and reference distribution.

        Args:
            fleet: the records.
            config: input columns and options.
            engines: [engine], numbers of the training engines; all engines by default.
        """
        rows = slice(None) if engines is None else np.isin(fleet.engine, engines)
        keys = fleet.column_values(config.condition_keys, rows)
        # conditions of the training engines only: others are unknown, as they are in production
        conditions = Conditions.fit(keys, config.condition_decimals)
        values, condition = fleet.column_values(config.columns, rows), conditions.assign(keys)
        is_setting = np.array([name in config.setting_names for name in config.columns])
        scaler = Scaler.fit(values, condition, len(conditions.table), is_setting=is_setting)
        other = config.columns, config.cycle_count, config.smoothing, config.condition_keys
        cycle, engine = fleet.cycle[rows], fleet.engine[rows]
        reference = Reference.fit(values, condition, cycle, engine, is_setting, scaler.transform)
        if config.counts_cycles:
            return cls(*other, conditions, scaler, reference=reference)
        # mean life of training engines only, as for all other statistics
        trains = slice(None) if engines is None else np.isin(fleet.engines, engines)
        life = float(fleet.cycle[fleet.last_rows[trains]].mean())
        return cls(*other, conditions, scaler, life, reference)

    @property
    def parts(self) -> tuple["Preprocessor", ...]:
        """The preprocessors whose features `transform` concatenates: only itself."""
        return (self,)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        return (*self.columns, "cycle_count") if self.cycle_count else self.columns

    def scale(self, fleet: Fleet) -> NDArray[np.float32]:
        """Return the scaled columns [row, column], without smoothing and cycle count."""
        return self.scaler.transform(fleet.column_values(self.columns), self.condition(fleet))

    def transform(self, fleet: Fleet) -> NDArray[np.float32]:
        """Convert raw rows to features.

        Args:
            fleet: records, each from its first row on, since smoothing needs the history.

        Returns:
            features: [row, feature].
        """
        features = np.empty((fleet.rows, len(self.features)), np.float32)
        scaled = features[:, : len(self.columns)]
        for block in row_blocks(fleet.rows):  # bounds the memory of the double-precision arrays
            condition = self.conditions.assign(fleet.column_values(self.keys, block))
            raw = fleet.column_values(self.columns, block)
            scaled[block] = self.scaler.transform(raw, condition)
            if self.cycle_count:
                features[block, -1] = fleet.cycle[block] / self.cycle_unit
        if self.smoothing is not None:
            # smooth after scaling: raw values jump with the operating condition
            _smooth(scaled, fleet, self.smoothing)
        return features

    def condition(self, fleet: Fleet) -> NDArray[np.int64]:
        """Return the index of each row's operating condition, [row]; the nearest if unknown."""
        return self.conditions.assign(fleet.column_values(self.keys))

    def unknown_condition(self, fleet: Fleet) -> NDArray[np.bool_]:
        """Return [row], whether the row's operating condition did not occur in training."""
        return self.conditions.is_unknown(fleet.column_values(self.keys))

    def out_of_range(self, fleet: Fleet) -> NDArray[np.bool_]:
        """Return [row, column], whether a raw value is outside the range of the training engines.

        The range is per operating condition; for settings, over all rows.
        """
        return self.scaler.out_of_range(fleet.column_values(self.columns), self.condition(fleet))

    def stuck(self, fleet: Fleet, rows: NDArray[np.int64]) -> NDArray[np.bool_] | None:
        """Return [row, column], whether a sensor is stuck: unchanged for long up to these rows.

        That is more than `STUCK` times the longest run of equal values in training. None for an
        older checkpoint, which has no such runs. Columns that were constant in training, which do
        not influence predictions, are never stuck.
        """
        if self.reference is None or self.reference.longest_runs is None:
            return None
        columns = [fleet.columns.index(name) for name in self.columns]
        runs = [run_lengths(fleet.values[:, column], fleet.engine)[rows] for column in columns]
        varied = (self.scaler.factor > 0).any(axis=0)
        return np.asarray(varied & (np.column_stack(runs) > STUCK * self.reference.longest_runs))

    def state_dict(self) -> dict[str, Any]:
        """Return all parameters as plain values and tensors, for a checkpoint."""
        return {
            "columns": list(self.columns),
            "cycle_count": self.cycle_count,
            "smoothing": self.smoothing,
            "cycle_unit": self.cycle_unit,
            "conditions": torch.from_numpy(self.conditions.table),
            "centre": torch.from_numpy(self.scaler.centre),
            "factor": torch.from_numpy(self.scaler.factor),
            "low": torch.from_numpy(self.scaler.low),
            "high": torch.from_numpy(self.scaler.high),
            "reference": self.reference and self.reference.state_dict(),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], config: DataConfig) -> "Preprocessor":
        """Restore a preprocessor from its `state_dict` and the configuration of the run."""
        # decimals and keys are options, so they are in the configuration, not in the state
        conditions = Conditions(state["conditions"].numpy(), config.condition_decimals)
        reference = state.get("reference")  # absent from older checkpoints, as is the cycle unit
        if reference is not None:
            shape = len(conditions.table), len(state["columns"])
            reference = Reference.from_state(reference, *shape)
        return cls(
            columns=tuple(state["columns"]),
            cycle_count=state["cycle_count"],
            smoothing=state["smoothing"],
            keys=config.condition_keys,
            conditions=conditions,
            cycle_unit=state.get("cycle_unit", CYCLE_UNIT),
            reference=reference,
            scaler=Scaler(*(state[key].numpy() for key in ("centre", "factor", "low", "high"))),
        )


@dataclass(frozen=True, eq=False)
class EnsemblePreprocessor(Preprocessor):
    """The preprocessors of an ensemble, one per network, fitted on its training engines.

    Everything but `transform` is that of a preprocessor fitted on all engines, since each engine
    trains all networks but one.

    Attributes:
        members: the preprocessor of each network.
    """

    members: tuple[Preprocessor, ...] = ()

    @classmethod
    def of(cls, whole: Preprocessor, members: Sequence[Preprocessor]) -> "EnsemblePreprocessor":
        """Combine the networks' preprocessors with the one fitted on all engines."""
        return cls(**vars(whole), members=tuple(members))

    @property
    def parts(self) -> tuple[Preprocessor, ...]:
        """The preprocessors of the networks."""
        return self.members

    def transform(self, fleet: Fleet) -> NDArray[np.float32]:
        """Convert raw rows to the concatenated features of all networks, [row, member · feature].

        Shared features would use statistics of the engines that validate some of the networks.
        """
        return np.concatenate([member.transform(fleet) for member in self.members], axis=1)


def _smooth(features: NDArray[np.float32], fleet: Fleet, weight: float) -> None:
    """Smooth in place, yₜ = weight·xₜ + (1 − weight)·yₜ₋₁ with y₁ = x₁, vectorised over records.

    Done before windowing, so that a window also carries the history before it.
    """
    starts, lengths = fleet.record_starts, fleet.record_lengths
    for step in range(1, int(lengths.max())):
        # one vectorised step per cycle, for all records that are long enough
        rows = starts[lengths > step] + step
        features[rows] += (1 - weight) * (features[rows - 1] - features[rows])
