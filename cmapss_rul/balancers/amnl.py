"""AMNL: each loss divided by its own value, or by an exponential moving average of it."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cmapss_rul.balancers.base import BalancedLoss, Balancer, PositivePair, normalised_sum
from cmapss_rul.config.base import Config


class AMNLConfig(Config):
    """Configuration of `amnl`."""

    name: Literal["amnl"] = Field("amnl", description="Each loss divided by its current value.")
    floors: PositivePair = Field(
        (1.0, 0.1), description="Lower bound of the divisor of the RUL and the health loss."
    )

    def build(self) -> "AMNL":
        """Build the balancer."""
        return AMNL(self)


class AMNL(Balancer):
    """Σ ½ Lᵢ / max(sg Lᵢ, fᵢ), where sg stops the gradient and fᵢ is a floor.

    Above the floors its gradient is exactly ½∇log L₁ + ½∇log L₂: that of the log-loss baseline,
    parallel to that of the geometric mean, and invariant to the scale of the losses. The value of
    the total is then always 1, so it cannot be used for learning curves or early stopping.

    Source: the current-value form of the AMNL book, with its floors (from the paper).

    >>> AMNLConfig().build()(torch.tensor([4000.0, 1.25])).total
    tensor(1.)
    """

    def __init__(self, config: AMNLConfig) -> None:
        super().__init__(config)
        # the floor of 1.0 assumes a loss in cycles²: with labels scaled to [0, 1] the loss would
        # stay below it, and the method would silently be a fixed weight
        self.floors = nn.Buffer(torch.tensor(config.floors))

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:  # noqa: ARG002
        """Return the sum and the weights ½ / max(Lᵢ, fᵢ)."""
        return normalised_sum(losses, torch.maximum(losses.detach(), self.floors), scale=0.5)


class AMNLEMAConfig(Config):
    """Configuration of `amnl_ema`."""

    name: Literal["amnl_ema"] = Field(
        "amnl_ema", description="Each loss divided by its running mean."
    )
    start: Literal["zero_corrected", "first_loss_corrected", "one_uncorrected"] = Field(
        "zero_corrected",
        description="Initial value of the mean: 'zero_corrected' 0, with bias correction; "
        "'first_loss_corrected' the first loss, with bias correction too, so at first 100 times "
        "too large; 'one_uncorrected' 1, without correction and without the factor ½.",
    )
    decay: float = Field(0.99, ge=0, lt=1, description="β: decay of the running mean.")

    def build(self) -> "AMNLEMA":
        """Build the balancer."""
        return AMNLEMA(self)


class AMNLEMA(Balancer):
    """Σ λ Lᵢ / max(μᵢ, 1e-8), where μᵢ is a running mean of Lᵢ, this step included.

    With mₜ = β mₜ₋₁ + (1 − β) Lₜ for t = 1, 2, …, the source has three initialisations:

    - `zero_corrected`: m₀ = 0, μₜ = mₜ / (1 − βᵗ), λ = ½. The first μ is the first loss.
    - `first_loss_corrected`: m₀ = L₁, μₜ = mₜ / (1 − βᵗ), λ = ½. This mean needs no
      correction, so μ is too large by a factor 1 / (1 − βᵗ): for β = 0.99 by 100 in the first
      step, 2.5 at step 50, 1.15 at step 200.
    - `one_uncorrected`: m₀ = 1, μₜ = mₜ, λ = 1. The weights depend on the unit of the losses.

    Source: the running-mean form of the AMNL book, as are β = 0.99 and the floor of 1e-8. The
    worked numbers that it prints with the second follow from none of the three.

    >>> AMNLEMAConfig().build()(torch.tensor([4000.0, 1.25])).total
    tensor(1.)
    """

    config: AMNLEMAConfig

    def __init__(self, config: AMNLEMAConfig) -> None:
        super().__init__(config)
        uncorrected = config.start == "one_uncorrected"
        self.scale = 1.0 if uncorrected else 0.5
        # μ with `zero_corrected`, m with the other two
        self.mean = nn.Buffer(torch.full((2,), 1.0 if uncorrected else 0.0))
        # 1 − βᵗ, the total weight of the losses in the mean
        self.seen = nn.Buffer(torch.zeros(()))

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:  # noqa: ARG002
        """Return the sum and the weights λ / max(μᵢ, 1e-8)."""
        divisors = self._divisors(losses.detach().to(self.mean.dtype))
        return normalised_sum(losses, divisors.clamp_min(1e-8), self.scale)

    def _divisors(self, losses: Tensor) -> Tensor:
        """Update the mean with the losses and return μ [2]."""
        gain = 1 - self.config.decay
        if self.config.start == "one_uncorrected":
            return self.mean.lerp_(losses, gain)
        if self.config.start == "first_loss_corrected":
            self.mean.copy_(torch.where(self.seen == 0, losses, self.mean))
            self.seen.mul_(self.config.decay).add_(gain)
            return self.mean.lerp_(losses, gain) / self.seen
        self.seen.mul_(self.config.decay).add_(gain)
        # m / (1 − βᵗ) as one update: in the first step the newest loss has weight 1 without
        # rounding, so the first normalised loss is exactly 1
        return self.mean.lerp_(losses, torch.full_like(self.seen, gain) / self.seen)
