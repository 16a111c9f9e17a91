"""Constant weights, the baseline."""

from typing import Literal

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from cmapss_rul.balancers.base import BalancedLoss, Balancer, PositivePair, weighted_sum
from cmapss_rul.config.base import Config


class FixedConfig(Config):
    """Configuration of `fixed`."""

    name: Literal["fixed"] = Field("fixed", description="Constant weights.")
    weights: PositivePair = Field((1.0, 1.0), description="λ of the RUL and of the health loss.")
    weights_from: str | None = Field(
        None,
        exclude=True,  # `weights` holds the values read from it
        description="Run folder or checkpoint whose last epoch's mean weights replace `weights` "
        "when the configuration is read.",
    )
    divisors: PositivePair = Field(
        (1.0, 1.0), description="Constant divisors of the losses, such as [100, 1]."
    )

    @field_validator("weights_from")
    @classmethod
    def _check_resolved(cls, run: str | None) -> None:
        """Refuse a run: `RunConfig` replaces this key by the run's weights before validation."""
        if run is not None:
            raise ValueError("is resolved by RunConfig only; set weights instead")

    def build(self) -> "Fixed":
        """Build the balancer."""
        return Fixed(self)


class Fixed(Balancer):
    """Σ λᵢ Lᵢ / dᵢ with constant weights λᵢ and divisors dᵢ.

    With all constants 1 the RUL loss in cycles² dominates: initially its gradient norm on the last
    shared layer is about 450 times that of the health loss (*measured*).

    >>> FixedConfig(divisors=[100, 1]).build()(torch.tensor([400.0, 2.0])).total
    tensor(6.)
    """

    def __init__(self, config: FixedConfig) -> None:
        super().__init__(config)
        pairs = zip(config.weights, config.divisors, strict=True)
        self.factors = nn.Buffer(torch.tensor([weight / divisor for weight, divisor in pairs]))

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:  # noqa: ARG002
        """Return λ₁L₁/d₁ + λ₂L₂/d₂ and the factors λᵢ/dᵢ."""
        return weighted_sum(losses, self.factors)
