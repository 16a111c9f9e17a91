"""Wrapper of torchjd's scalarizers as balancers; torchjd is an optional extra.

Formulas, arguments and code are torchjd's; the scalarizers in `REFUSED` are not offered.
"""

import importlib
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from cmapss_rul.balancers.base import BalancedLoss, Balancer, PositivePair
from cmapss_rul.config.base import Config
from cmapss_rul.system.errors import UsageError

REFUSED = {
    "torchjd:cosmos": "at small losses its cosine gives a loss a negative weight",
    "torchjd:dwa": "its epoch means are outside state_dict, so a run could not resume exactly; "
    "use dwa",
    "torchjd:famo": "its Adam is outside state_dict, so a run could not resume exactly, and it "
    "needs every batch's losses a second time, after the step",
    "torchjd:geometric_mean": "its gradient is not finite at a loss of 0, and it synchronises "
    "with the device in every step; use geometric_mean",
    "torchjd:pbi": "a penalty of the usual size gives the smaller loss a negative weight",
}
"""Scalarizers that fail the requirements of a balancer (docs/balancers.md), with the reason."""

LEAST_WEIGHT = 1e-12
Bound = Annotated[float, Field(ge=-1e12, le=1e12)]


class ScalarizerConfig(Config):
    """Base of the scalarizers' configurations."""

    refused: ClassVar[Mapping[str, str]] = REFUSED
    scalarizer: ClassVar[str]
    """Name of torchjd's class."""

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the scalarizer's constructor, with pairs as tensors."""
        options = {name: value for name, value in self if name != "name"}
        if options.pop("learning_rate", None):  # one learned number per loss
            options["shape"] = 2
        return {k: torch.tensor(v) if isinstance(v, tuple) else v for k, v in options.items()}

    def build(self) -> "TorchJD":
        """Build the balancer."""
        return TorchJD(self)


class TorchJDConstantConfig(ScalarizerConfig):
    """Configuration of `torchjd:constant`."""

    scalarizer: ClassVar = "Constant"
    name: Literal["torchjd:constant"] = Field(
        "torchjd:constant", description="torchjd's Constant, the same as `fixed`."
    )
    weights: PositivePair = Field(
        (1.0, 1.0), description="Weight of the RUL and of the health loss."
    )


class TorchJDIMTLLConfig(ScalarizerConfig):
    """Configuration of `torchjd:imtl_l`."""

    scalarizer: ClassVar = "IMTLL"
    name: Literal["torchjd:imtl_l"] = Field(
        "torchjd:imtl_l", description="torchjd's IMTLL: learned scales, from 1 : 1."
    )
    learning_rate: float = Field(
        1e-2, gt=0, le=1, description="Constant learning rate of the scales' own Adam."
    )


class TorchJDMeanConfig(ScalarizerConfig):
    """Configuration of `torchjd:mean`."""

    scalarizer: ClassVar = "Mean"
    name: Literal["torchjd:mean"] = Field("torchjd:mean", description="torchjd's Mean: ½ each.")


class TorchJDRandomConfig(ScalarizerConfig):
    """Configuration of `torchjd:random`."""

    scalarizer: ClassVar = "Random"
    name: Literal["torchjd:random"] = Field(
        "torchjd:random", description="torchjd's Random, the same as `random`."
    )


class TorchJDSTCHConfig(ScalarizerConfig):
    """Configuration of `torchjd:stch`."""

    scalarizer: ClassVar = "STCH"
    name: Literal["torchjd:stch"] = Field(
        "torchjd:stch", description="torchjd's STCH: a smooth maximum of the losses."
    )
    mu: float = Field(1.0, ge=1e-3, le=1e9, description="Lower values are closer to the maximum.")
    weights: PositivePair = Field(
        (1e-3, 1.0),
        description="Weight of the RUL and of the health loss, which also aligns their scales.",
    )
    reference: tuple[Bound, Bound] = Field(
        (0.0, 0.0), description="Best possible RUL and health loss."
    )


