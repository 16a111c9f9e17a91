"""More weight for the task that is done worse (dynamic task prioritization)."""

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from cmapss_rul.balancers.base import Balanced, Balancer, by_task, weighted
from cmapss_rul.config.base import Config


class DTPConfig(Config):
    """Configuration of `dtp`."""

    name: Literal["dtp"] = Field("dtp", description="More for the task that is done worse.")
    gamma: float = Field(
        1.0, ge=0, le=5, description="How much less a task gets that is done well; 0: −log κ."
    )
    decay: float = Field(0.95, ge=0, lt=1, description="Share of the old mean KPI that stays.")
    margin: float = Field(
        1e-3, ge=1e-6, le=0.4, description="How far the mean KPI κ is kept from 0 and from 1."
    )

    def build(self) -> "DTP":
        """Make the balancer."""
        return DTP(self.gamma, self.decay, self.margin)


class DTP(Balancer):
    """Σ −(1 − κᵢ)^γ log κᵢ · Lᵢ, where κᵢ in (0, 1) says how well task i is done.

    κ is a running mean, over the batches up to this one, of

    - the share of RUL predictions at most 10 cycles from the label;
    - the accuracy of the health classes.

    The weights tell nothing of the losses' sizes: at equal κ the RUL loss in cycles² dominates
    as it does with `fixed`.

    Source: Guo, Haque, Huang, Yeung and Fei-Fei 2018, Dynamic Task Prioritization for
    Multitask Learning. There a γ for each task and a mean with a start of its own; here one γ,
    and a mean that starts at the first batch (the zero start of `amnl_ema`, bias corrected).
    The paper's weight is endless at κ = 0 and 0 at κ = 1, where a task would never be trained
    again, so κ is kept within a margin of both. The paper's priorities among the samples of
    one task are left out.

    Args:
        gamma: γ.
        decay: Share of the old mean that stays in each step.
        margin: Least distance of κ from 0 and 1.

    >>> kpis = torch.tensor([0.5, 0.5])
    >>> DTPConfig().build()(torch.tensor([1.0, 1.0]), kpis=kpis).weights  # ½ ln 2
    tensor([0.3466, 0.3466])
    """

    watches_kpis: ClassVar[bool] = True
    mean: Tensor
    seen: Tensor

    def __init__(self, gamma: float = 1.0, decay: float = 0.95, margin: float = 1e-3) -> None:
        super().__init__()
        self.gamma = gamma
        self.decay = decay
        self.margin = margin
        self.register_buffer("mean", torch.zeros(2))
        # 1 − βᵗ, the share of the mean that KPIs have filled.
        self.register_buffer("seen", torch.zeros(()))

    @torch.no_grad()
    def observe(self, kpis: Tensor) -> None:
        """Put the KPIs [2] into the mean; the first ones are the mean."""
        gain = 1 - self.decay
        self.seen.mul_(self.decay).add_(gain)
        self.mean.lerp_(kpis.to(self.mean.dtype), torch.full_like(self.seen, gain) / self.seen)

    def balance(self, losses: Tensor, shared: Tensor | None) -> Balanced:  # noqa: ARG002
        """Return the sum and the weights −(1 − κᵢ)^γ log κᵢ."""
        kappa = self.mean.clamp(self.margin, 1 - self.margin)
        return weighted(losses, -(1 - kappa).pow(self.gamma) * kappa.log())

    def diagnostics(self, losses: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """Return the mean KPIs."""
        return by_task("kpi", self.mean)

    def extra_repr(self) -> str:
        """Show the options and the mean KPIs."""
        return (
            f"gamma={self.gamma}, decay={self.decay}, margin={self.margin}, "
            f"mean={self.mean.tolist()}"
        )
