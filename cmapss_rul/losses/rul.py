"""Losses of the RUL task. Targets and predictions are in cycles.

Targets are not scaled to [0, 1]: the squared error would fall below the floor of 1.0 in `amnl`,
which would silently become a fixed weight.
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

    name: Literal["huber"] = Field("huber", description="Quadratic near 0, linear beyond.")
    delta: float = Field(
        10.0, gt=0, le=1e6, description="Error at which the linear part begins, cycles."
    )

    def build(self, cap: int) -> "Huber":  # noqa: ARG002 - one signature for all
        """Build the loss."""
        return Huber(self.delta)


RulLossConfig = Annotated[WeightedMSEConfig | MSEConfig | HuberConfig, Field(discriminator="name")]


class RulLoss(nn.Module, ABC):
    """Weighted mean Σ wᵢ eᵢ / Σ wᵢ of the windows' errors eᵢ = e(ŷᵢ, yᵢ).

    Of a window of a censored record only a lower bound bᵢ of the RUL is known: the cycles that
    its record still has. Its loss is one-sided,

        eᵢ = e(min(ŷᵢ, bᵢ), bᵢ),   with the weight of a target bᵢ:

    0 where the prediction reaches the bound, and below it the loss of any other window. Bounds
    are capped as the targets are.

    Source: Shivaswamy, Chu and Jansche, "A support vector approach to censored targets", ICDM
    2007, whose loss is linear and has a tolerance; here it is that of the other windows.

    Shapes:
        predicted: [batch], cycles.
        target: [batch], cycles, capped; the lower bound where `censored`.
        censored: [batch], bool; None where no window is.
        returns: scalar.
    """

    @abstractmethod
    def errors(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return the error eᵢ of each window, [batch]."""

    def weights(self, target: Tensor) -> Tensor:
        """Return the weight wᵢ of each window, [batch]; 1 by default."""
        # Σ wᵢ is then the number of windows, so that batches of different sizes add up over ranks
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
            # every loss is 0, and flat, where the prediction is the target
            predicted = torch.where(censored, torch.minimum(predicted, target), predicted)
        # both parts, not their ratio: a mean of the ranks' means would be another loss
        weights = self.weights(target)
        return (weights * self.errors(predicted, target)).sum(), weights.sum()

    def forward(self, predicted: Tensor, target: Tensor, censored: Tensor | None = None) -> Tensor:
        """Return the loss, a scalar."""
        total, weight = self.sum_and_weight(predicted, target, censored)
        # never 0, unlike the health loss's: each window weighs 1 or more, a censored one too
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
        # clamp: beyond the cap the weight would fall below 1, and below 0 beyond twice the cap
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
    """½ d² up to an error d of `delta` cycles, delta (|d| − ½ delta) beyond.

    Source: Huber 1964.
    """

    def __init__(self, delta: float) -> None:
        super().__init__()
        self.delta = delta

    def errors(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return Huber's function of ŷ − y."""
        # with the factor ½ of the definition: a small error counts half of what it does in `mse`
        return huber_loss(predicted, target, reduction="none", delta=self.delta)

    def extra_repr(self) -> str:
        """Show delta."""
        return f"delta={self.delta}"