class TorchJDSumConfig(ScalarizerConfig):
    """Configuration of `torchjd:sum`."""

    scalarizer: ClassVar = "Sum"
    name: Literal["torchjd:sum"] = Field("torchjd:sum", description="torchjd's Sum: 1 each.")


class TorchJDUWConfig(ScalarizerConfig):
    """Configuration of `torchjd:uw`."""

    scalarizer: ClassVar = "UW"
    name: Literal["torchjd:uw"] = Field(
        "torchjd:uw", description="torchjd's UW: learned noise levels, symmetric, from 1 : 1."
    )
    learning_rate: float = Field(
        1e-2, gt=0, le=1, description="Constant learning rate of the noise levels' own Adam."
    )


TorchJDConfig = (
    TorchJDConstantConfig
    | TorchJDIMTLLConfig
    | TorchJDMeanConfig
    | TorchJDRandomConfig
    | TorchJDSTCHConfig
    | TorchJDSumConfig
    | TorchJDUWConfig
)


class TorchJD(Balancer):
    """A scalarizer of torchjd: total = f(L₁, L₂), weights = ∂f/∂Lᵢ.

    - `constant`: Σ wᵢ Lᵢ
    - `imtl_l`: Σ e^(sᵢ) Lᵢ − sᵢ, s trained from 0
    - `mean`, `sum`: Σ ½ Lᵢ and Σ Lᵢ
    - `random`: Σ wᵢ Lᵢ, w = softmax of normal draws from the global generator
    - `stch`: μ log Σ exp(wᵢ (Lᵢ − zᵢ) / μ)
    - `uw`: Σ ½ e^(−sᵢ) Lᵢ + ½ sᵢ, s trained from 0

    Source: the package torchjd, 0.18 (https://github.com/SimplexLab/TorchJD), whose class
    docstrings name the papers. Differences: trained parameters have their own Adam; tensor
    arguments become buffers, so that they are saved and moved; a weight of `stch` that underflows
    to 0 in float32 is raised to 1e-12.

    From s = 0 it takes about ln L / rate steps until the RUL loss is balanced: 830 at a loss of
    4000 and the default rate. `uncertainty` starts at the balanced value.
    """

    def __init__(self, config: ScalarizerConfig) -> None:
        super().__init__(config)
        self.scalarizer = _build_scalarizer(config.scalarizer, config.arguments())
        for name, value in list(vars(self.scalarizer).items()):
            if isinstance(value, Tensor):  # a plain attribute, which torch neither saves nor moves
                delattr(self.scalarizer, name)
                self.scalarizer.register_buffer(name, value)

    def balance(self, losses: Tensor, shared: Tensor | None) -> BalancedLoss:  # noqa: ARG002
        """Return the scalarizer's value and its derivatives by the losses."""
        total = self.scalarizer(losses)
        # the graph is retained for the backward pass of the training step
        (slopes,) = torch.autograd.grad(total, losses, retain_graph=True)
        weights = slopes.clamp_min(LEAST_WEIGHT)
        # value 0, with the gradient missing where a weight was raised to its minimum
        correction = ((weights - slopes) * (losses - losses.detach())).sum()
        return BalancedLoss(total + correction, weights)

    def __repr__(self) -> str:
        """Show the scalarizer, the learning rate and the learned parameters in one line."""
        learned = [
            f", {name.removeprefix('scalarizer.')}={value.tolist()}"
            for name, value in self.named_parameters()
        ]
        own = getattr(self.config, "learning_rate", None)
        rate = "" if own is None else f", learning_rate={own}"
        return f"TorchJD(scalarizer={self.scalarizer!r}{rate}{''.join(learned)})"


def _build_scalarizer(kind: str, arguments: dict[str, Any]) -> nn.Module:
    """Instantiate a class of torchjd."""
    try:
        module = importlib.import_module("torchjd.scalarization")
    except ImportError as error:
        raise UsageError(
            f"balancer.name: torchjd's {kind} needs the package torchjd, which cannot be imported "
            f"({error}); install it with: pip install 'cmapss_rul[torchjd]', or choose "
            "another balancer"
        ) from error
    scalarizer: nn.Module = getattr(module, kind)(**arguments)
    return scalarizer
