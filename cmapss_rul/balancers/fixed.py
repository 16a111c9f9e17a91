"""Constant weights, the baseline."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cmapss_rul.balancers.base import BalancedLoss, Balancer, PositivePair, weighted_sum
from cmapss_rul.config.base import Config


class FixedConfig(Config):
    """Configuration of `fixed`."""

    name: Literal["fixed"] = Field("fixed", description="Constant weights.")
    weights: PositivePair = Field((1.0, 1.0), description="λ of the RUL and of the health loss.")
    divisors: PositivePair = Field(
        (1.0, 1.0), description="Constant divisors of the losses, such as [100, 1]."
    )

    def build(self) -> "Fixed":
        """Build the balancer."""
        return Fixed(self.weights, self.divisors)


class Fixed(Balancer):
    """Σ λᵢ Lᵢ / dᵢ with constant weights λᵢ and divisors dᵢ.

    With all constants 1 the RUL loss in cycles² dominates: at the start its gradient on the last
    shared layer is about 450 times that of the health loss (measured).

    Args:
        weights: λ of the RUL and of the health loss.
        divisors: d of the RUL and of the health loss.

    >>> FixedConfig(divisors=[100, 1]).build()(torch.tensor([400.0, 2.0])).total
    tensor(6.)
    """

    factors: Tensor

    def __init__(
        self, weights: tuple[float, float], divisors: tuple[float, float] = (1.0, 1.0)
    ) -> None:
        super().__init__()
        factors = [weight / divisor for weight, divisor in zip(weights, divisors, strict=True)]
        self.register_buffer("factors", torch.tensor(factors))

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:  # noqa: ARG002
        """Return λ₁L₁/d₁ + λ₂L₂/d₂ and the factors λᵢ/dᵢ."""
        return weighted_sum(losses, self.factors)

    def extra_repr(self) -> str:
        """Show the factors."""
        return f"factors={self.factors.tolist()}"
