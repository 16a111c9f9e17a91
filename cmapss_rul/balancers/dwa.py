"""Dynamic weight average (DWA): a higher weight for the loss that decreases more slowly."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cmapss_rul.balancers.base import BalancedLoss, Balancer, per_task, weighted_sum
from cmapss_rul.config.base import Config


class DWAConfig(Config):
    """Configuration of `dwa`."""

    name: Literal["dwa"] = Field(
        "dwa", description="More weight for the loss that decreases more slowly."
    )
    temperature: float = Field(
        2.0, ge=1e-3, le=1e6, description="Higher values give more equal weights."
    )

    def build(self) -> "DWA":
        """Build the balancer."""
        return DWA(self)


class DWA(Balancer):
    """Σ wᵢ Lᵢ with w = 2 softmax(q / T), where q compares the last two epochs.

    - qᵢ = Lᵢ(t−1) / Lᵢ(t−2), the ratio of the mean losses of the two epochs before epoch t,
      above 1 for a loss that increased;
    - T > 0 is the temperature (2 in the paper). In the first two epochs both weights are 1.

    Not scale-invariant: at 1 : 1 the RUL loss in cycles² dominates, as with `fixed`.

    Source: Liu, Johns and Davison 2019, End-to-End Multi-Task Learning with Attention.
    There the means are over batches, here over the epoch's windows. Lᵢ(t−2) and the weights
    have a floor of 1e-8, which a weight reaches only if a loss grows dozens of times.
    """

    config: DWAConfig

    def __init__(self, config: DWAConfig) -> None:
        super().__init__(config)
        self.weights = nn.Buffer(torch.ones(2))
        self.last = nn.Buffer(torch.ones(2))
        self.epochs = nn.Buffer(torch.zeros((), dtype=torch.int64))

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:  # noqa: ARG002
        """Return the sum and this epoch's weights."""
        # a copy, because `epoch_end` changes the buffer in place
        return weighted_sum(losses, self.weights.clone())

    @torch.no_grad()
    def epoch_end(self, mean_losses: Tensor) -> None:
        """Compute the next epoch's weights from the means [2] of this epoch and the one before."""
        newest = mean_losses.to(self.last.dtype)
        # a finite ratio even after an epoch with a loss of 0
        ratios = newest / self.last.clamp_min(1e-8)
        weights = 2 * torch.softmax(ratios / self.config.temperature, dim=0)
        # no ratio after the first epoch, when `last` still holds its initial ones
        self.weights.copy_(torch.where(self.epochs > 0, weights.clamp_min(1e-8), self.weights))
        self.last.copy_(newest)
        self.epochs.add_(1)

    def diagnostics(self, losses: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the weights of the next epoch."""
        return per_task("next_weight", self.weights)
