"""Random loss weighting (RLW), the baseline that every other method should beat."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor

from cmapss_rul.balancers.base import BalancedLoss, Balancer, weighted_sum
from cmapss_rul.config.base import Config


class RandomConfig(Config):
    """Configuration of `random`."""

    name: Literal["random"] = Field("random", description="Random weights, redrawn in each step.")

    def build(self) -> "Random":
        """Build the balancer."""
        return Random(self)


class Random(Balancer):
    """Σ wᵢ Lᵢ with w = softmax(z), where z is drawn from N(0, 1) for each loss and step.

    The draws come from torch's global generator on the losses' device, which is shared with
    dropout, and seeded and saved with the run. The expected weights are ½ and ½.

    Source: Lin, Ye, Zhang and Tsang 2022, Reasonable Effectiveness of Random Weighting,
    algorithm 2, normal distribution.
    """

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:  # noqa: ARG002
        """Return the sum and the weights drawn for this step."""
        # all ranks have the same state of this generator, hence the same weights: their dropout
        # masks come from generators of their own
        return weighted_sum(losses, torch.softmax(torch.randn_like(losses), dim=0))

    def extra_repr(self) -> str:
        """Show the distribution."""
        return "draws='normal'"
