"""Benchmark of training steps against the reference loop and matmuls alone, and of balancers."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from cmapss_rul.balancers import BalancerConfig, FixedConfig
from cmapss_rul.bench import limit
from cmapss_rul.bench.measurement import (
    Contender,
    Summary,
    alternate,
    measure_once,
    summarise_ratios,
)
from cmapss_rul.bench.options import (
    BenchOptions,
    set_up_ours,
    set_up_torch,
    synchronised,
    without_auxiliary,
)
from cmapss_rul.bench.reference_loop import ReferenceLoop
from cmapss_rul.data.trainset import TrainingData
from cmapss_rul.data.windows import LabelledWindows
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.inputs import load_data
from cmapss_rul.training.step import TrainingStep

BALANCERS: tuple[BalancerConfig, ...] = tuple(
    kind()
    for kind in get_args(get_args(BalancerConfig)[0])
    if kind is not FixedConfig and "torchjd" not in kind.__name__.lower()
)
"""All balancers but `fixed`, the reference, and those of the extra `torchjd`."""

_WARM_UP = 3
"""Turns before timing, which allocate buffers and select kernels."""


class Turn(NamedTuple):
    """Device, threads and steps per turn of a contender."""

    device: str
    threads: int
    steps: int


def measure_steps(options: BenchOptions) -> dict[str, Any]:
    """Time training steps of both loops alternately, including the loading of their batches.

    The turns are divided between several pairs of processes, because a process can be slower than
    others for its whole life (*measured*; the cause is unknown).
    """
    config, turn, sizes = without_auxiliary(options.config), _turn(options), options.sizes
    reference_times: list[float] = []
    our_times: list[float] = []
    for _ in range(sizes.pairs):
        with (
            Contender(prepare_reference_steps, config, turn) as reference,
            Contender(prepare_our_steps, config, turn) as ours,
        ):
            pair = {"reference": reference, "ours": ours}
            times = alternate(pair, sizes.turns // sizes.pairs, warm_up=_WARM_UP)
        reference_times += times["reference"]
        our_times += times["ours"]
    return {
        "step.ratio_to_usual_loop": summarise_ratios(reference_times, our_times),
        "step.usual_loop_seconds": Summary.of(reference_times),
        "step.seconds": Summary.of(our_times),
    }


def measure_balancers(options: BenchOptions) -> dict[str, Any]:
    """Time training steps of each balancer, alternately with those of `fixed`."""
    ratios = measure_once(
        prepare_balancers, without_auxiliary(options.config), _turn(options), options.sizes.turns
    )
    return {f"balancers.{name}.ratio_to_fixed": ratio for name, ratio in ratios.items()}


def measure_matmul_shares(options: BenchOptions) -> dict[str, Any]:
    """Time steps of the shipped and of the published network, and their matrix products."""
    sizes, summaries = options.sizes, {}
    for key, config, turns in (
        ("step", options.config, sizes.turns),
        ("published.step", options.published, sizes.published_turns),
    ):
        turns_each = max(1, turns // sizes.pairs)
        times = [
            measure_once(prepare_products, config, options.threads, turns_each)
            for _ in range(sizes.pairs)
        ]
        rates = [each.flops / seconds / 1e9 for each in times for seconds in each.products]
        shares = [share for each in times for share in each.shares]
        summaries[f"{key}.share_of_matmul_limit"] = Summary.of(shares)
        summaries[f"{key}.matmul_gflops_per_second"] = Summary.of(rates)
    return summaries


def _turn(options: BenchOptions) -> Turn:
    return Turn(options.device, options.threads, options.sizes.steps)


# ---- contenders ------------------------------------------------------------------------------


def prepare_products(
    config: RunConfig, threads: int, turns: int
) -> Callable[[], limit.ProductTimes]:
    """Prepare the measurement of `limit`, on the CPU with random data."""
    set_up_ours(threads)
    return lambda: limit.measure_products(config, turns)


def prepare_reference_steps(config: RunConfig, turn: Turn) -> Callable[[], float]:
    """Prepare the reference loop; a turn returns the mean seconds of a step."""
    set_up_torch(turn.threads)
    loop = ReferenceLoop(config, load_data(config), torch.device(turn.device))
    loop.network.train()
    batches = repeat_forever(loop.loader)
    return lambda: time_steps(lambda: loop.step(next(batches)), turn)


def repeat_forever(loader: Any) -> Iterator[list[Tensor]]:
    """Iterate over a loader, epoch after epoch."""
    while True:  # itertools.cycle would store every batch of the first epoch
        yield from loader


def prepare_our_steps(config: RunConfig, turn: Turn) -> Callable[[], float]:
    """Prepare our loop; a turn returns the mean seconds of a step."""
    set_up_ours(turn.threads)
    step = next_batch_step(config, load_data(config), turn)
    return lambda: time_steps(step, turn)


def prepare_balancers(
    config: RunConfig, turn: Turn, turns: int
) -> Callable[[], dict[str, Summary]]:
    """Prepare the data; a turn returns balancer → ratio of its step time to that of `fixed`."""
    set_up_ours(turn.threads)
    data = load_data(config)

    def contender(balancer: BalancerConfig) -> Callable[[], float]:
        step = next_batch_step(config.model_copy(update={"balancer": balancer}), data, turn)
        return lambda: time_steps(step, turn)

    def measure() -> dict[str, Summary]:
        ratios: dict[str, Summary] = {}
        for balancer in BALANCERS:
            # one process is fair here: only the balancer differs
            pair = {"fixed": contender(FixedConfig()), "other": contender(balancer)}
            times = alternate(pair, turns, warm_up=_WARM_UP)
            ratios[balancer.name] = summarise_ratios(times["other"], times["fixed"])
        return ratios

    return measure


def next_batch_step(config: RunConfig, data: TrainingData, turn: Turn) -> Callable[[], object]:
    """Return a function that gathers a full batch and takes a training step on it."""
    device = torch.device(turn.device)
    step = TrainingStep(config, config.build_network(), device)
    training = data.training.to(device)
    indices = full_batches(training, config.train.batch_size)
    # includes the gathering of the batch, as the reference loop includes its loader
    return lambda: step.take(training.batch(next(indices)), 0, limit.STEADY)


def full_batches(labelled: LabelledWindows, batch_size: int) -> Iterator[Tensor]:
    """Yield indices of full batches of windows, epoch after epoch, without a smaller last one.

    Steps on partial batches would take less time and distort the median.
    """
    size = min(batch_size, len(labelled))
    while True:
        order = torch.randperm(len(labelled)).to(labelled.rul.device)
        yield from (part for part in torch.split(order, size) if len(part) == size)


def time_steps(step: Callable[[], object], turn: Turn) -> float:
    """Take the steps of a turn; return the mean seconds of a step."""
    with synchronised(torch.device(turn.device)):
        start = time.perf_counter()
        # several steps per synchronisation, as in training: the CPU runs ahead of a GPU
        for _ in range(turn.steps):
            step()
    return (time.perf_counter() - start) / turn.steps
