"""Base class of the balancers, and the weighted sums that they share."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Annotated, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from cmapss_rul.config.base import Config

# Within these bounds a factor, its inverse and its product with a loss fit into float32.
Positive = Annotated[float, Field(ge=1e-12, le=1e12)]
PositivePair = tuple[Positive, Positive]
TASKS = ("rul", "health")


class BalancedLoss(NamedTuple):
    """Total loss and the weights behind it.

    Attributes:
        total: Scalar with graph, to call `backward` on.
        weights: [2], without graph: the factor of each loss's gradient in the gradient of the
            total, all constants (λ, ½) included.
    """

    total: Tensor
    weights: Tensor


class Balancer(nn.Module, ABC):
    """Combines the two losses into one, once per training step.

        [RUL loss, health loss] --> Balancer --> total loss, weights

    All state is in parameters and buffers, and in the optimiser of the balancer's own parameters
    where it has some: saving and loading these two resumes bit for bit. No step synchronises
    with the device, so initialisation from the first batch uses `torch.where`, not `if`.
    """

    uses_kpis: ClassVar[bool] = False
    """Whether the method needs the KPIs of each batch, which are computed only then."""

    reduce_gradient: Callable[[Tensor], Tensor] | None = None
    """Averages a gradient over all ranks; None where one process trains."""

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
            shared: Weights of the network's last shared layer, for methods that use gradients.
            kpis: [2], of the batch, from `dtp.batch_kpis`, for methods with `uses_kpis`.

        Returns:
            The total loss and its weights.

        Raises:
            ValueError: Losses or KPIs of another shape, or no KPIs where the method needs them.
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
        """Combine losses [2], whose shape `forward` has checked; every method implements this."""

    def observe(self, kpis: Tensor) -> None:
        """Update the state with the batch's KPIs [2], before its losses are balanced."""

    def epoch_end(self, mean_losses: Tensor) -> None:
        """Update the state after each training epoch.

        Args:
            mean_losses: [2], RUL and health loss, means over the epoch's windows.
        """

    def optimiser(self) -> torch.optim.Optimizer | None:
        """Return the Adam of the balancer's own parameters, at the configuration's learning rate.

        The training loop steps it with the network's optimiser and saves it.

        Returns:
            The same optimiser in each call; None where there are no parameters.
        """
        own = list(self.parameters())
        if own and self._optimiser is None:
            # Constant, without warm-up: a run has some hundred steps, few for the parameters to
            # arrive (measured for `uncertainty`). Clipping leaves them out: at s₁ = 0 the gradient
            # of `uncertainty` is near 2,000, and a joint norm would shrink the network's step by
            # that factor. Only the fused implementation honours `found_inf`, which skips the step
            # after a non-finite loss without a host synchronisation.
            rate = self.config.learning_rate  # type: ignore[attr-defined]
            self._optimiser = torch.optim.Adam(own, lr=rate, fused=True)
        return self._optimiser

    def diagnostics(self, losses: Tensor) -> dict[str, Tensor]:  # noqa: ARG002 - for members
        """Return scalars for the log that show whether the method works as intended.

        Args:
            losses: [2], of the step just balanced.
        """
        return {}

    def extra_repr(self) -> str:
        """Show the options, then the trained and the running values."""
        options = {name: value for name, value in self.config if name != "name"}
        state = {name: value.tolist() for name, value in self.state_dict().items()}
        return ", ".join(f"{name}={value!r}" for name, value in (options | state).items())


def weighted_sum(losses: Tensor, weights: Tensor) -> BalancedLoss:
    """Return Σ wᵢ Lᵢ and its weights, which are treated as constants.

    Args:
        losses: [2], with graph.
        weights: [2].
    """
    weights = weights.detach().to(losses.dtype)
    return BalancedLoss((weights * losses).sum(), weights)


def normalised_sum(losses: Tensor, divisors: Tensor, scale: float) -> BalancedLoss:
    """Return Σ scale · Lᵢ / dᵢ and its weights; the divisors are treated as constants.

    Divides instead of multiplying by the inverse, so that a loss over itself is exactly 1.

    Args:
        losses: [2], with graph.
        divisors: [2], above 0.
        scale: One factor for both.
    """
    divisors = divisors.detach().to(losses.dtype)
    return BalancedLoss((losses / divisors * scale).sum(), scale / divisors)


def gradient_norms(
    losses: Tensor, shared: Tensor | None, reduce_gradient: Callable[[Tensor], Tensor] | None = None
) -> Tensor:
    """Return ‖∇_W Lᵢ‖ of each loss, [2], as constants; the graph is retained.

    Args:
        losses: [2], with graph.
        shared: W, the weights of the last shared layer.
        reduce_gradient: see `Balancer.reduce_gradient`.

    Raises:
        ValueError: `shared` is missing.
    """
    if shared is None:
        raise ValueError("`shared` should be the weights of the last shared layer, found None")
    # `autograd.grad` leaves the `.grad` of the network's weights alone; the graph is retained for
    # the backward pass of the total
    gradients = [
        torch.autograd.grad(loss, shared, retain_graph=True)[0] for loss in losses.unbind()
    ]
    if reduce_gradient is not None:
        # the mean over ranks comes before the norm: a norm of a share would be too large
        gradients = [reduce_gradient(gradient) for gradient in gradients]
    return torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])


def per_task(name: str, values: Tensor) -> dict[str, Tensor]:
    """Name the two entries of a tensor [2] for the log.

    >>> per_task("share", torch.tensor([1.0, 2.0]))
    {'share_rul': tensor(1.), 'share_health': tensor(2.)}
    """
    return {f"{name}_{task}": value for task, value in zip(TASKS, values.unbind(), strict=True)}
