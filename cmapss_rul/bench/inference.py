"""Benchmark of inference: throughput in batches, and latency of single windows."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from cmapss_rul.bench.measurement import Summary, measure_once
from cmapss_rul.bench.options import BenchOptions, set_up_torch, synchronised, without_auxiliary
from cmapss_rul.data.windows import Windows
from cmapss_rul.model.network import Network, predict
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.inputs import load_data

_WARM_UP = 20
"""Single windows predicted before timing: the first calls allocate buffers."""


class InferenceTimes(NamedTuple):
    """Throughput in batches, [pass], windows per second; latency of one window, [window], s."""

    rates: list[float]
    latencies: list[float]


def measure_inference(options: BenchOptions) -> dict[str, Any]:
    """Time predictions of training windows; the test set has too few."""
    sizes = options.sizes
    times = measure_once(
        prepare_inference,
        without_auxiliary(options.config),
        options.device,
        options.threads,
        sizes.passes,
        sizes.single,
    )
    # quantiles of single calls: means would hide slow calls
    median, p99 = np.quantile(times.latencies, [0.5, 0.99])
    return {
        "inference.windows_per_second": Summary.of(times.rates),
        "inference.one_window_ms": {"p50": 1e3 * float(median), "p99": 1e3 * float(p99)},
    }


def prepare_inference(
    config: RunConfig, device: str, threads: int, passes: int, single: int
) -> Callable[[], InferenceTimes]:
    """Prepare an untrained network, which is as fast as a trained one."""
    set_up_torch(threads)
    torch_device = torch.device(device)
    data = load_data(config)
    network = config.build_network().to(torch_device)
    windows = data.training.windows.to(torch_device)
    # *guess*: enough batches for a stable rate, independent of the size of the subset
    some = windows.select(torch.arange(min(len(windows), 8192), device=torch_device))

    def measure() -> InferenceTimes:
        predict(network, some)  # warm-up: the first call initialises kernels and buffers
        rates = [_rate(network, some, torch_device) for _ in range(passes)]
        return InferenceTimes(rates, _latencies(network, windows, single))

    return measure


def _rate(network: Network, windows: Windows, device: torch.device) -> float:
    with synchronised(device):
        start = time.perf_counter()
        predict(network, windows)
    # after the context manager, which synchronises on exit
    return len(windows) / (time.perf_counter() - start)


@torch.inference_mode()
def _latencies(network: Network, windows: Windows, count: int) -> list[float]:
    """Time the prediction of random single windows, including the transfer to a Python float."""
    network.eval()
    latencies = []
    for index in torch.randint(len(windows), (count + _WARM_UP, 1), device=windows.ends.device):
        start = time.perf_counter()
        float(network(windows.gather(index), windows.padding(index)).rul)
        latencies.append(time.perf_counter() - start)
    return latencies[_WARM_UP:]
