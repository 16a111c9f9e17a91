"""GABA: smoothed weights, inverse to the tasks' gradient norms."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cmapss_rul.balancers.base import BalancedLoss, Balancer, gradient_norms, per_task, weighted_sum
from cmapss_rul.config.base import Config


class GABAConfig(Config):
    """Configuration of `gaba`."""

    name: Literal["gaba"] = Field(
        "gaba", description="Smoothed weights inverse to the gradient norms."
    )
    decay: float = Field(0.99, ge=0, lt=1, description="β: decay of the running weights.")
    uniform_steps: int = Field(
        100, ge=0, le=10**6, description="Initial steps with weights ½ and ½."
    )
    floor: float = Field(
        0.05, ge=1e-9, lt=0.5, description="Lower bound of a weight, before renormalisation."
    )

    def build(self) -> "GABA":
        """Build the balancer."""
        return GABA(self)


class GABA(Balancer):
    """Σ λᵢ Lᵢ with weights inverse to the tasks' gradient norms.

    In each step λ̂ᵢ = (Σⱼ gⱼ − gᵢ) / Σⱼ gⱼ, which for two tasks is λ̂₁ = g₂ / (g₁ + g₂), where
    gᵢ = ‖∇_W Lᵢ‖; μ ← β μ + (1 − β) λ̂ from μ = ½; λ = max(μ, floor), divided by its sum. In the
    first `uniform_steps` steps λ = ½, while μ is updated already. All of them are detached.

    W are the weights of the last shared layer, as in `gradnorm`; the source uses the whole trunk,
    whose gradient would cost a backward pass per task. The initial μ of ½ is our choice.

    Scale invariance: scaling a loss by c scales its g by c, so with β = 0 and no floor the total
    gradient (g₂ ∇L₁ + g₁ ∇L₂) / (g₁ + g₂) changes its length but not its direction. With running
    weights this holds only approximately, and not at all where the floor is active: at gradient
    norms of 450 : 1 (*measured* for squared error and cross-entropy) λ̂₁ is 0.002, far below it.

    Source: the AMNL book, second edition, with β = 0.99, 100 uniform steps and a floor of 0.05.
    Its GRACE is `gaba` with `loss.rul.name=weighted_mse`.
    """

    config: GABAConfig

    def __init__(self, config: GABAConfig) -> None:
        super().__init__(config)
        self.mean = nn.Buffer(torch.full((2,), 0.5))
        self.steps = nn.Buffer(torch.tensor(0))

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:
        """Return the total and the weights λ.

        Raises:
            ValueError: `shared` is missing.
        """
        norms = gradient_norms(losses, shared, self.reduce_gradient).to(self.mean.dtype)
        total = norms.sum()
        # the other norm's share, not 1 − its own share, which float32 rounds to 0 at 10⁷ : 1;
        # two norms of exactly 0 would give 0/0
        shares = torch.where(total > 0, norms.flip(0) / total.clamp_min(1e-30), 0.5)
        self.mean.lerp_(shares, 1 - self.config.decay)
        weights = self.mean.clamp_min(self.config.floor)
        # `torch.where`, not `if`, which would synchronise with the device
        uniform = self.steps < self.config.uniform_steps
        self.steps.add_(1)
        return weighted_sum(losses, torch.where(uniform, 0.5, weights / weights.sum()))

    def diagnostics(self, losses: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """Return μ, which shows whether the floor is active."""
        return per_task("mean", self.mean)
