"""Convolutions over time, the first part of the network."""

from itertools import pairwise
from typing import cast

import torch
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn.functional import conv2d

from cmapss_rul.config.base import Config, DropoutRate, Widths


class CNNConfig(Config):
    """The `model.cnn` part of a configuration."""

    channels: Widths = Field((32,), description="Channels of each block; [] for no CNN.")
    kernel: int = Field(5, ge=1, le=255, description="Width of the kernels, cycles; odd.")
    batch_norm: bool = Field(False, description="Batch normalisation in each block.")
    dropout: DropoutRate = Field(0.0, description="Dropout after each block.")
    concatenate_input: bool = Field(
        True, description="Concatenate the input window to the output of the last block."
    )
    pool: int = Field(
        1, ge=1, le=255, description="Cycles averaged into one step of the BiLSTM; 1 for none."
    )

    @field_validator("kernel")
    @classmethod
    def _check_odd(cls, kernel: int) -> int:
        if kernel % 2 == 0:
            raise ValueError(f"should be odd, to be centred on a cycle, found {kernel}")
        return kernel

    def build(self, features: int) -> "CNN":
        """Build the CNN for windows of `features` columns."""
        return CNN(self, features)


class CNN(nn.Module):
    """Convolutional blocks over time, then average pooling.

        Window --> (Conv1d --> BatchNorm? --> ReLU --> Dropout) x blocks --> concatenate Window?
               --> mean of each `pool` cycles

    The convolution pads with zeros at both ends. It has a bias even before batch normalisation,
    where it has no effect, because the parameter count of the published network includes it.
    Pooling shortens the sequence for the BiLSTM and smooths sensor noise. *Measured*: pooling over
    2 or 3 cycles costs no accuracy and saves a third to a half of the training time; batch
    normalisation before the BiLSTM costs accuracy.

    Shapes:
        window: [batch, window, feature], scaled; its length a multiple of `pool`.
        returns: [batch, window / pool, self.features].

    >>> CNNConfig(channels=[8], pool=3).build(3)(torch.zeros(2, 30, 3)).shape
    torch.Size([2, 10, 11])
    """

    def __init__(self, config: CNNConfig, features: int) -> None:
        super().__init__()
        widths = (features, *config.channels)
        self.blocks = nn.Sequential(*(_build_block(config, *block) for block in pairwise(widths)))
        # without blocks, the output already is the window
        self.concatenate_input = config.concatenate_input and bool(config.channels)
        self.pool = config.pool
        self.features = widths[-1] + features * self.concatenate_input

    def forward(self, window: Tensor) -> Tensor:
        """Return [batch, window / pool, self.features] from [batch, window, feature]."""
        images = window.transpose(1, 2).unsqueeze(2)  # [batch, channel, 1, cycle], a view
        filtered = cast(Tensor, self.blocks(images)).squeeze(2).transpose(1, 2)
        if not self.concatenate_input:
            return self._average_pool(filtered)
        return torch.cat((self._average_pool(filtered), self._average_pool(window)), dim=2)

    def _average_pool(self, sequence: Tensor) -> Tensor:
        """Return the mean of each `pool` cycles, [batch, window / pool, feature]."""
        if self.pool == 1:
            return sequence
        # *measured*: AvgPool1d, which needs time as the last dimension, is several times slower
        return torch.unflatten(sequence, 1, (-1, self.pool)).mean(dim=2)


class Convolution(nn.Conv1d):
    """Conv1d computed by conv2d on images of height 1, which avoids two copies.

    conv1d copies its input to channels-first memory, and the BiLSTM needs channels-last again.
    conv2d works on channels-last memory directly, and batch normalisation is faster, too. The
    weights are those of `nn.Conv1d`; zero padding preserves the number of cycles.

    Shapes:
        input: [batch, channel, 1, cycle], any memory format.
        returns: [batch, self.out_channels, 1, cycle], in the same memory format.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the images [batch, self.out_channels, 1, cycle]."""
        # preserves the length for odd kernels only, which `_check_odd` ensures
        padding = (0, self.kernel_size[0] // 2)
        return conv2d(input, self.weight.unsqueeze(2), self.bias, padding=padding)


def _build_block(config: CNNConfig, inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = [Convolution(inputs, outputs, config.kernel)]
    if config.batch_norm:
        layers.append(nn.BatchNorm2d(outputs))
    return nn.Sequential(*layers, nn.ReLU(), nn.Dropout(config.dropout))
