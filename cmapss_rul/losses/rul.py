"""Losses of the RUL task. Targets and predictions are in cycles.

Targets are not scaled to [0, 1]: the squared error would fall below the floor of 1.0 in `amnl`,
which would silently turn into a fixed weight.
"""

from abc import ABC, abstractmethod
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import huber_loss

from cmapss_rul.config.base import Config


class WeightedMSEConfig(Config):
    """Configuration of `weighted_mse`."""

    name: Literal["weighted_mse"] = Field(
        "weighted_mse", description="Squared error, double weight at failure."
    )

    def build(self, cap: int) -> "WeightedMSE":
        """Build the loss for labels capped at `cap` cycles."""
        return WeightedMSE(cap)


class MSEConfig(Config):
    """Configuration of `mse`."""

    name: Literal["mse"] = Field("mse", description="Mean squared error.")

    def build(self, cap: int) -> "MSE":  # noqa: ARG002 - one signature for all
        """Build the loss."""
        return MSE()


class HuberConfig(Config):
    """Configuration of `huber`."""

    name: Literal["huber"] = Field("huber", description="Huber loss: linear beyond `delta`.")
    delta: float = Field(
        10.0, gt=0, le=1e6, description="Error at which the linear part begins, cycles."
    )

    def build(self, cap: int) -> "Huber":  # noqa: ARG002 - one signature for all
        """Build the loss."""
        return Huber(self.delta)


RulLossConfig = Annotated[WeightedMSEConfig | MSEConfig | HuberConfig, Field(discriminator="name")]


class RulLoss(nn.Module, ABC):
    """Weighted mean Σ wᵢ eᵢ / Σ wᵢ of the windows' errors eᵢ = e(ŷᵢ, yᵢ).

    For a window of a censored record only a lower bound bᵢ of the RUL is known: the number of
    cycles that follow in its record. Its loss is one-sided,

        eᵢ = e(min(ŷᵢ, bᵢ), bᵢ),   weighted like a target bᵢ:

    0 if the prediction reaches the bound, otherwise the loss of an uncensored window. Bounds are
    capped as the targets are.

    Source: Shivaswamy, Chu and Jansche, "A support vector approach to censored targets", ICDM
    2007, with a linear loss and a tolerance; here the loss is that of the uncensored windows.

    Shapes:
        predicted: [batch], cycles.
        target: [batch], cycles, capped; the lower bound where `censored`.
        censored: [batch], bool; None if no window is censored.
        returns: scalar.
    """

    @abstractmethod
    def errors(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return the error eᵢ of each window, [batch]."""

    def weights(self, target: Tensor) -> Tensor:
        """Return the weight wᵢ of each window, [batch]; 1 by default."""
        # Σ wᵢ is then the number of windows, so that sums over ranks give the global mean
        return torch.ones_like(target)

    def sum_and_weight(
        self, predicted: Tensor, target: Tensor, censored: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return numerator and denominator of the mean, two scalars that can be summed over ranks.

        Raises:
            ValueError: Shapes differ; [batch] against [batch, 1] would silently broadcast to
                [batch, batch].
        """
        if predicted.shape != target.shape:
            raise ValueError(
                "`predicted` and `target` should have one shape, found "
                f"{tuple(predicted.shape)} and {tuple(target.shape)}"
            )
        if censored is not None:
            # e(b, b) = 0 with gradient 0, so a prediction above the bound is not penalised
            predicted = torch.where(censored, torch.minimum(predicted, target), predicted)
        # sum and weight, not their ratio: the mean of the ranks' means is not the global mean
        weights = self.weights(target)
        return (weights * self.errors(predicted, target)).sum(), weights.sum()

    def forward(self, predicted: Tensor, target: Tensor, censored: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar."""
        total, weight = self.sum_and_weight(predicted, target, censored)
        # the weight is never 0, unlike that of the health loss: each window weighs at least 1
        return total / weight


class WeightedMSE(RulLoss):
    """Weighted mean squared error, cycles², with double weight at failure.

    Σ wᵢ (ŷᵢ − yᵢ)² / Σ wᵢ with wᵢ = 2 − min(yᵢ, cap) / cap: 2 at failure, 1 when healthy,
    where ŷᵢ is the predicted and yᵢ the true RUL, capped at `cap` cycles.

    >>> WeightedMSE(cap=100)(torch.tensor([3.0, 100.0]), torch.tensor([0.0, 100.0]))
    tensor(6.)
    """

    def __init__(self, cap: int) -> None:
        super().__init__()
        self.cap = cap

    def weights(self, target: Tensor) -> Tensor:
        """Return 2 − min(y, cap) / cap."""
        # clamp: beyond the cap the weight would fall below 1, and become negative beyond 2 · cap
        return 2 - target.clamp(max=self.cap) / self.cap

    def errors(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return (ŷ − y)²."""
        return (predicted - target).square()

    def extra_repr(self) -> str:
        """Show the cap."""
        return f"cap={self.cap}"


class MSE(RulLoss):
    """Mean squared error, cycles²."""

    def errors(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return (ŷ − y)²."""
        return (predicted - target).square()


class Huber(RulLoss):
    """Huber loss: ½ d² for |d| ≤ delta, else delta (|d| − ½ delta), with d = ŷ − y in cycles.

    Source: Huber, Robust Estimation of a Location Parameter, 1964.
    """

    def __init__(self, delta: float) -> None:
        super().__init__()
        self.delta = delta

    def errors(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return the Huber loss of ŷ − y."""
        # includes the ½ of the definition: small errors cost half of what they do in `mse`
        return huber_loss(predicted, target, reduction="none", delta=self.delta)

    def extra_repr(self) -> str:
        """Show delta."""
        return f"delta={self.delta}"
