"""Multi-task network (window → RUL and health class), ensemble, and batched prediction."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn

from cmapss_rul.config.base import Config
from cmapss_rul.data.windows import Windows
from cmapss_rul.model.attention import AttentionConfig, LastStateConfig, SelfAttentionConfig
from cmapss_rul.model.bilstm import BiLSTMConfig
from cmapss_rul.model.cnn import CNNConfig
from cmapss_rul.model.heads import HealthHeadConfig, RulHeadConfig, SharedConfig

PREDICTION_BATCH = 1024
"""Windows per forward pass; *measured*: larger batches are not faster on two cores."""


class NetworkConfig(Config):
    """The `model` part of a configuration."""

    input_noise: float = Field(
        0.0,
        ge=0,
        le=100,
        description="Standard deviation of Gaussian noise on the scaled inputs, in training only.",
    )
    sensor_offset: float = Field(
        0.0,
        ge=0,
        le=100,
        description="Standard deviation of a random offset per window and sensor, added to the "
        "scaled inputs, in training only.",
    )
    mask_padding: bool = Field(
        False,
        description="Mask the padding of records shorter than the window: zeros for the CNN, and "
        "no attention.",
    )
    cnn: CNNConfig = Field(CNNConfig(), description="Convolutions over time.")
    bilstm: BiLSTMConfig = Field(BiLSTMConfig(), description="LSTM in both directions.")
    attention: AttentionConfig = Field(
        LastStateConfig(), description="Read-out of one vector from the window's states."
    )
    shared: SharedConfig = Field(SharedConfig(), description="Layers shared by both tasks.")
    rul_head: RulHeadConfig = Field(
        RulHeadConfig(), description="Layers from the shared features to the RUL."
    )
    health_head: HealthHeadConfig = Field(
        HealthHeadConfig(), description="Layers from the shared features to the health class."
    )

    @model_validator(mode="after")
    def _check_heads(self) -> "NetworkConfig":
        # checked here, since the attention's configuration does not know the BiLSTM's width
        width, attention = 2 * self.bilstm.hidden, self.attention
        if isinstance(attention, SelfAttentionConfig) and width % attention.heads:
            raise ValueError(
                f"attention.heads should divide {width} (twice bilstm.hidden), "
                f"found {attention.heads}"
            )
        return self

    def build(
        self, features: int, classes: int, cap: int, sensors: Sequence[bool] | None = None
    ) -> "Network":
        """Build the network; its weights are initialised from torch's global generator.

        Args:
            features: number of features per cycle of a window.
            classes: number of health classes.
            cap: cap of the RUL labels, cycles.
            sensors: [feature], whether it is a sensor, to which `sensor_offset` applies; None for
                all.
        """
        return Network(self, features, classes, cap, sensors)


class Output(NamedTuple):
    """Network outputs for a batch of windows.

    Attributes:
        rul: [batch], cycles, not clamped.
        health: [batch, class], logits.
    """

    rul: Tensor
    health: Tensor


class Network(nn.Module):
    """Multi-task network with hard parameter sharing: one backbone, two heads.

        Window --> offset? --> noise? --> mask? --> CNN --> BiLSTM --> attention --> shared
        shared --> RUL head
               --> health head

    Without `mask_padding`, the repeated first row of a record shorter than the window looks like
    an engine that does not degrade. *Measured* on validation engines:
    docs/search-for-defaults.md.

    Shapes:
        windows: [batch, window, feature], scaled, oldest cycle first.
        padding: [batch], number of repeated rows at the front of each window; None for 0.
        returns: `Output` of rul [batch] in cycles and health [batch, class].

    >>> network = NetworkConfig().build(features=15, classes=3, cap=125)
    >>> [tuple(part.shape) for part in network(torch.zeros(2, 60, 15))]
    [(2,), (2, 3)]
    """

    def __init__(
        self,
        config: NetworkConfig,
        features: int,
        classes: int,
        cap: int,
        sensors: Sequence[bool] | None = None,
    ) -> None:
        super().__init__()
        self.offset = SensorOffset(config.sensor_offset, sensors or [True] * features)
        # the order of construction is that of the random draws: changing it changes every run
        self.noise = InputNoise(config.input_noise)
        self.mask_padding = config.mask_padding
        self.cnn = config.cnn.build(features)
        self.bilstm = config.bilstm.build(self.cnn.features)
        self.attention = config.attention.build(self.bilstm.features)
        self.shared = config.shared.build(self.attention.features)
        width = config.shared.hidden[-1]
        self.rul_head = config.rul_head.build(width, cap)
        self.health_head = config.health_head.build(width, classes)

    def forward(self, windows: Tensor, padding: Tensor | None = None) -> Output:
        """Return RUL and health logits of each window."""
        windows = self.noise(self.offset(windows))
        features = self.shared(self.attention(*self._states(windows, padding)))
        return Output(self.rul_head(features), self.health_head(features))

    def _states(self, windows: Tensor, padding: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Return the states [batch, step, feature] and the key padding mask [batch, step]."""
        if padding is None or not self.mask_padding:
            return self.bilstm(self.cnn(windows)), None
        position = torch.arange(windows.shape[1], device=windows.device)
        padded = position < padding.unsqueeze(1)
        # mask after the input noise, which would otherwise fill the padding
        states = self.bilstm(self.cnn(windows.masked_fill(padded.unsqueeze(2), 0.0)))
        # a pooled step is masked only if all its cycles are padding
        return states, torch.unflatten(padded, 1, (-1, self.cnn.pool)).all(dim=2)

    def attention_weights(self, windows: Tensor, padding: Tensor | None = None) -> Tensor | None:
        """Return the attention weights over the steps of each window; they sum to 1.

        Args:
            windows: [batch, window, feature], scaled.
            padding: [batch], number of repeated rows at the front of each window.

        Returns:
            [batch, step], oldest first, where a step is the average of `cnn.pool` cycles; None
            without attention.
        """
        return self.attention.weights(*self._states(windows, padding))

    @property
    def shared_weight(self) -> Tensor:
        """Weights of the last shared layer, W in GradNorm and GABA.

        Both tasks depend on it. Being behind the LSTM, its gradient does not pass through cuDNN's
        LSTM, which supports no double backward.
        """
        return [layer for layer in self.shared if isinstance(layer, nn.Linear)][-1].weight

    def parameter_counts(self) -> dict[str, int]:
        """Return the number of parameters of each part, in forward order."""
        return {
            name: sum(parameter.numel() for parameter in part.parameters())
            for name, part in self.named_children()
            if name not in ("offset", "noise")
        }


