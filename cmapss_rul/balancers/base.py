"""Base class of the loss balancers, and helpers that they share."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from cmapss_rul.config.base import Config

# within these bounds a factor, its inverse and its product with a loss are finite in float32
Positive = Annotated[float, Field(ge=1e-12, le=1e12)]
PositivePair = tuple[Positive, Positive]
TASKS = ("rul", "health")


class BalancedLoss(NamedTuple):
    """Total loss and the weights of the two losses in it.

    Attributes:
        total: scalar with graph, to call `backward` on.
        weights: [2], detached: the factor of each loss's gradient in the gradient of the total,
            including all constants (λ, ½).
    """

    total: Tensor
    weights: Tensor


class Balancer(nn.Module, ABC):
    """Combines the RUL and the health loss into one scalar, once per training step.

        [RUL loss, health loss] --> Balancer --> total loss, weights

    All state is in parameters, buffers and the optimiser of the balancer's own parameters, so
    that a run resumes bit for bit from their state dicts. A step never synchronises with the
    device, so initialisation from the first batch uses `torch.where`, not `if`.
    """

    uses_kpis: ClassVar[bool] = False
    """Whether the method needs the KPIs of each batch; otherwise they are not computed."""

    reduce_gradient: Callable[[Tensor], Tensor] | None = None
    """All-reduce (mean) of a gradient over ranks; None in single-process training."""

    _optimiser: torch.optim.Optimizer | None = None

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config

    def forward(
        self, losses: Tensor, shared: Tensor | None = None, kpis: Tensor | None = None
    ) -> BalancedLoss:
        """Balance the losses of one training step, and update the balancer's state.

        Args:
            losses: [2], RUL and health loss, with graph.
            shared: weights of the network's last shared layer, for methods that use gradient norms.
            kpis: [2], from `dtp.batch_kpis`, for methods with `uses_kpis`.

        Returns:
            The total loss and its weights.

        Raises:
            ValueError: losses or KPIs of another shape, or missing KPIs.
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
        """Combine the losses [2]; implemented by every method."""

    def observe(self, kpis: Tensor) -> None:
        """Update the state with the batch's KPIs [2], before `balance`."""

    def epoch_end(self, mean_losses: Tensor) -> None:
        """Update the state after each training epoch.

        Args:
            mean_losses: [2], RUL and health loss, means over the epoch's windows.
        """

    def optimiser(self) -> torch.optim.Optimizer | None:
        """Return the Adam optimiser of the balancer's own parameters.

        The training loop steps it with the network's optimiser and saves it.

        Returns:
            The same object in each call; None if there are no parameters.
        """
        own = list(self.parameters())
        if own and self._optimiser is None:
            # constant learning rate, without warm-up: a run has some hundred steps, too few for
            # the parameters to converge otherwise (*measured* for `uncertainty`). They are not
            # clipped: at s₁ = 0 the gradient of `uncertainty` is near 2,000, and a joint norm would
            # shrink the network's step by that factor. Only the fused implementation honours
            # `found_inf`, which skips the step after a non-finite loss without a host sync.
            rate = self.config.learning_rate  # type: ignore[attr-defined]
            self._optimiser = torch.optim.Adam(own, lr=rate, fused=True)
        return self._optimiser

    def diagnostics(self, losses: Tensor) -> dict[str, Tensor]:  # noqa: ARG002 - for members
        """Return scalars to log, which show whether the method works as intended.

        Args:
            losses: [2], of the current step.
        """
        return {}

    def extra_repr(self) -> str:
        """Show the options, then the parameters and buffers."""
        options = {name: value for name, value in self.config if name != "name"}
        state = {name: value.tolist() for name, value in self.state_dict().items()}
        return ", ".join(f"{name}={value!r}" for name, value in (options | state).items())


def weighted_sum(losses: Tensor, weights: Tensor) -> BalancedLoss:
    """Return Σ wᵢ Lᵢ and the weights, which are detached.

    Args:
        losses: [2], with graph.
        weights: [2].
    """
    weights = weights.detach().to(losses.dtype)
    return BalancedLoss((weights * losses).sum(), weights)


def normalised_sum(losses: Tensor, divisors: Tensor, scale: float) -> BalancedLoss:
    """Return Σ scale · Lᵢ / dᵢ and its weights; the divisors are detached.

    Divides instead of multiplying by the inverse, so that L / L is exactly 1.

    Args:
        losses: [2], with graph.
        divisors: [2], above 0.
        scale: common factor.
    """
    divisors = divisors.detach().to(losses.dtype)
    return BalancedLoss((losses / divisors * scale).sum(), scale / divisors)


def gradient_norms(
    losses: Tensor, shared: Tensor | None, reduce_gradient: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Return the gradient norm ‖∇_W Lᵢ‖ of each loss, [2], detached; the graph is retained.

    Args:
        losses: [2], with graph.
        shared: W, the weights of the last shared layer.
        reduce_gradient: see `Balancer.reduce_gradient`.

    Raises:
        ValueError: `shared` is missing.
    """
    if shared is None:
        raise ValueError("`shared` should be the weights of the last shared layer, found None")
    # `autograd.grad` does not accumulate into `.grad`; the backward pass of the total still needs
    # the graph
    gradients = [
        torch.autograd.grad(loss, shared, retain_graph=True)[0] for loss in losses.unbind()
    ]
    if reduce_gradient is not None:
        # average before taking the norm: the mean of the ranks' norms would be too large
        gradients = [reduce_gradient(gradient) for gradient in gradients]
    return torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])


def per_task(name: str, values: Tensor) -> dict[str, Tensor]:
    """Label the two entries of a tensor [2] for the log.

    >>> per_task("share", torch.tensor([1.0, 2.0]))
    {'share_rul': tensor(1.), 'share_health': tensor(2.)}
    """
    return {f"{name}_{task}": value for task, value in zip(TASKS, values.unbind(), strict=True)}
