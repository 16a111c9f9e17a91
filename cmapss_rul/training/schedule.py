"""The learning rate: a linear warm-up, then one of three schedules.

A schedule is a function of the step, of the number of steps, and of the validation RMSE; it is
a factor of `train.learning_rate`. It acts on the network's optimiser only: a balancer that learns
has a constant rate of its own.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import Field

from cmapss_rul.config.base import Config


class Schedule:
    """Constant rate; base class.

    Attributes:
        depends_on_length: whether the total number of epochs changes the rate of earlier steps.
    """

    depends_on_length = False

    def factor(self, progress: float) -> float:
        """Factor of the peak learning rate.

        Args:
            progress: share of the steps after the warm-up that are done, 0 to 1.
        """
        del progress
        return 1.0

    def epoch_end(self, val_rmse: float) -> None:
        """Update the state by the validation RMSE of an epoch."""

    def state_dict(self) -> dict[str, Any]:
        """State as plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` returned."""


class Cosine(Schedule):
    """Half a cosine from 1 down to `final`, which the step after the last would have.

    The factor depends on the share of steps done, so training on after the last epoch gives
    another run than the longer one from the start: `depends_on_length`.
    """

    depends_on_length = True

    def __init__(self, config: "CosineConfig") -> None:
        self.final = config.final

    def factor(self, progress: float) -> float:
        """Factor: final + (1 − final)·(1 + cos(π·progress))/2."""
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * progress)) / 2


class Plateau(Schedule):
    """Multiply by `decay` whenever validation has not improved for more than `patience` epochs.

    The rule of PyTorch's ReduceLROnPlateau with threshold 0, but as a factor, so that it can be
    combined with a warm-up; `floor` is a share of the peak rate.
    """

    def __init__(self, config: "PlateauConfig") -> None:
        self.config = config
        self.current = 1.0
        self.best = math.inf
        self.stale = 0

    def factor(self, progress: float) -> float:
        """Factor reached so far."""
        del progress
        return self.current

    def epoch_end(self, val_rmse: float) -> None:
        """Count epochs without a better validation RMSE."""
        # a NaN is never below, so it counts as an epoch without improvement
        if val_rmse < self.best:
            self.best = val_rmse
            self.stale = 0
        else:
            self.stale += 1
        if self.stale > self.config.patience:
            self.current = max(self.current * self.config.decay, self.config.floor)
            self.stale = 0

    def state_dict(self) -> dict[str, Any]:
        """State as plain values."""
        return {"current": self.current, "best": self.best, "stale": self.stale}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` returned."""
        # converted: a checkpoint from another source may hold any type
        self.current = float(state["current"])
        self.best = float(state["best"])
        self.stale = int(state["stale"])


class ConstantConfig(Config):
    """No change after the warm-up."""

    name: Literal["constant"] = "constant"

    def build(self) -> Schedule:
        """Build the schedule."""
        return Schedule()


class CosineConfig(Config):
    """Half a cosine down to a share of the peak rate."""

    name: Literal["cosine"] = "cosine"
    final: float = Field(0.0, ge=0, le=1, description="Share of the peak rate at the end.")

    def build(self) -> Schedule:
        """Build the schedule."""
        return Cosine(self)


class PlateauConfig(Config):
    """A cut of the rate whenever validation stalls."""

    name: Literal["plateau"] = "plateau"
    # defaults from the paper (AMNL): 0.5, 30 epochs, and 5e-6 of a peak of 1e-3
    decay: float = Field(0.5, gt=0, lt=1, description="Factor of the rate at a stall.")
    patience: int = Field(30, ge=0, description="Epochs without a better RMSE before a cut.")
    floor: float = Field(0.005, ge=0, le=1, description="Least share of the peak rate.")

    def build(self) -> Schedule:
        """Build the schedule."""
        return Plateau(self)


ScheduleConfig = Annotated[
    ConstantConfig | CosineConfig | PlateauConfig, Field(discriminator="name")
]


def warmup_factor(step: int, warmup_steps: int) -> float:
    """Linear increase to 1 over the first steps.

    >>> [warmup_factor(step, 4) for step in (0, 1, 3, 4)]
    [0.25, 0.5, 1.0, 1.0]
    """
    # step + 1: a first step at a rate of 0 would be wasted
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
