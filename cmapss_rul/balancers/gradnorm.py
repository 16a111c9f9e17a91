"""GradNorm: learned weights that balance the gradient norms of the tasks."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cmapss_rul.balancers.base import BalancedLoss, Balancer, gradient_norms, per_task, weighted_sum
from cmapss_rul.config.base import Config


class GradNormConfig(Config):
    """Configuration of `gradnorm`."""

    name: Literal["gradnorm"] = Field(
        "gradnorm", description="Learned weights that balance the gradient norms."
    )
    alpha: float = Field(
        1.5, ge=0, le=10, description="Strength with which slow tasks are favoured; 0 for none."
    )
    learning_rate: float = Field(
        0.025, gt=0, le=1, description="Constant learning rate of the weights' own Adam."
    )

    def build(self) -> "GradNorm":
        """Build the balancer."""
        return GradNorm(self)


class GradNorm(Balancer):
    """Σ wᵢ Lᵢ with weights learned by matching target gradient norms.

    The weights minimise Σ abs(Gᵢ − sg(Ḡ rᵢ^α)), where

    - W are the weights of the last shared layer, Gᵢ = ‖∇_W wᵢLᵢ‖, and Ḡ is their mean;
    - rᵢ = (Lᵢ / Lᵢ(0)) / mean over the tasks, from unweighted losses, where Lᵢ(0) is the loss of
      the first batch: above 1 for the task that has learned less since;
    - sg stops the gradient; α ≥ 0 (1.5 is usual).

    Source: Chen, Badrinarayanan, Lee and Rabinovich 2018, GradNorm, algorithm 1. There w itself
    is trained and rescaled to Σw = 2. At gradient norms of 450 : 1 (*measured*) the optimal w₁ is
    near 0.004, and one step makes a raw w₁ negative, so here w = 2 softmax(v) and v is trained.
    Common errors in public code: an inverted exponent, r from weighted losses, an overwritten
    L(0), and gradients of the weights' loss that leak into the network.
    """

    config: GradNormConfig

    def __init__(self, config: GradNormConfig) -> None:
        super().__init__(config)
        self.scores = nn.Parameter(torch.zeros(2))
        self.first = nn.Buffer(torch.ones(2))
        self.started = nn.Buffer(torch.tensor(False))

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:
        """Return the total and the weights w.

        The total also carries the weights' loss, with value 0 and a gradient for v only.

        Raises:
            ValueError: `shared` is missing.
        """
        # norms of the unweighted losses: since w > 0, ‖∇_W wᵢLᵢ‖ = wᵢ ‖∇_W Lᵢ‖, which needs no
        # second derivative and cannot leak the weights' loss into the network
        norms = gradient_norms(losses, shared, self.reduce_gradient)
        self._start(losses.detach())
        weights = 2 * torch.softmax(self.scores, dim=0)
        balanced = weighted_sum(losses, weights)
        gap = self._gap(weights * norms, losses.detach())
        # gap − gap.detach() is 0: the total stays Σ wᵢ Lᵢ, and one backward pass also trains v
        return balanced._replace(total=balanced.total + (gap - gap.detach()))

    @torch.no_grad()
    def _start(self, losses: Tensor) -> None:
        """Store the first batch's losses as L(0); later calls change nothing."""
        first = losses.clamp_min(1e-8).to(self.first.dtype)
        self.first.copy_(torch.where(self.started, self.first, first))
        self.started.fill_(True)

    def _gap(self, norms: Tensor, losses: Tensor) -> Tensor:
        """Return Σ abs(Gᵢ − sg(Ḡ rᵢ^α)) of the norms Gᵢ [2]."""
        target = norms.mean() * self._rates(losses).pow(self.config.alpha)
        # *from the paper*: with a gradient through the target, the weights would drift to zero
        # together with the target
        return (norms - target.detach()).abs().sum()

    def _rates(self, losses: Tensor) -> Tensor:
        """Return rᵢ, [2]."""
        ratios = losses / self.first
        # two losses of exactly 0 would give 0/0
        return ratios / ratios.mean().clamp_min(1e-30)

    @torch.no_grad()
    def diagnostics(self, losses: Tensor) -> dict[str, Tensor]:
        """Return rᵢ: above 1 for the task that has learned less so far."""
        return per_task("rate", self._rates(losses))

    def extra_repr(self) -> str:
        """Show the weights w, too, which are not obvious from v."""
        weights = 2 * torch.softmax(self.scores.detach(), dim=0)
        return f"weights={weights.tolist()}, {super().extra_repr()}"
