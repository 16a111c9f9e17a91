"""Dynamic task prioritization (DTP): a higher weight for the task with the lower KPI."""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cmapss_rul.balancers.base import BalancedLoss, Balancer, per_task, weighted_sum
from cmapss_rul.config.base import Config
from cmapss_rul.losses.health import UNKNOWN_CLASS

KPI_TOLERANCE = 10.0
"""RUL error up to which a prediction counts as correct, cycles. A *guess*: not in the paper."""


class DTPConfig(Config):
    """Configuration of `dtp`."""

    name: Literal["dtp"] = Field("dtp", description="More weight for the task with the lower KPI.")
    gamma: float = Field(
        1.0, ge=0, le=5, description="How strongly a good KPI lowers a task's weight; 0: −log κ."
    )
    decay: float = Field(0.95, ge=0, lt=1, description="Decay of the running mean KPI κ.")
    margin: float = Field(
        1e-3, ge=1e-6, le=0.4, description="The mean KPI κ is clamped to [margin, 1 − margin]."
    )

    def build(self) -> "DTP":
        """Build the balancer."""
        return DTP(self)


class DTP(Balancer):
    """Σ −(1 − κᵢ)^γ log κᵢ · Lᵢ, where κᵢ in (0, 1) is the running mean KPI of task i.

    The KPIs of a batch, see `batch_kpis`, are

    - the share of RUL predictions at most 10 cycles from the label (or above it, where it is a
      lower bound);
    - the accuracy of the health classes.

    The weights ignore the scale of the losses: at equal κ the RUL loss in cycles² dominates, as
    with `fixed`.

    Source: Guo, Haque, Huang, Yeung and Fei-Fei 2018, Dynamic Task Prioritization for
    Multitask Learning. Differences: γ is shared by the tasks; the mean starts at the first batch
    (a bias-corrected zero start, as in `amnl_ema`); κ is clamped, since the paper's weight is
    infinite at κ = 0 and 0 at κ = 1, where a task would never be trained again; the paper's
    priorities among the samples of a task are left out.

    >>> kpis = torch.tensor([0.5, 0.5])
    >>> DTPConfig().build()(torch.tensor([1.0, 1.0]), kpis=kpis).weights  # ½ ln 2
    tensor([0.3466, 0.3466])
    """

    uses_kpis: ClassVar[bool] = True
    config: DTPConfig

    def __init__(self, config: DTPConfig) -> None:
        super().__init__(config)
        self.mean = nn.Buffer(torch.zeros(2))
        # 1 − βᵗ, the total weight of the KPIs in the mean
        self.seen = nn.Buffer(torch.zeros(()))

    @torch.no_grad()
    def observe(self, kpis: Tensor) -> None:
        """Update the running mean with the KPIs [2]; the first batch sets it."""
        gain = 1 - self.config.decay
        self.seen.mul_(self.config.decay).add_(gain)
        # gain / (1 − βᵗ) is bias correction: 1 in the first step, then towards 1 − β
        self.mean.lerp_(kpis.to(self.mean.dtype), torch.full_like(self.seen, gain) / self.seen)

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:  # noqa: ARG002
        """Return the sum and the weights −(1 − κᵢ)^γ log κᵢ."""
        kappa = self.mean.clamp(self.config.margin, 1 - self.config.margin)
        return weighted_sum(losses, -(1 - kappa).pow(self.config.gamma) * kappa.log())

    def diagnostics(self, losses: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the mean KPIs."""
        return per_task("kpi", self.mean)


@torch.no_grad()
def batch_kpis(
    rul: Tensor,
    logits: Tensor,
    true_rul: Tensor,
    true_health: Tensor,
    censored: Tensor | None = None,
) -> Tensor:
    """Return the KPIs (key performance indicators) of a batch, without a host synchronisation.

    Args:
        rul: [batch], predicted, cycles, not clamped.
        logits: [batch, class], of the health classes.
        true_rul: [batch], capped labels, cycles.
        true_health: [batch], classes; −1 if unknown.
        censored: [batch], whether the label is a lower bound; None if no label is.

    Returns:
        [2]: the share of RUL predictions at most 10 cycles from the label, or above it if it is a
        lower bound; and the accuracy of the known health classes.

    >>> logits = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
    >>> batch_kpis(torch.tensor([20.0, 99.0]), logits, torch.tensor([30.0, 50.0]), torch.ones(2))
    tensor([0.5000, 0.5000])
    """
    close = (rul - true_rul).abs() <= KPI_TOLERANCE
    right = logits.argmax(dim=1) == true_health
    if censored is None:
        return torch.stack([close, right]).float().mean(dim=1)
    # above a lower bound every prediction is possible
    close |= censored & (rul >= true_rul)
    known = (true_health != UNKNOWN_CLASS).sum().clamp(min=1)
    return torch.stack([close.float().mean(), right.sum() / known])
