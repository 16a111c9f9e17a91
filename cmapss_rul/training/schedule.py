"""Learning rate schedules: a linear warm-up, then constant, cosine or plateau.

A schedule is a factor of `train.learning_rate`, as a function of the progress and the validation
RMSE. It applies to the network's optimiser only: balancers with parameters have a constant rate.
"""

import math
from typing import Annotated, Any, Literal

from pydantic import Field

from cmapss_rul.config.base import Config


class Schedule:
    """Constant learning rate; base class of the schedules.

    Attributes:
        depends_on_length: whether the rate of a step depends on the total number of epochs.
    """

    depends_on_length = False

    def factor(self, progress: float) -> float:
        """Return the factor of the peak learning rate.

        Args:
            progress: share of the steps after the warm-up that are finished, 0 to 1.
        """
        del progress
        return 1.0

    def epoch_end(self, val_rmse: float) -> None:
        """Update the state with the validation RMSE of an epoch."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain values."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` returned."""


class Cosine(Schedule):
    """Cosine annealing from 1 to `final`, which would be reached in the step after the last.

    Since the factor depends on the total number of steps, a finished run that is trained further
    differs from a run that was longer from the start.
    """

    depends_on_length = True

    def __init__(self, config: "CosineConfig") -> None:
        self.final = config.final

    def factor(self, progress: float) -> float:
        """Return final + (1 − final)·(1 + cos(π·progress))/2."""
        # a function of progress only, so a resumed run needs no state for it
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * progress)) / 2


class Plateau(Schedule):
    """Reduce on plateau: multiply by `decay` after more than `patience` epochs without improvement.

    The rule of PyTorch's ReduceLROnPlateau with threshold 0, but as a factor, so that it can be
    combined with a warm-up; `floor` is a share of the peak rate.
    """

    def __init__(self, config: "PlateauConfig") -> None:
        self.config = config
        self.current = 1.0
        self.best = math.inf
        self.stale = 0

    def factor(self, progress: float) -> float:
        """Return the current factor."""
        del progress
        return self.current

    def epoch_end(self, val_rmse: float) -> None:
        """Count epochs without improvement, and reduce the factor."""
        # NaN compares false, so it counts as no improvement
        if val_rmse < self.best:
            self.best = val_rmse
            self.stale = 0
        else:
            self.stale += 1
        # > as in PyTorch: patience 0 reduces after the first epoch without improvement
        if self.stale > self.config.patience:
            self.current = max(self.current * self.config.decay, self.config.floor)
            self.stale = 0

    def state_dict(self) -> dict[str, Any]:
        """Return the state as plain values."""
        # without `best`, a resumed run would count its first epoch as an improvement
        return {"current": self.current, "best": self.best, "stale": self.stale}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` returned."""
        # converted, since a foreign checkpoint may have any type
        self.current = float(state["current"])
        self.best = float(state["best"])
        self.stale = int(state["stale"])


class ConstantConfig(Config):
    """Constant rate after the warm-up."""

    name: Literal["constant"] = "constant"

    def build(self) -> Schedule:
        """Build the schedule."""
        return Schedule()


class CosineConfig(Config):
    """Cosine annealing to a share of the peak rate."""

    name: Literal["cosine"] = "cosine"
    final: float = Field(0.0, ge=0, le=1, description="Share of the peak rate at the end.")

    def build(self) -> Schedule:
        """Build the schedule."""
        return Cosine(self)


class PlateauConfig(Config):
    """Reduction of the rate whenever the validation RMSE stops improving."""

    name: Literal["plateau"] = "plateau"
    # *from the paper* (AMNL): 0.5, 30 epochs, and a minimum of 5e-6 for a peak of 1e-3
    decay: float = Field(0.5, gt=0, lt=1, description="Factor of each reduction.")
    patience: int = Field(30, ge=0, description="Epochs without improvement before a reduction.")
    floor: float = Field(0.005, ge=0, le=1, description="Minimum rate, as a share of the peak.")

    def build(self) -> Schedule:
        """Build the schedule."""
        return Plateau(self)


ScheduleConfig = Annotated[
    ConstantConfig | CosineConfig | PlateauConfig, Field(discriminator="name")
]


def warmup_factor(step: int, warmup_steps: int) -> float:
    """Return the factor of the linear warm-up, which is 1 after `warmup_steps`.

    >>> [warmup_factor(step, 4) for step in (0, 1, 3, 4)]
    [0.25, 0.5, 1.0, 1.0]
    """
    # step + 1: a first step with a rate of 0 would be wasted
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
