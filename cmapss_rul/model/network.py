"""The network: window in, RUL and health out."""

from typing import NamedTuple

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from cmapss_rul.config.base import Config
from cmapss_rul.model.attention import AttentionConfig, LastStateConfig
from cmapss_rul.model.bilstm import BiLSTMConfig
from cmapss_rul.model.cnn import CNNConfig
from cmapss_rul.model.heads import HealthHeadConfig, RulHeadConfig, SharedConfig


class NetworkConfig(Config):
    """The `model` part of a configuration."""

    input_noise: float = Field(
        0.0,
        ge=0,
        le=100,
        description="Standard deviation of the noise on the scaled inputs, in training only.",
    )
    cnn: CNNConfig = Field(CNNConfig(), description="Convolutions over time.")
    bilstm: BiLSTMConfig = Field(BiLSTMConfig(), description="LSTM in both directions.")
    attention: AttentionConfig = Field(
        LastStateConfig(), description="How one vector is read out of the window's states."
    )
    shared: SharedConfig = Field(SharedConfig(), description="Layers that both tasks share.")
    rul_head: RulHeadConfig = Field(RulHeadConfig(), description="From there to the RUL.")
    health_head: HealthHeadConfig = Field(
        HealthHeadConfig(), description="From there to the health class."
    )

    @model_validator(mode="after")
    def _parts_fit(self) -> "NetworkConfig":
        self.attention.check(2 * self.bilstm.hidden)
        return self

    def build(self, features: int, classes: int, cap: int) -> "Network":
        """Make the network with fresh weights, drawn from torch's global generator.

        Args:
            features: Columns of a window.
            classes: Health classes.
            cap: Cap of the RUL labels, cycles.
        """
        return Network(self, features, classes, cap)


class Output(NamedTuple):
    """What the network says about each window.

    Attributes:
        rul: [batch], cycles, not clamped.
        health: [batch, class], logits.
    """

    rul: Tensor
    health: Tensor


class Network(nn.Module):
    """Two tasks on one backbone (hard parameter sharing).

        Window --> noise? --> CNN --> BiLSTM --> attention --> shared layers --> RUL head
                                                                             --> health head

    Args:
        config: Widths and options of every part.
        features: Columns of a window.
        classes: Health classes.
        cap: Cap of the RUL labels, cycles.

    Shapes:
        windows: [batch, window, feature], scaled, oldest cycle first.
        returns: `Output` of rul [batch] in cycles and health [batch, class].

    >>> network = NetworkConfig().build(features=15, classes=3, cap=125)
    >>> [tuple(part.shape) for part in network(torch.zeros(2, 60, 15))]
    [(2,), (2, 3)]
    """

    def __init__(self, config: NetworkConfig, features: int, classes: int, cap: int) -> None:
        super().__init__()
        self.noise = InputNoise(config.input_noise)
        self.cnn = config.cnn.build(features)
        self.bilstm = config.bilstm.build(self.cnn.features)
        self.attention = config.attention.build(self.bilstm.features)
        self.shared = config.shared.build(self.attention.features)
        width = config.shared.hidden[-1]
        self.rul_head = config.rul_head.build(width, cap)
        self.health_head = config.health_head.build(width, classes)

    def forward(self, windows: Tensor) -> Output:
        """Return RUL and health logits of each window."""
        states = self.bilstm(self.cnn(self.noise(windows)))
        features = self.shared(self.attention(states))
        return Output(self.rul_head(features), self.health_head(features))

    def attention_weights(self, windows: Tensor) -> Tensor | None:
        """Return how the network looks back, as shares that sum to 1.

        Args:
            windows: [batch, window, feature], scaled.

        Returns:
            [batch, step], oldest first, a step being as many cycles as the CNN takes the mean of;
            None where the last state alone is read.
        """
        states = self.bilstm(self.cnn(windows))
        return self.attention.weights(states)

    @property
    def shared_weight(self) -> Tensor:
        """Weights of the last shared layer: GradNorm's W.

        It lies behind the LSTM, whose gradients cuDNN cannot differentiate a second time, and
        both tasks pass through it.
        """
        return [layer for layer in self.shared if isinstance(layer, nn.Linear)][-1].weight

    def parts(self) -> dict[str, int]:
        """Return the number of trained parameters of each part, in the order of the data."""
        return {
            name: sum(parameter.numel() for parameter in part.parameters())
            for name, part in self.named_children()
            if name != "noise"
        }


class InputNoise(nn.Module):
    """Normal noise on the window while training, nothing otherwise.

    Args:
        deviation: Standard deviation in units of the scaled inputs.
    """

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, windows: Tensor) -> Tensor:
        """Return windows of the same shape."""
        if self.training and self.deviation:
            return torch.add(windows, torch.randn_like(windows), alpha=self.deviation)
        return windows

    def extra_repr(self) -> str:
        """Show the deviation."""
        return f"deviation={self.deviation}"
