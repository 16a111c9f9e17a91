"""Convolutions over time: the front end of the network."""

from itertools import pairwise
from typing import cast

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn.functional import conv2d

from cmapss_rul.config.base import Config, Rate, Widths


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
        self.pool = config.pool
        self.features = widths[-1] + features * self.concatenate_input

    def forward(self, window: Tensor) -> Tensor:
        """Return [batch, window / pool, self.features] from [batch, window, feature]."""
        pictures = window.transpose(1, 2).unsqueeze(2)  # a view
        filtered = cast(Tensor, self.blocks(pictures)).squeeze(2).transpose(1, 2)
        if not self.concatenate_input:
            return self._means(filtered)
        return torch.cat((self._means(filtered), self._means(window)), dim=2)

    def _means(self, sequence: Tensor) -> Tensor:
        """Return the mean of each `pool` cycles, [batch, window / pool, feature]."""
        if self.pool == 1:
            return sequence
        # AvgPool1d takes several times as long: it wants time last, and reads value by value.
        return torch.unflatten(sequence, 1, (-1, self.pool)).mean(dim=2)


class Convolution(nn.Conv1d):
    """Convolution over time whose windows are pictures of one row, with a column a cycle.

    In one dimension PyTorch copies its input into an order with the cycles of a feature beside
    each other, and the BiLSTM wants the features of a cycle beside each other again. In two
    dimensions it takes the order that is there, and normalisation is faster too. The weights
    are those of `nn.Conv1d`; zeros are padded so that the cycles stay as many.

    Shapes:
        input: [batch, channel, 1, cycle], any order in memory.
        returns: [batch, self.out_channels, 1, cycle], in that order.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the pictures [batch, self.out_channels, 1, cycle]."""
        padding = (0, self.kernel_size[0] // 2)
        return conv2d(input, self.weight.unsqueeze(2), self.bias, padding=padding)


def _block(config: CNNConfig, inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = [Convolution(inputs, outputs, config.kernel)]
    if config.batch_norm:
        layers.append(nn.BatchNorm2d(outputs))
    return nn.Sequential(*layers, nn.ReLU(), nn.Dropout(config.dropout))
