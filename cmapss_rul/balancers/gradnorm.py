"""Weights that even out the tasks' gradients."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cmapss_rul.balancers.base import BalancedLoss, Balancer, per_task, weighted_sum
from cmapss_rul.config.base import Config


class GradNormConfig(Config):
    """Configuration of `gradnorm`."""

    name: Literal["gradnorm"] = Field("gradnorm", description="Gradients of even size.")
    alpha: float = Field(
        1.5, ge=0, le=10, description="How much more a task that learns slowly gets; 0: none."
    )
    learning_rate: float = Field(
        0.025, gt=0, le=1, description="Constant rate of the weights' own Adam."
    )

    def build(self) -> "GradNorm":
        """Make the balancer."""
        return GradNorm(self.alpha, self.learning_rate)


class GradNorm(Balancer):
    """Σ wᵢ Lᵢ with weights trained towards gradients of the sizes wanted.

    The weights follow the gradient of Σ abs(Gᵢ − sg(Ḡ rᵢ^α)), where

    - W are the weights of the last shared layer, Gᵢ = ‖∇_W wᵢLᵢ‖, and Ḡ is their mean;
    - rᵢ = (Lᵢ / Lᵢ(0)) / mean over the tasks, from unweighted losses: above 1 for the task
      that has learned less since the first batch, whose losses Lᵢ(0) are;
    - sg stops the gradient; α ≥ 0.

    Source: Chen, Badrinarayanan, Lee and Rabinovich 2018, GradNorm, algorithm 1. There w is
    trained itself and rescaled to Σw = 2. At gradients of 450 : 1 the w sought is near 0.004
    and a step takes the raw one below 0, so here w = 2 softmax(v) and v is trained. Much
    public code differs further: it inverts the exponent, takes r from weighted losses, sets
    L(0) anew, or lets the weights' loss into the network's gradients.

    Args:
        alpha: α.
        learning_rate: Of the optimiser of v.
    """

    first: Tensor
    started: Tensor

    def __init__(self, alpha: float = 1.5, learning_rate: float = 0.025) -> None:
        super().__init__()
        self.alpha = alpha
        self.learning_rate = learning_rate
        self.scores = nn.Parameter(torch.zeros(2))
        self.register_buffer("first", torch.ones(2))
        self.register_buffer("started", torch.tensor(False))

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:
        """Return the total and the weights w.

        The total carries the weights' loss too, with value 0 and a gradient for v alone.

        Raises:
            ValueError: `shared` is missing.
        """
        if shared is None:
            raise ValueError("`shared` should be the weights of the last shared layer, found None")
        self._start(losses.detach())
        weights = 2 * torch.softmax(self.scores, dim=0)
        balanced = weighted_sum(losses, weights)
        gap = self._gap(weights * self._norms(losses, shared), losses.detach())
        return balanced._replace(total=balanced.total + (gap - gap.detach()))

    @torch.no_grad()
    def _start(self, losses: Tensor) -> None:
        """Keep the first batch's losses, and no later ones."""
        first = losses.clamp_min(1e-8).to(self.first.dtype)
        self.first.copy_(torch.where(self.started, self.first, first))
        self.started.fill_(True)

    def _norms(self, losses: Tensor, shared: Tensor) -> Tensor:
        """Return ‖∇_W Lᵢ‖ of the unweighted losses, [2], as constants.

        Since w > 0, ‖∇_W wᵢLᵢ‖ = wᵢ ‖∇_W Lᵢ‖: no gradient of a gradient is needed, and nothing
        of the weights' loss can reach the network.
        """
        gradients = [
            torch.autograd.grad(loss, shared, retain_graph=True)[0] for loss in losses.unbind()
        ]
        if self.reduce_gradient is not None:
            gradients = [self.reduce_gradient(gradient) for gradient in gradients]
        return torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])

    def _gap(self, norms: Tensor, losses: Tensor) -> Tensor:
        """Return Σ abs(Gᵢ − sg(Ḡ rᵢ^α)) of the norms Gᵢ [2]."""
        wanted = norms.mean() * self._rates(losses).pow(self.alpha)
        return (norms - wanted.detach()).abs().sum()

    def _rates(self, losses: Tensor) -> Tensor:
        """Return rᵢ, [2]."""
        ratios = losses / self.first
        # Two losses of exactly 0 have no ratio.
        return ratios / ratios.mean().clamp_min(1e-30)

    def optimiser(self) -> torch.optim.Optimizer:
        """Return the Adam of v."""
        return self._adam(self.learning_rate)

    @torch.no_grad()
    def diagnostics(self, losses: Tensor) -> dict[str, Tensor]:
        """Return rᵢ: above 1 for the task that has learned less so far."""
        return per_task("rate", self._rates(losses))

    def extra_repr(self) -> str:
        """Show the options, the weights and L(0)."""
        weights = 2 * torch.softmax(self.scores.detach(), dim=0)
        return (
            f"alpha={self.alpha}, learning_rate={self.learning_rate}, "
            f"weights={weights.tolist()}, first={self.first.tolist()}"
        )
