"""Cross-entropy of the health classes, and their RUL boundaries."""

from itertools import pairwise
from typing import Annotated

from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from cmapss_rul.config.base import Config

UNKNOWN_CLASS = -1
"""Class of a censored window whose lower bound is compatible with several classes."""


class HealthLossConfig(Config):
    """The `loss.health` part of a configuration.

    Classes are numbered in order of degradation, 0 the healthiest. A RUL equal to a boundary
    belongs to the worse class, except at a boundary equal to the cap, where it belongs to the
    healthier one, which would otherwise be empty: no capped label is larger. Published boundaries
    disagree; 125/50 is one of several.
    """

    boundaries: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1)] = Field(
        (125, 50),
        max_length=63,
        description="RUL boundaries between the health classes, descending, cycles.",
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Part of each label that is spread evenly over all classes."
    )

    @field_validator("boundaries")
    @classmethod
    def _check_descending(cls, boundaries: tuple[int, ...]) -> tuple[int, ...]:
        if any(low >= high for high, low in pairwise(boundaries)):
            raise ValueError(f"should be descending, found {list(boundaries)}")
        return boundaries

    @property
    def classes(self) -> int:
        """Number of health classes."""
        return len(self.boundaries) + 1

    def check(self, cap: int) -> None:
        """Reject boundaries that leave a class empty; the cap is in cycles.

        Raises:
            ValueError: Names the class that cannot occur.
        """
        first, *others = self.boundaries
        found = f"found {list(self.boundaries)} and cap {cap}"
        # pitfall of the published rule 'RUL ≤ 125 is degrading': with labels capped at 125, a head
        # of three classes is trained on two
        if first > cap:
            raise ValueError(
                f"no capped RUL lies above a boundary over the cap, so class 0 cannot occur: "
                f"loss.health.boundaries should be at most data.cap, {found}"
            )
        # RUL = cap is class 0, so class 1 begins one cycle below the cap.
        if first == cap and others and others[0] == cap - 1:
            raise ValueError(
                "no whole RUL lies between the cap and the cycle below it, so class 1 cannot "
                f"occur: the second of loss.health.boundaries should be below {cap - 1}, {found}"
            )

    def build(self) -> "CrossEntropy":
        """Build the loss."""
        return CrossEntropy(self.classes, self.label_smoothing)


class CrossEntropy(nn.Module):
    """Mean cross-entropy, in nats, over the windows whose class is known.

    Shapes:
        logits: [batch, class].
        classes: [batch], int64, 0 … K − 1; −1 where unknown, as for most windows of a censored
            record.
        returns: scalar; 0 if no class is known.

    >>> import torch
    >>> CrossEntropy(classes=2)(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0]))
    tensor(0.6931)
    """

    def __init__(self, classes: int, label_smoothing: float = 0.0) -> None:
        super().__init__()
        self.classes = classes
        self.label_smoothing = label_smoothing

    def sum_and_weight(self, logits: Tensor, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Return numerator and denominator of the mean, two scalars that can be summed over ranks.

        Raises:
            ValueError: Shapes that are not [batch, K] and [batch].
        """
        if classes.ndim != 1 or logits.shape != (len(classes), self.classes):
            raise ValueError(
                f"`logits` and `classes` should be [batch, {self.classes}] and [batch], found "
                f"{list(logits.shape)} and {list(classes.shape)}"
            )
        total = cross_entropy(
            logits,
            classes,
            ignore_index=UNKNOWN_CLASS,
            reduction="sum",
            label_smoothing=self.label_smoothing,
        )
        return total, (classes != UNKNOWN_CLASS).sum().to(total.dtype)

    def forward(self, logits: Tensor, classes: Tensor) -> Tensor:
        """Return the loss, a scalar."""
        total, weight = self.sum_and_weight(logits, classes)
        # a batch without a known class would give 0/0, and NaN gradients in all shared layers
        return total / weight.clamp(min=1)

    def extra_repr(self) -> str:
        """Show the options."""
        return f"classes={self.classes}, label_smoothing={self.label_smoothing}"
