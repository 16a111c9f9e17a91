"""AMNL in its running-mean form: each loss divided by an average of its past."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cmapss_rul.balancers.base import BalancedLoss, Balancer, normalised_sum
from cmapss_rul.config.base import Config

Start = Literal["zero_corrected", "first_loss_corrected", "one_uncorrected"]


class AMNLEMAConfig(Config):
    """Configuration of `amnl_ema`."""

    name: Literal["amnl_ema"] = Field("amnl_ema", description="Each loss over a running mean.")
    start: Start = Field(
        "zero_corrected",
        description="Where the mean starts: 'zero_corrected' at 0 with bias correction; "
        "'first_loss_corrected' at the first loss and corrected as well, so first 100 times too "
        "large; 'one_uncorrected' at 1 without correction, and without the factor ½.",
    )
    decay: float = Field(0.99, ge=0, lt=1, description="β: share of the old mean that stays.")

    def build(self) -> "AMNLEMA":
        """Make the balancer."""
        return AMNLEMA(self.start, self.decay)


class AMNLEMA(Balancer):
    """Σ λ Lᵢ / max(μᵢ, 1e-8), where μᵢ is a running mean of the loss up to this step.

    With mₜ = β mₜ₋₁ + (1 − β) Lₜ for t = 1, 2, …, three starts are published:

    - `zero_corrected`: m₀ = 0, μₜ = mₜ / (1 − βᵗ), λ = ½. The first μ is the first loss.
    - `first_loss_corrected`: m₀ = L₁, μₜ = mₜ / (1 − βᵗ), λ = ½. The mean needs no
      correction, so μ is too large by 1 / (1 − βᵗ): for β = 0.99 by 100 in the first step,
      2.5 at step 50, 1.15 at step 200.
    - `one_uncorrected`: m₀ = 1, μₜ = mₜ, λ = 1. Depends on the unit of the losses.

    Source: the running-mean form of the AMNL book.

    Args:
        start: One of the three.
        decay: β.

    >>> AMNLEMAConfig().build()(torch.tensor([4000.0, 1.25])).total
    tensor(1.)
    """

    mean: Tensor
    seen: Tensor

    def __init__(self, start: Start = "zero_corrected", decay: float = 0.99) -> None:
        super().__init__()
        self.start = start
        self.decay = decay
        self.scale = 1.0 if start == "one_uncorrected" else 0.5
        # With `zero_corrected` this is μ, with the others m.
        first = 1.0 if start == "one_uncorrected" else 0.0
        self.register_buffer("mean", torch.full((2,), first))
        # 1 − βᵗ, the share of the mean that losses have filled.
        self.register_buffer("seen", torch.zeros(()))

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:  # noqa: ARG002
        """Return the sum and the weights λ / max(μᵢ, 1e-8), this step's losses in μ."""
        divisors = self._divisors(losses.detach().to(self.mean.dtype))
        return normalised_sum(losses, divisors.clamp_min(1e-8), self.scale)

    def _divisors(self, losses: Tensor) -> Tensor:
        """Put the losses into the mean and return μ [2]."""
        gain = 1 - self.decay
        if self.start == "one_uncorrected":
            return self.mean.lerp_(losses, gain)
        if self.start == "first_loss_corrected":
            self.mean.copy_(torch.where(self.seen == 0, losses, self.mean))
            self.seen.mul_(self.decay).add_(gain)
            return self.mean.lerp_(losses, gain) / self.seen
        self.seen.mul_(self.decay).add_(gain)
        # m / (1 − βᵗ) written as one mean. The share of the newest loss is 1 in the first
        # step without any rounding, so the first normalised loss is exactly 1.
        return self.mean.lerp_(losses, torch.full_like(self.seen, gain) / self.seen)

    def extra_repr(self) -> str:
        """Show the options and the mean."""
        return f"start={self.start!r}, decay={self.decay}, mean={self.mean.tolist()}"
