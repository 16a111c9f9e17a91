"""AMNL, current-value form: each loss divided by its own value."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cmapss_rul.balancers.base import BalancedLoss, Balancer, PositivePair, normalised_sum
from cmapss_rul.config.base import Config


class AMNLConfig(Config):
    """Configuration of `amnl`."""

    name: Literal["amnl"] = Field("amnl", description="Each loss over its current value.")
    floors: PositivePair = Field((1.0, 0.1), description="Least divisor of RUL and health loss.")

    def build(self) -> "AMNL":
        """Build the balancer."""
        return AMNL(self.floors)


class AMNL(Balancer):
    """Σ ½ Lᵢ / max(sg Lᵢ, fᵢ), where sg stops the gradient and fᵢ is a floor.

    Above the floors its gradient is ½∇log L₁ + ½∇log L₂ exactly: that of the log-loss
    baseline, parallel to that of the geometric mean, whatever the losses' scales. The value of
    the total is then always 1, so it is no use for curves or early stopping.

    Source: the current-value form of the AMNL book, with its floors (from the paper).

    Args:
        floors: f of the RUL loss (cycles²) and of the health loss.

    >>> AMNLConfig().build()(torch.tensor([4000.0, 1.25])).total
    tensor(1.)
    """

    floors: Tensor

    def __init__(self, floors: tuple[float, float] = (1.0, 0.1)) -> None:
        super().__init__()
        self.register_buffer("floors", torch.tensor(floors))

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:  # noqa: ARG002
        """Return the sum and the weights ½ / max(Lᵢ, fᵢ)."""
        return normalised_sum(losses, torch.maximum(losses.detach(), self.floors), scale=0.5)

    def extra_repr(self) -> str:
        """Show the floors."""
        return f"floors={self.floors.tolist()}"
