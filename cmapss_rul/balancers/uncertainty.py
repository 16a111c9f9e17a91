"""Homoscedastic uncertainty weighting: weights from learned noise levels of the tasks."""

from typing import Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cmapss_rul.balancers.base import BalancedLoss, Balancer, per_task
from cmapss_rul.config.base import Config


class UncertaintyConfig(Config):
    """Configuration of `uncertainty`."""

    name: Literal["uncertainty"] = Field("uncertainty", description="Learned task noise.")
    form: Literal["regression_half", "symmetric"] = Field(
        "regression_half",
        description="'regression_half': ½ on the RUL loss and 1 on the health loss, as derived "
        "for a regression and a classification; 'symmetric': ½ on both.",
    )
    start: Literal["first_loss", "zero"] = Field(
        "first_loss",
        description="Initial value of each s: ln L of the first batch; or 0, too far from the "
        "optimum for a short run.",
    )
    learning_rate: float = Field(
        1e-2, gt=0, le=1, description="Constant learning rate of the Adam of s."
    )

    def build(self) -> "Uncertainty":
        """Build the balancer."""
        return Uncertainty(self)


class Uncertainty(Balancer):
    """Σ cᵢ e^(−sᵢ) Lᵢ + ½ sᵢ with learned sᵢ = log σᵢ², the log noise variance of task i.

    c₁ = ½ for the regression; c₂ = 1 for the classification, or ½ in the symmetric form. The
    optimum is sᵢ = ln(2 cᵢ Lᵢ): ln L with c = ½, ln L + ln 2 with c = 1. The total can be
    negative.

    Source: Kendall, Gal and Cipolla 2018, Multi-Task Learning Using Uncertainty to Weigh
    Losses, equations 7 to 10. There the initial s is free and s shares the network's
    optimiser; here it has its own, without weight decay, and starts at ln max(Lᵢ, 1e-8). From 0 it
    converges too slowly for a fair comparison with other methods (*measured*: with a learning rate
    of 1e-2, s₁ is at 1.9 after 1,000 steps, and its optimum near 6).

    >>> UncertaintyConfig().build()(torch.tensor([4000.0, 1.25])).weights
    tensor([1.2500e-04, 8.0000e-01])
    """

    def __init__(self, config: UncertaintyConfig) -> None:
        super().__init__(config)
        self.log_variance = nn.Parameter(torch.zeros(2))
        # *from the paper*: the Gaussian likelihood has a factor ½, the softmax has none
        factors = (0.5, 1.0) if config.form == "regression_half" else (0.5, 0.5)
        self.factors = nn.Buffer(torch.tensor(factors))
        self.started = nn.Buffer(torch.tensor(config.start == "zero"))

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:  # noqa: ARG002
        """Return the total and the weights cᵢ e^(−sᵢ)."""
        self._start(losses.detach())
        # s = log σ², not σ²: no division, and no constraint to positive values
        weights = self.factors * torch.exp(-self.log_variance)
        # ½ s is the normalisation of the likelihood; without it s would grow without bound
        total = (weights * losses + 0.5 * self.log_variance).sum()
        return BalancedLoss(total, weights.detach().to(losses.dtype))

    @torch.no_grad()
    def _start(self, losses: Tensor) -> None:
        """Initialise s to ln L of the first batch; later calls change nothing."""
        first = losses.clamp_min(1e-8).log().to(self.log_variance.dtype)
        # torch.where instead of `if`, which would synchronise with the device
        self.log_variance.copy_(torch.where(self.started, self.log_variance, first))
        self.started.fill_(True)

    @torch.no_grad()
    def diagnostics(self, losses: Tensor) -> dict[str, Tensor]:
        """Return sᵢ − ln Lᵢ: about 0 (ln 2 if c = 1) as long as s tracks the loss."""
        return per_task("lag", self.log_variance - losses.clamp_min(1e-8).log())
