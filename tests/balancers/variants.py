"""Every balancer, in every variant: what the battery runs on."""

import io
from typing import Any, get_args

import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from cmapss_rul.balancers import BalancedLoss, Balancer, BalancerConfig
from cmapss_rul.balancers.dtp import batch_kpis
from cmapss_rul.config.base import Config

ADAPTER: TypeAdapter[Any] = TypeAdapter(BalancerConfig)
MEMBERS = get_args(get_args(BalancerConfig)[0])

OPTIONS: list[dict[str, Any]] = [
    {"name": "fixed", "weights": [0.25, 3]},
    {"name": "fixed", "divisors": [100, 1]},
    {"name": "amnl", "floors": [5000, 2]},
    {"name": "amnl_ema", "start": "first_loss_corrected"},
    {"name": "amnl_ema", "start": "one_uncorrected"},
    {"name": "amnl_ema", "decay": 0.3},
    {"name": "uncertainty", "form": "symmetric"},
    {"name": "uncertainty", "start": "zero"},
    {"name": "uncertainty", "form": "symmetric", "start": "zero"},
    {"name": "gradnorm", "alpha": 0},
    {"name": "gradnorm", "learning_rate": 0.1},
    {"name": "dtp", "gamma": 0},
    {"name": "dtp", "gamma": 5, "decay": 0, "margin": 1e-6},
    {"name": "dwa", "temperature": 0.01},
    {"name": "gaba", "decay": 0, "uniform_steps": 0, "floor": 1e-9},
    {"name": "gaba", "uniform_steps": 2, "floor": 0.4},
    {"name": "geometric_mean", "floor": 1},
    {"name": "torchjd:constant", "weights": [0.25, 3]},
    {"name": "torchjd:imtl_l", "learning_rate": 0.1},
    {"name": "torchjd:stch", "mu": 0.01, "weights": [0.5, 0.5], "reference": [1, -1]},
    {"name": "torchjd:uw", "learning_rate": 0.1},
]
VARIANTS: list[Config] = [member() for member in MEMBERS] + [
    ADAPTER.validate_python(options) for options in OPTIONS
]


def title(config: Config) -> str:
    """Name a variant by its method and what it sets."""
    options = config.model_dump(exclude_defaults=True)
    return " ".join([config.model_dump()["name"], *(f"{k}={v}" for k, v in options.items())])


class Toy(nn.Module):
    """Two tasks on one shared layer, with losses of the usual sizes (thousands and one)."""

    def __init__(self, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(7)

        def draw(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

        self.first = nn.Parameter(draw(5, 4))
        self.shared = nn.Parameter(draw(4, 3))
        self.rul = nn.Parameter(draw(3))
        self.health = nn.Parameter(draw(3, 2))
        self.windows = nn.Buffer(draw(8, 5))
        self.target = nn.Buffer(100 * draw(8).abs())
        self.classes = nn.Buffer(torch.arange(8) % 2)

    def losses(self, step: int = 0) -> Tensor:
        """Return the two losses [2] on inputs that differ from step to step."""
        predicted, logits = self(step)
        rul = (predicted - self.target).square().mean()
        health = nn.functional.cross_entropy(logits, self.classes)
        return torch.stack([rul, health])

    def forward(self, step: int) -> tuple[Tensor, Tensor]:
        """Return RUL [8] and health logits [8, 2]."""
        features = torch.tanh((self.windows + 0.1 * step) @ self.first) @ self.shared
        return features @ self.rul, features @ self.health

    def inputs(self, step: int = 0) -> tuple[Tensor, Tensor, Tensor]:
        """Return the arguments of a balancer: losses, shared weights, KPIs."""
        kpis = batch_kpis(*self(step), self.target, self.classes)
        return self.losses(step), self.shared, kpis


class Run:
    """A minimal training run with its checkpoint. An epoch has two steps."""

    def __init__(self, config: Config, dtype: torch.dtype = torch.float32) -> None:
        self.toy = Toy(dtype)
        self.balancer: Balancer = config.build().to(dtype)  # type: ignore[attr-defined]
        self.optimisers = [torch.optim.AdamW(self.toy.parameters(), lr=1e-2)]
        own = self.balancer.optimiser()
        if own is not None:
            self.optimisers.append(own)
        self.taken = 0

    def step(self) -> BalancedLoss:
        """Take one step and return what was balanced."""
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        losses, *rest = self.toy.inputs(self.taken)
        balanced = self.balancer(losses, *rest)
        balanced.total.backward()
        for optimiser in self.optimisers:
            optimiser.step()
        self.taken += 1
        if self.taken % 2 == 0:
            self.balancer.epoch_end(losses.detach())
        return balanced

    def save(self) -> bytes:
        """Return the run as a checkpoint's bytes."""
        state = {
            "toy": self.toy.state_dict(),
            "balancer": self.balancer.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "taken": self.taken,
            "rng": torch.get_rng_state(),
        }
        file = io.BytesIO()
        torch.save(state, file)
        return file.getvalue()

    def load(self, content: bytes) -> "Run":
        """Resume from a checkpoint's bytes."""
        state = torch.load(io.BytesIO(content), weights_only=True)
        self.toy.load_state_dict(state["toy"])
        self.balancer.load_state_dict(state["balancer"])
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        self.taken = state["taken"]
        torch.set_rng_state(state["rng"])
        return self
