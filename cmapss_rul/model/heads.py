"""Shared fully connected layers, RUL head and health head."""

from typing import Annotated, Literal, cast

from pydantic import Field
from torch import Tensor, nn

from cmapss_rul.config.base import Config, DropoutRate, Width, Widths


class SharedConfig(Config):
    """The `model.shared` part of a configuration."""

    # at least one: GradNorm and GABA need the weights of a last shared layer
    hidden: Annotated[tuple[Width, ...], Field(min_length=1, max_length=16)] = Field(
        (64,), description="Widths of the layers shared by both tasks; at least one."
    )
    dropout: DropoutRate = Field(0.0, description="Dropout after each layer.")

    def build(self, features: int) -> nn.Sequential:
        """Build the layers, [batch, feature] → [batch, last width]."""
        return _build_layers(features, self.hidden, self.dropout)


class RulHeadConfig(Config):
    """The `model.rul_head` part of a configuration."""

    hidden: Widths = Field((), description="Widths of the RUL head's layers; [] for none.")
    dropout: DropoutRate = Field(0.0, description="Dropout after each of these layers.")
    output: Literal["cap", "cycles"] = Field(
        "cap",
        description="'cap': cap × (0.5 + z) for the last layer's z, so that an untrained network "
        "predicts half the cap; 'cycles': z itself.",
    )

    def build(self, features: int, cap: int) -> "RulHead":
        """Build the head for shared features; the cap is in cycles."""
        return RulHead(self, features, cap)


class HealthHeadConfig(Config):
    """The `model.health_head` part of a configuration."""

    hidden: Widths = Field((), description="Widths of the health head's layers; [] for none.")
    dropout: DropoutRate = Field(0.0, description="Dropout after each of these layers.")

    def build(self, features: int, classes: int) -> nn.Sequential:
        """Build the head, [batch, feature] → logits [batch, class]."""
        width = (features, *self.hidden)[-1]
        layers = _build_layers(features, self.hidden, self.dropout)
        # no softmax: the cross-entropy takes logits, which is numerically stable
        return layers.append(nn.Linear(width, classes))


class RulHead(nn.Module):
    """RUL head: maps shared features to the RUL in cycles.

    With `output: cap`, the fixed map cap × (0.5 + z) starts in the middle of the label range;
    with z in cycles, the first epochs would be spent on learning that offset.

    Shapes:
        features: [batch, feature].
        returns: [batch], cycles, not clamped.
    """

    def __init__(self, config: RulHeadConfig, features: int, cap: int) -> None:
        super().__init__()
        self.hidden = _build_layers(features, config.hidden, config.dropout)
        self.last = nn.Linear((features, *config.hidden)[-1], 1)
        self.scale = float(cap) if config.output == "cap" else 1.0
        self.offset = 0.5 * cap if config.output == "cap" else 0.0

    def forward(self, features: Tensor) -> Tensor:
        """Return the RUL [batch] in cycles."""
        z = cast(Tensor, self.last(self.hidden(features))).squeeze(1)
        # in mixed precision z has 8 or 11 significant bits, too few for cycles
        return self.offset + self.scale * z.to(self.last.weight.dtype)


def _build_layers(features: int, widths: tuple[int, ...], dropout: float) -> nn.Sequential:
    """Build Linear, ReLU and dropout for each width."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip((features, *widths), widths, strict=False):
        layers += [nn.Linear(inputs, outputs), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers)