class Ensemble(nn.Module):
    """Ensemble of networks of one configuration: the mean of their predictions.

        Window --> each network, with its own features --> clamp to [0, cap] --> mean RUL
                                                       --> softmax --> mean probabilities

    RUL: ŷ = 1/K Σₖ clamp(ŷₖ, 0, cap), NaN if any ŷₖ is not finite. Health: p = 1/K Σₖ pₖ, returned
    as log p, whose softmax is p.

    Shapes:
        windows: [batch, window, member · feature], the concatenated features of all networks.
        padding: as in `Network`.
        returns: `Output`; rul in [0, cap].

    >>> networks = [NetworkConfig().build(features=15, classes=3, cap=125) for _ in range(2)]
    >>> [tuple(part.shape) for part in Ensemble(networks, cap=125)(torch.zeros(4, 60, 30))]
    [(4,), (4, 3)]
    """

    def __init__(self, networks: Sequence[Network], cap: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.cap = cap

    def forward(self, windows: Tensor, padding: Tensor | None = None) -> Output:
        """Return the mean RUL and the logarithm of the mean probabilities of each window."""
        outputs = [network(part, padding) for network, part in self._parts(windows)]
        ruls = torch.stack([output.rul for output in outputs])
        # the clamp alone would turn infinity into the cap and, in ONNX Runtime, NaN into a number
        # (*measured*)
        mean = ruls.clamp(0, self.cap).mean(dim=0)
        rul = torch.where(ruls.isfinite().all(dim=0), mean, torch.nan)
        health = torch.stack([output.health for output in outputs]).log_softmax(dim=-1)
        return Output(rul, health.logsumexp(dim=0) - math.log(len(outputs)))

    def attention_weights(self, windows: Tensor, padding: Tensor | None = None) -> Tensor | None:
        """Return the mean attention weights of the networks; see `Network`."""
        weights = [
            network.attention_weights(part, padding) for network, part in self._parts(windows)
        ]
        found = [part for part in weights if part is not None]
        return torch.stack(found).mean(dim=0) if found else None

    def _parts(self, windows: Tensor) -> Iterator[tuple[Network, Tensor]]:
        for network, part in zip(
            self.networks, windows.chunk(len(self.networks), dim=2), strict=True
        ):
            assert isinstance(network, Network)
            yield network, part

    def parameter_counts(self) -> dict[str, int]:
        """Return the number of parameters of each part, summed over the networks."""
        counts: Counter[str] = Counter()
        for network in self.networks:
            assert isinstance(network, Network)
            counts.update(network.parameter_counts())
        return dict(counts)


class SensorOffset(nn.Module):
    """Data augmentation: a random offset per sensor, constant over a window, in training mode.

    Sensor levels of new engines differ by manufacture and initial wear (Saxena et al. 2008,
    section III); with few training engines, the network memorises theirs. Only sensors have an
    offset: one on the cycle count would be another age. *Measured* on validation engines:
    docs/search-for-defaults.md.
    """

    sensors: Tensor

    def __init__(self, deviation: float, sensors: Sequence[bool]) -> None:
        super().__init__()
        self.deviation = deviation
        # not persistent: the configuration restores it; so it must not be on the meta device
        self.register_buffer(
            "sensors", torch.tensor(sensors, dtype=torch.float, device="cpu"), persistent=False
        )

    def forward(self, windows: Tensor) -> Tensor:
        """Return windows of the same shape."""
        if self.training and self.deviation:
            offset = torch.randn_like(windows[:, :1]) * self.sensors
            return torch.add(windows, offset, alpha=self.deviation)
        return windows

    def extra_repr(self) -> str:
        """Show the deviation."""
        return f"deviation={self.deviation}"


class InputNoise(nn.Module):
    """Data augmentation: additive Gaussian noise on the window, in training mode."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, windows: Tensor) -> Tensor:
        """Return windows of the same shape."""
        # no draw if the noise is 0: it would advance the generator and change every run
        if self.training and self.deviation:
            return torch.add(windows, torch.randn_like(windows), alpha=self.deviation)
        return windows

    def extra_repr(self) -> str:
        """Show the deviation."""
        return f"deviation={self.deviation}"


@torch.inference_mode()
def predict(
    network: Network | Ensemble, windows: Windows, batch_size: int = PREDICTION_BATCH
) -> tuple[Tensor, Tensor]:
    """Predict all windows in batches, in evaluation mode, on the windows' device.

    Afterwards, the network is in its previous mode (training or evaluation) again.

    Returns:
        rul: [window], cycles, not clamped.
        probabilities: [window, class].
    """
    was_training = network.training
    network.eval()
    index = torch.arange(len(windows), device=windows.ends.device)
    outputs = [
        network(windows.gather(part), windows.padding(part))
        for part in torch.split(index, batch_size)
    ]
    # the training loop must continue with dropout after a validation
    network.train(was_training)
    rul = torch.cat([output.rul for output in outputs])
    return rul, torch.cat([output.health for output in outputs]).softmax(dim=-1)
