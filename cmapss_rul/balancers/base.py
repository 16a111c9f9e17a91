"""What every balancer is."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

# Bounds that keep a factor, its inverse and its product with a loss inside float32.
Positive = Annotated[float, Field(ge=1e-12, le=1e12)]
PositivePair = tuple[Positive, Positive]
TASKS = ("rul", "health")


class BalancedLoss(NamedTuple):
    """Two losses made one.

    Attributes:
        total: Scalar with graph; its gradient is what trains the network.
        weights: [2], without graph: the factor of each loss's gradient in the total, every
            constant (λ, ½) included, as used in this step.
    """

    total: Tensor
    weights: Tensor


class Balancer(nn.Module, ABC):
    """Makes one loss of two, once a training step.

        [RUL loss, health loss] --> Balancer --> total loss, weights

    Whatever a balancer remembers lies in parameters and buffers, and in the optimiser of its
    own parameters where it has some: saving these two and loading them goes on exactly. No
    step reads a value back from the device: a start from the first batch is chosen by
    `torch.where` and not by `if`.
    """

    uses_kpis: ClassVar[bool] = False
    """Whether the method needs the batch's KPIs, which are computed for those alone."""

    reduce_gradient: Callable[[Tensor], Tensor] | None = None
    """Makes a gradient of a share of the batch that of the batch, where several ranks train."""

    _optimiser: torch.optim.Optimizer | None = None

    def forward(
        self, losses: Tensor, shared: Tensor | None = None, kpis: Tensor | None = None
    ) -> BalancedLoss:
        """Balance the losses of one training step, and take note of them.

        Args:
            losses: [2], RUL and health loss, with graph.
            shared: Weights of the network's last shared layer, for methods that look at
                gradients.
            kpis: [2], of the batch, as from `batch_kpis`, for methods that watch them.

        Returns:
            The total loss and the weights used in it.

        Raises:
            ValueError: Losses of another shape, or no KPIs where they are watched.
        """
        if losses.shape != (2,):
            raise ValueError(
                "`losses` should be the RUL and the health loss, shape (2,), "
                f"found shape {tuple(losses.shape)}"
            )
        if self.uses_kpis:
            if kpis is None or kpis.shape != (2,):
                found = "None" if kpis is None else f"shape {tuple(kpis.shape)}"
                raise ValueError(
                    f"`kpis` should be those of the two tasks, shape (2,), found {found}"
                )
            self.observe(kpis)
        return self.balance(losses, shared)

    @abstractmethod
    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:
        """Do what `forward` says, for losses of the right shape. Every method has its own."""

    def observe(self, kpis: Tensor) -> None:
        """Take note of the batch's KPIs [2], before its losses are balanced."""

    def epoch_end(self, mean_losses: Tensor) -> None:
        """Take note that an epoch was trained, once after each.

        Args:
            mean_losses: [2], RUL and health loss, means over the epoch's windows.
        """

    def optimiser(self) -> torch.optim.Optimizer | None:
        """Return the optimiser of the balancer's own parameters; None where it has none.

        Its learning rate is constant, without warm-up or schedule, and its gradients are not
        clipped. The training loop steps it beside the network's and keeps its state.
        """
        return None

    def diagnostics(self, losses: Tensor) -> dict[str, Tensor]:  # noqa: ARG002 - for members
        """Return scalars for the log that say whether the method works as meant.

        Args:
            losses: [2], those of the step just balanced.
        """
        return {}

    def _adam(self, learning_rate: float) -> torch.optim.Optimizer:
        """Return the one Adam of this balancer's parameters."""
        if self._optimiser is None:
            # The fused kind can be told by `found_inf` to leave out a step whose loss is not
            # finite, without a look from the host.
            self._optimiser = torch.optim.Adam(self.parameters(), lr=learning_rate, fused=True)
        return self._optimiser


def weighted_sum(losses: Tensor, weights: Tensor) -> BalancedLoss:
    """Return Σ wᵢ Lᵢ with its weights, which count as constants.

    Args:
        losses: [2], with graph.
        weights: [2].
    """
    weights = weights.detach().to(losses.dtype)
    return BalancedLoss((weights * losses).sum(), weights)


def normalised_sum(losses: Tensor, divisors: Tensor, scale: float) -> BalancedLoss:
    """Return Σ scale · Lᵢ / dᵢ with its weights; the divisors count as constants.

    A loss over itself is exactly 1 here. Times its inverse it would only be nearly so.

    Args:
        losses: [2], with graph.
        divisors: [2], above 0.
        scale: One factor for both.
    """
    divisors = divisors.detach().to(losses.dtype)
    return BalancedLoss((losses / divisors * scale).sum(), scale / divisors)


def per_task(name: str, values: Tensor) -> dict[str, Tensor]:
    """Name the two entries of a [2] for the log.

    >>> per_task("share", torch.tensor([1.0, 2.0]))
    {'share_rul': tensor(1.), 'share_health': tensor(2.)}
    """
    return {f"{name}_{task}": value for task, value in zip(TASKS, values.unbind(), strict=True)}
