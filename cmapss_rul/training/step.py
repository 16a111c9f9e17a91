"""One training step: network, losses, balancer, optimisers and weight averaging."""

import copy
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cmapss_rul.balancers.base import Balancer
from cmapss_rul.balancers.dtp import batch_kpis
from cmapss_rul.data.windows import Batch
from cmapss_rul.losses import CrossEntropy, RulLoss
from cmapss_rul.model.network import Network
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.muon import Muon
from cmapss_rul.training.ranks import ProcessGroup
from cmapss_rul.training.schedule import Schedule, warmup_factor
from cmapss_rul.training.trained_model import check_weights

NEVER = 2**62
"""Value of `TrainingStep.first_bad` if all steps were finite."""


@dataclass
class StepPlan:
    """Number of steps of a run, for the schedule.

    Attributes:
        steps: number of steps of the whole run.
        warmup: number of warm-up steps among them.
    """

    steps: int
    warmup: int

    @classmethod
    def count(cls, config: RunConfig, steps_per_epoch: int) -> "StepPlan":
        """Count steps; the warm-up takes at most half of the run."""
        steps = config.train.epochs * steps_per_epoch
        # at most half: a short run would otherwise never reach the peak rate
        return cls(steps, min(round(config.train.warmup * steps_per_epoch), steps // 2))


class TrainingStep:
    """All stateful components of training, and the step that combines them.

    A step never synchronises with the device. If a total loss or gradient norm is not finite,
    the number of the first such step is stored on the device, in `first_bad`, which disables all
    further updates of the weights; the loop reads it once per epoch.
    """

    def __init__(
        self,
        config: RunConfig,
        network: Network,
        device: torch.device,
        group: ProcessGroup | None = None,
    ) -> None:
        train = config.train
        self.train_config = train
        self.seed = config.seed
        self.device = device
        self.group = group or ProcessGroup()
        self.network = self.group.with_sync_batch_norm(network).to(device)
        # MPS does not support float64
        self.sum_dtype = torch.float32 if device.type == "mps" else torch.float64
        half = train.mixed_precision and device.type == "cuda"
        self.precision = torch.autocast("cuda", torch.bfloat16) if half else nullcontext()
        self.rul_loss: RulLoss = config.loss.rul.build(config.data.cap).to(device)
        self.health_loss: CrossEntropy = config.loss.health.build().to(device)
        self.balancer: Balancer = config.balancer.build().to(device)
        if self.group.size > 1:
            self.balancer.reduce_gradient = self.group.mean_gradient
        self.schedule: Schedule = train.schedule.build()
        self.parameters: list[Tensor] = list(self.network.parameters())
        self.optimiser = self._network_optimiser()
        self.balancer_optimiser = self.balancer.optimiser()
        self.trained: list[Tensor] = [*self.parameters, *self.balancer.parameters()]
        self.averaged: Network | None = None
        if train.ema is not None:
            self.averaged = copy.deepcopy(self.network).requires_grad_(False)
            self.averaged_weights: list[Tensor] = list(self.averaged.parameters())
        # after the copy, since the averaged weights must not be wrapped in DDP
        self.forward = self.group.distribute(self.network)
        self.first_bad = torch.full((), NEVER, dtype=torch.int64, device=device)

    def _network_optimiser(self) -> torch.optim.Optimizer:
        rate, decay = self.train_config.learning_rate, self.train_config.weight_decay
        if self.train_config.optimiser == "adamw":
            # fused: only this implementation honours `found_inf`
            return torch.optim.AdamW(self.parameters, lr=rate, weight_decay=decay, fused=True)
        # *measured* on FD001: Muon for these four matrices learns faster than for all seven
        recurrent = self.network.bilstm.parameters()
        matrices = {id(weight): weight for weight in recurrent if weight.ndim == 2}
        others = [weight for weight in self.parameters if id(weight) not in matrices]
        return Muon(matrices.values(), others, lr=rate, weight_decay=decay)

    def learning_rate(self, step: int, plan: StepPlan) -> float:
        """Return the learning rate of a step, counted from 0."""
        progress = (step - plan.warmup) / max(plan.steps - plan.warmup, 1)
        factor = self.schedule.factor(min(max(progress, 0.0), 1.0))
        return self.train_config.learning_rate * warmup_factor(step, plan.warmup) * factor

    def take(self, batch: Batch, step: int, plan: StepPlan) -> Tensor:
        """Take a training step; `step` is its number in the run, from 0.

        Returns:
            measures: [6], in the order of `MEASURES`, on the device.
        """
        for weight in self.trained:  # faster than zero_grad() of both optimisers
            weight.grad = None
        losses, kpis = self._losses(batch, step)
        total, loss_weights = self.balancer(losses, self.network.shared_weight, kpis)
        total.backward()  # also computes the gradients of the balancer's parameters
        norm = self._clip()
        self._flag(total, norm, step)
        rate = self.learning_rate(step, plan)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        for optimiser in self._optimisers():
            optimiser.step()
        self._average(step)
        # `fixed` is always clipped and `amnl` hardly ever, which may matter more than the loss
        # weights: so all comparisons show the share of clipped steps
        clipped = norm > (self.train_config.clip or float("inf"))
        measures = [losses.detach(), loss_weights, norm.view(1), clipped.view(1)]
        return torch.cat(measures).to(self.sum_dtype)

    def _optimisers(self) -> list[torch.optim.Optimizer]:
        both = (self.optimiser, self.balancer_optimiser)
        return [optimiser for optimiser in both if optimiser is not None]

    def _losses(self, batch: Batch, step: int) -> tuple[Tensor, Tensor | None]:
        """Compute the losses [2] and, if the balancer uses them, the KPIs [2].

        Only the forward pass is autocast; losses are computed in float32.
        """
        with self.group.rank_generator(self.seed, step), self.precision:
            output = self.forward(batch.windows, batch.padding)
        rul = self.rul_loss.sum_and_weight(output.rul.float(), batch.rul, batch.censored)
        health = self.health_loss.sum_and_weight(output.health.float(), batch.health)
        kpis = None
        if self.balancer.uses_kpis:
            kpis = batch_kpis(output.rul, output.health, batch.rul, batch.health, batch.censored)
        numerators, denominators = (torch.stack(part) for part in zip(rul, health, strict=True))
        return self.group.batch_means(numerators, denominators, kpis, len(batch.rul))

    def _clip(self) -> Tensor:
        """Clip the network's gradient, never the balancer's; return its norm before clipping."""
        gradients: list[Any] = [weight.grad for weight in self.parameters]
        norm: Tensor = torch.stack(torch._foreach_norm(gradients)).norm()
        if self.train_config.clip:
            # with a tensor, as in torch.nn.utils.clip_grad_norm_, which avoids a host sync
            torch._foreach_mul_(gradients, (self.train_config.clip / (norm + 1e-6)).clamp(max=1))
        return norm

    def _flag(self, total: Tensor, norm: Tensor, step: int) -> None:
        """Record the first non-finite step, and disable the updates from then on."""
        # also the norm: a loss may be finite but not its gradient
        bad_now = torch.where((total.detach() + norm).isfinite(), NEVER, step)
        self.first_bad = torch.minimum(self.first_bad, bad_now)
        blocked = (self.first_bad <= step).float()
        for optimiser in self._optimisers():  # as in GradScaler: read by the fused kernels
            optimiser.found_inf = blocked  # type: ignore[attr-defined]

    @torch.no_grad()
    def _average(self, step: int) -> None:
        """Update the averaged weights: a ← d·a + (1 − d)·w, d = min(ema, (1 + t)/(10 + t)).

        The decay d increases with the step t, so that the average soon forgets the initial weights.
        """
        if self.averaged is not None and self.train_config.ema is not None:
            # the usual ramp: 0.1 initially, 0.99 from step 890 on
            decay = min(self.train_config.ema, (1 + step) / (10 + step))
            torch._foreach_lerp_(self.averaged_weights, self.parameters, 1 - decay)

    def evaluation_network(self) -> Network:
        """Return the network for evaluation: averaged weights and current buffers, if averaged."""
        if self.averaged is None:
            return self.network
        # batch normalisation statistics, which are running averages already
        buffers = zip(self.averaged.buffers(), self.network.buffers(), strict=True)
        for averaged, newest in buffers:
            averaged.copy_(newest)
        return self.averaged

    def state_dict(self) -> dict[str, Any]:
        """Return all state for an exact resumption, as plain values and tensors."""
        balancer_optimiser = self.balancer_optimiser
        state = {
            "model": dict(self.evaluation_network().state_dict()),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "balancer": dict(self.balancer.state_dict()),
            "balancer_optimiser": balancer_optimiser and balancer_optimiser.state_dict(),
        }
        if self.averaged is not None:
            state["model_raw"] = dict(self.network.state_dict())
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load what `state_dict` returned.

        Raises:
            ValueError: a state does not match, or is not finite.
        """
        expected = self.network.state_dict()
        check_weights(state["model"], expected)
        if self.averaged is None:
            self.network.load_state_dict(state["model"])
        else:
            check_weights(state["model_raw"], expected)
            self.network.load_state_dict(state["model_raw"])
            self.averaged.load_state_dict(state["model"])
        _load(self.optimiser, state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.balancer.load_state_dict(state["balancer"])
        if self.balancer_optimiser is not None:
            _load(self.balancer_optimiser, state["balancer_optimiser"])


def _load(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an optimiser's state and check that it matches, which PyTorch does not."""
    settings = [_settings(group) for group in optimiser.param_groups]
    optimiser.load_state_dict(state)
    if [_settings(group) for group in optimiser.param_groups] != settings:
        raise ValueError("the optimiser has other settings than its configuration")
    for group in optimiser.param_groups:
        for weights in group["params"]:
            for name, value in optimiser.state[weights].items():
                if value.ndim and value.shape != weights.shape:
                    raise ValueError(f"size mismatch of the optimiser's {name}")


def _settings(group: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a parameter group that are constant over steps."""
    return {key: value for key, value in group.items() if key not in ("params", "lr")}
