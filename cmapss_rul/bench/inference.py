"""Predicting: many windows at a time, and one after another."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from cmapss_rul.bench.medians import Figure
from cmapss_rul.bench.options import Setting, alone, as_usual, waited_for
from cmapss_rul.bench.workers import once
from cmapss_rul.data.windows import Windows
from cmapss_rul.model.network import Network, predict
from cmapss_rul.training.checkpoint import build_network
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.inputs import load_data


class Speeds(NamedTuple):
    """How fast a network predicts.

    Attributes:
        rates: [pass], windows a second, in batches.
        latencies: [window], seconds from a window to its RUL, one at a time.
    """

    rates: list[float]
    latencies: list[float]


def inference(setting: Setting) -> dict[str, Any]:
    """Predict the training windows of the subset, of which there are enough to be timed."""
    sizes = setting.sizes
    speeds = once(
        predictor,
        alone(setting.config),
        setting.device,
        setting.threads,
        sizes.passes,
        sizes.single,
    )
    slow, slowest = np.quantile(speeds.latencies, [0.5, 0.99])
    return {
        "inference.windows_per_second": Figure.of(speeds.rates),
        "inference.one_window_ms": {"p50": 1e3 * float(slow), "p99": 1e3 * float(slowest)},
    }


def predictor(
    config: RunConfig, device: str, threads: int, passes: int, single: int
) -> Callable[[], Speeds]:
    """Make a network ready, with fresh weights: they do not change its speed."""
    as_usual(threads)
    where = torch.device(device)
    data = load_data(config)
    network = build_network(config, data.preprocessor).to(where)
    windows = data.training.windows.to(where)
    some = windows.select(torch.arange(min(len(windows), 8192), device=where))

    def measure() -> Speeds:
        predict(network, some)  # what a first call sets up is not timed
        rates = [_rate(network, some, where) for _ in range(passes)]
        return Speeds(rates, _latencies(network, windows, single))

    return measure


def _rate(network: Network, windows: Windows, device: torch.device) -> float:
    with waited_for(device):
        start = time.perf_counter()
        predict(network, windows)
    return len(windows) / (time.perf_counter() - start)


@torch.inference_mode()
def _latencies(network: Network, windows: Windows, count: int) -> list[float]:
    """Take windows anywhere in the set, until each one's RUL is a number of Python."""
    network.eval()
    latencies = []
    for index in torch.randint(len(windows), (count + 20, 1), device=windows.ends.device):
        start = time.perf_counter()
        float(network(windows.gather(index)).rul)
        latencies.append(time.perf_counter() - start)
    return latencies[20:]  # without those of the warm-up
