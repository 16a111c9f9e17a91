"""AMNL, current-value form: each loss divided by its own value."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cmapss_rul.balancers.base import BalancedLoss, Balancer, PositivePair, normalised_sum
from cmapss_rul.config.base import Config


class AMNLConfig(Config):
    """Configuration of `amnl`."""

    name: Literal["amnl"] = Field("amnl", description="Each loss divided by its current value.")
    floors: PositivePair = Field((1.0, 0.1), description="Least divisor of RUL and health loss.")

    def build(self) -> "AMNL":
        """Build the balancer."""
        return AMNL(self)


class AMNL(Balancer):
    """Σ ½ Lᵢ / max(sg Lᵢ, fᵢ), where sg stops the gradient and fᵢ is a floor.

    Above the floors its gradient is ½∇log L₁ + ½∇log L₂ exactly: that of the log-loss
    baseline, parallel to that of the geometric mean, whatever the losses' scales. The value of
    the total is then always 1, so it is no use for curves or early stopping.

    Source: the current-value form of the AMNL book, with its floors (from the paper).

    >>> AMNLConfig().build()(torch.tensor([4000.0, 1.25])).total
    tensor(1.)
    """

    def __init__(self, config: AMNLConfig) -> None:
        super().__init__(config)
        # The floor of 1.0 is for a loss in cycles²: with labels scaled to [0, 1] the loss would lie
        # below it, and the method would silently be a fixed weight.
        self.floors = nn.Buffer(torch.tensor(config.floors))

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:  # noqa: ARG002
        """Return the sum and the weights ½ / max(Lᵢ, fᵢ)."""
        return normalised_sum(losses, torch.maximum(losses.detach(), self.floors), scale=0.5)
