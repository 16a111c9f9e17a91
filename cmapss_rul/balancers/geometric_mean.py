"""The geometric mean of the losses (GLS)."""

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
    floor: float = Field(1e-8, ge=1e-12, le=1, description="Least value that a loss counts as.")

    def build(self) -> "GeometricMean":
        """Make the balancer."""
        return GeometricMean(self.floor)


class GeometricMean(Balancer):
    """G = exp(½ Σ log max(Lᵢ, f)) = √(L₁L₂) above the floor f.

    Its gradient is Σ ½ G/Lᵢ ∇Lᵢ: that of `amnl` times G, so the relative sizes of the two
    parts do not depend on the losses' units, while the size of the whole falls with the
    losses, which is what clipping and AdamW see of the difference.

    Source: Chennupati, Sistu, Yogamani and Rawashdeh 2019, MultiNet++, the geometric loss
    strategy, whose weighting of single tasks is left out. The plain root has no gradient at a
    loss of 0. Below the floor the gradient here is that of ½ G/f, large but finite, where the
    clamped formula's would be 0 and the task would stand still.

    Args:
        floor: f.

    >>> import torch
    >>> GeometricMeanConfig().build()(torch.tensor([4000.0, 0.1])).total.round()
    tensor(20.)
    """

    def __init__(self, floor: float = 1e-8) -> None:
        super().__init__()
        self.floor = floor

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:  # noqa: ARG002
        """Return G and the weights ½ G / max(Lᵢ, f)."""
        values = losses.detach().clamp_min(self.floor)
        mean = values.log().mean().exp()
        weights = 0.5 * mean / values
        # The value is G, the gradient that of the weights.
        return BalancedLoss(mean + (weights * (losses - losses.detach())).sum(), weights)

    def extra_repr(self) -> str:
        """Show the floor."""
        return f"floor={self.floor}"
