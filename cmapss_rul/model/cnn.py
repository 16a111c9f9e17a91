"""Convolutions over time: the front end of the network."""

from itertools import pairwise
from typing import cast

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn

from cmapss_rul.config.base import Config
from cmapss_rul.model.fields import Rate, Widths


class CNNConfig(Config):
    """The `model.cnn` part of a configuration."""

    channels: Widths = Field((32,), description="Channels of each block; [] for no CNN.")
    kernel: int = Field(5, ge=1, le=255, description="Width of the kernels, cycles; odd.")
    batch_norm: bool = Field(False, description="Batch normalisation in each block.")
    dropout: Rate = Field(0.0, description="Dropout after each block.")
    concatenate_input: bool = Field(
        True, description="Hand on the window beside what the last block makes of it."
    )
    pool: int = Field(
        1, ge=1, le=255, description="Cycles whose mean is one step of the BiLSTM; 1 for each."
    )

    @field_validator("kernel")
    @classmethod
    def _odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError(f"should be odd, so that it has a middle cycle, found {kernel}")
        return kernel

    def build(self, features: int) -> "CNN":
        """Make the CNN for windows of `features` columns."""
        return CNN(self, features)


class CNN(nn.Module):
    """Blocks of convolution over time, and the mean over every few cycles.

        Window --> (Conv1d --> BatchNorm? --> ReLU --> Dropout) x blocks --> joined with Window?
               --> mean of each `pool` cycles

    The convolution pads with zeros at both ends. It has a bias even before a normalisation,
    where the bias has no effect: the published network counts it. The mean makes what follows
    shorter by as much, and so faster, and takes noise out of the sensors.

    Args:
        config: Widths and options.
        features: Columns of the window.

    Attributes:
        features: Columns of what it returns.

    Shapes:
        window: [batch, window, feature], scaled; the window's length is a multiple of `pool`.
        returns: [batch, window / pool, self.features].

    >>> CNNConfig(channels=[8], pool=3).build(3)(torch.zeros(2, 30, 3)).shape
    torch.Size([2, 10, 11])
    """

    def __init__(self, config: CNNConfig, features: int) -> None:
        super().__init__()
        widths = (features, *config.channels)
        self.blocks = nn.Sequential(*(_block(config, *block) for block in pairwise(widths)))
        # Without blocks the output is the window already.
        self.concatenate_input = config.concatenate_input and bool(config.channels)
        self.pool = nn.AvgPool1d(config.pool) if config.pool > 1 else nn.Identity()
        self.features = widths[-1] + features * self.concatenate_input

    def forward(self, window: Tensor) -> Tensor:
        """Return [batch, window / pool, self.features] from [batch, window, feature]."""
        # Convolution and pooling want time last; both transpositions are views.
        over_time = window.transpose(1, 2)
        filtered = cast(Tensor, self.blocks(over_time))
        if self.concatenate_input:
            filtered = torch.cat((filtered, over_time), dim=1)
        return cast(Tensor, self.pool(filtered)).transpose(1, 2)


def _block(config: CNNConfig, inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv1d(inputs, outputs, config.kernel, padding=config.kernel // 2)
    ]
    if config.batch_norm:
        layers.append(nn.BatchNorm1d(outputs))
    return nn.Sequential(*layers, nn.ReLU(), nn.Dropout(config.dropout))
