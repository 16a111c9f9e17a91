"""Reference training loop: a baseline like most public code for these data.

Windows in one tensor, a DataLoader with its defaults, Adam with its default learning rate and no
schedule, the sum of the two losses, `.item()` in each step, all windows in each epoch.
"""

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from cmapss_rul.data.trainset import TrainingData
from cmapss_rul.data.windows import LabelledWindows
from cmapss_rul.training.config import RunConfig


class Epoch(NamedTuple):
    """Seconds of training and validation; RMSE over every cycle of the validation engines."""

    seconds: float
    rmse: float


class ReferenceLoop:
    """Network, optimiser and loaders of the reference loop.

    Args:
        config: only network, batch size and cap are used.
        data: windows for training and validation.
        device: device of the network.
    """

    def __init__(self, config: RunConfig, data: TrainingData, device: torch.device) -> None:
        batch_size = config.train.batch_size
        # no worker processes (the default): with windows in memory they would only cost time
        self.loader = DataLoader(materialise(data.training), batch_size, shuffle=True)
        self.validation = DataLoader(materialise(data.validation), batch_size)
        self.network = config.build_network().to(device)
        self.rul_loss = nn.MSELoss()
        self.health_loss = nn.CrossEntropyLoss()
        self.optimiser = torch.optim.Adam(self.network.parameters())
        self.cap = config.data.cap
        self.device = device

    def step(self, batch: list[Tensor]) -> float:
        """Take a training step on [windows, RUL, health, padding]; return the loss."""
        windows, rul, health, padding = (tensor.to(self.device) for tensor in batch)
        self.optimiser.zero_grad()
        output = self.network(windows, padding)
        loss = self.rul_loss(output.rul, rul) + self.health_loss(output.health, health)
        loss.backward()
        self.optimiser.step()
        return float(loss.item())  # synchronises in each step, as most public code does

    def validate(self) -> float:
        """Return the RMSE over the validation windows, cycles."""
        self.network.eval()
        squares, count = 0.0, 0
        with torch.no_grad():
            for batch in self.validation:
                windows, rul, _, padding = (tensor.to(self.device) for tensor in batch)
                # clamped like our predictions, so that the comparison is about the loops
                predicted = self.network(windows, padding).rul.clamp(0, self.cap)
                squares += ((predicted - rul) ** 2).sum().item()
                count += len(rul)
        return math.sqrt(squares / count)

    def fit(self, epochs: int) -> Iterator[Epoch]:
        """Train; yield duration and validation RMSE after each epoch."""
        for _ in range(epochs):
            start = time.perf_counter()
            self.network.train()
            for batch in self.loader:
                self.step(batch)
            rmse = self.validate()
            yield Epoch(time.perf_counter() - start, rmse)


def materialise(labelled: LabelledWindows) -> TensorDataset:
    """Copy every window of a set into one tensor, with its labels and padding."""
    # without `censored`, which is None for these data
    return TensorDataset(*labelled.batch(torch.arange(len(labelled)))[:4])
