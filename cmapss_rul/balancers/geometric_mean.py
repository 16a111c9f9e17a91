"""Geometric loss strategy (GLS): the geometric mean of the losses."""

from typing import Literal

from pydantic import Field
from torch import Tensor

from cmapss_rul.balancers.base import BalancedLoss, Balancer
from cmapss_rul.config.base import Config


class GeometricMeanConfig(Config):
    """Configuration of `geometric_mean`."""

    name: Literal["geometric_mean"] = Field(
        "geometric_mean", description="Geometric mean of the losses."
    )
    floor: float = Field(1e-8, ge=1e-12, le=1, description="Lower bound of each loss in the mean.")

    def build(self) -> "GeometricMean":
        """Build the balancer."""
        return GeometricMean(self)


class GeometricMean(Balancer):
    """G = exp(½ Σ log max(Lᵢ, f)) = √(L₁L₂) above the floor f.

    Its gradient is Σ ½ G/Lᵢ ∇Lᵢ, that of `amnl` times G: the ratio of the two terms does not
    depend on the losses' units, but the norm shrinks as the losses decrease, which affects only
    gradient clipping and the optimiser's running moments.

    Source: Chennupati, Sistu, Yogamani and Rawashdeh 2019, MultiNet++, the geometric loss
    strategy, without its optional task weights. The plain square root has NaN gradients at a
    loss of 0. Below the floor the weight here is ½ G/f, large but finite; the derivative of the
    clamp would be 0, and the task would no longer be trained.

    >>> import torch
    >>> GeometricMeanConfig().build()(torch.tensor([4000.0, 0.1])).total.round()
    tensor(20.)
    """

    config: GeometricMeanConfig

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:  # noqa: ARG002
        """Return G and the weights ½ G / max(Lᵢ, f)."""
        values = losses.detach().clamp_min(self.config.floor)
        mean = values.log().mean().exp()
        weights = 0.5 * mean / values
        # the value is G; the gradient is that of the weights, also below the floor
        return BalancedLoss(mean + (weights * (losses - losses.detach())).sum(), weights)
