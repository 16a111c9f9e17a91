"""From raw rows to the network's features, with statistics of training engines only."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cmapss_rul.data.conditions import Conditions
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fleet import Fleet, row_blocks
from cmapss_rul.data.scaling import Scaler

CYCLE_UNIT = 200
"""The cycle count is divided by this, about the mean life of an engine."""


@dataclass(frozen=True, eq=False)
class Preprocessor:
    """Scaling per operating condition, smoothing, and the cycle count.

    Attributes:
        columns: names of the settings and sensors used.
        cycle_count: whether the cycle count is a feature too (the last one).
        smoothing: weight of the newest row in exponential smoothing, or None.
        keys: names of the columns that tell the operating conditions apart.
        conditions: the operating conditions of the training engines.
        scaler: fitted on the training engines.
    """

    columns: tuple[str, ...]
    cycle_count: bool
    smoothing: float | None
    keys: tuple[str, ...]
    conditions: Conditions
    scaler: Scaler

    @classmethod
    def fit(
        cls, fleet: Fleet, config: DataConfig, engines: NDArray[np.int64] | None = None
    ) -> "Preprocessor":
        """Fit conditions and scaler.

        Args:
            fleet: the records.
            config: which columns, and what else the network sees.
            engines: [engine], the training engines; of others nothing is seen. All by default.
        """
        rows = slice(None) if engines is None else np.isin(fleet.engine, engines)
        keys = fleet.pick(config.condition_keys, rows)
        conditions = Conditions.fit(keys, config.condition_decimals)
        is_setting = np.array([name in config.setting_names for name in config.columns])
        scaler = Scaler.fit(
            fleet.pick(config.columns, rows),
            conditions.assign(keys),
            len(conditions.table),
            is_setting,
        )
        return cls(
            config.columns,
            config.cycle_count,
            config.smoothing,
            config.condition_keys,
            conditions,
            scaler,
        )

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features in their order."""
        return (*self.columns, "cycle_count") if self.cycle_count else self.columns

    def transform(self, fleet: Fleet) -> NDArray[np.float32]:
        """Turn raw rows into features.

        Args:
            fleet: whole records, each from its first row on.

        Returns:
            features: [row, feature].
        """
        features = np.empty((fleet.rows, len(self.features)), np.float32)
        scaled = features[:, : len(self.columns)]
        for block in row_blocks(fleet.rows):  # what is in double precision stays small
            condition = self.conditions.assign(fleet.pick(self.keys, block))
            scaled[block] = self.scaler.transform(fleet.pick(self.columns, block), condition)
            if self.cycle_count:
                features[block, -1] = fleet.cycle[block] / CYCLE_UNIT
        if self.smoothing is not None:
            _smooth(scaled, fleet, self.smoothing)
        return features

    def condition(self, fleet: Fleet) -> NDArray[np.int64]:
        """[row], index of each row's operating condition, the nearest one for an unknown one."""
        return self.conditions.assign(fleet.pick(self.keys))

    def unknown_condition(self, fleet: Fleet) -> NDArray[np.bool_]:
        """[row], whether the row's operating condition never occurred in training."""
        return self.conditions.unknown(fleet.pick(self.keys))

    def beyond_training(self, fleet: Fleet) -> NDArray[np.bool_]:
        """[row, column], whether a raw value lies outside the range of the training engines.

        The range is that of the row's operating condition, or of all rows for a setting.
        """
        condition = self.condition(fleet)
        return self.scaler.beyond(fleet.pick(self.columns), condition)

    def state_dict(self) -> dict[str, Any]:
        """Everything as plain values and tensors, for a checkpoint."""
        return {
            "columns": list(self.columns),
            "cycle_count": self.cycle_count,
            "smoothing": self.smoothing,
            "conditions": torch.from_numpy(self.conditions.table),
            "centre": torch.from_numpy(self.scaler.centre),
            "factor": torch.from_numpy(self.scaler.factor),
            "low": torch.from_numpy(self.scaler.low),
            "high": torch.from_numpy(self.scaler.high),
        }

    @classmethod
    def from_state(cls, state: dict[str, Any], config: DataConfig) -> "Preprocessor":
        """The inverse of `state_dict`.

        Args:
            state: what it gave.
            config: that it was fitted with, which says how conditions are told.
        """
        return cls(
            columns=tuple(state["columns"]),
            cycle_count=state["cycle_count"],
            smoothing=state["smoothing"],
            keys=config.condition_keys,
            conditions=Conditions(state["conditions"].numpy(), config.condition_decimals),
            scaler=Scaler(*(state[key].numpy() for key in ("centre", "factor", "low", "high"))),
        )


def _smooth(features: NDArray[np.float32], fleet: Fleet, weight: float) -> None:
    """Smooth in place: yₜ = weight·xₜ + (1 − weight)·yₜ₋₁, y₁ = x₁, all engines at a time."""
    for step in range(1, int(fleet.lengths.max())):
        rows = fleet.starts[fleet.lengths > step] + step
        features[rows] += (1 - weight) * (features[rows - 1] - features[rows])
