"""Training steps: beside the usual loop's, beside the machine's limit, and of each balancer."""

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from cmapss_rul.balancers import BalancerConfig
from cmapss_rul.balancers.amnl import AMNLConfig
from cmapss_rul.balancers.amnl_ema import AMNLEMAConfig
from cmapss_rul.balancers.dtp import DTPConfig
from cmapss_rul.balancers.dwa import DWAConfig
from cmapss_rul.balancers.fixed import FixedConfig
from cmapss_rul.balancers.geometric_mean import GeometricMeanConfig
from cmapss_rul.balancers.gradnorm import GradNormConfig
from cmapss_rul.balancers.random import RandomConfig
from cmapss_rul.balancers.uncertainty import UncertaintyConfig
from cmapss_rul.bench import limit
from cmapss_rul.bench.medians import Figure, ratio
from cmapss_rul.bench.options import Setting, alone, as_ours, as_usual, waited_for
from cmapss_rul.bench.usual import UsualLoop
from cmapss_rul.bench.workers import Side, in_turn, once
from cmapss_rul.data.trainset import TrainingData
from cmapss_rul.data.windows import LabelledWindows
from cmapss_rul.training.checkpoint import build_network
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.inputs import load_data
from cmapss_rul.training.optimisation import Trainer

BALANCERS: tuple[BalancerConfig, ...] = (
    AMNLConfig(),
    AMNLEMAConfig(),
    UncertaintyConfig(),
    GradNormConfig(),
    DTPConfig(),
    DWAConfig(),
    GeometricMeanConfig(),
    RandomConfig(),
)
"""All but `fixed`, which they are compared with, and those of the extra `torchjd`."""


class Work(NamedTuple):
    """Where and how a side takes its steps.

    Attributes:
        device: where.
        threads: of PyTorch.
        steps: in a turn.
    """

    device: str
    threads: int
    steps: int


def step(setting: Setting) -> dict[str, Any]:
    """Time training steps of both loops in turn, the fetching of their batches included.

    Some processes are slower than others all their life, so several of each side take part.
    """
    work, config, sizes = _work(setting), alone(setting.config), setting.sizes
    theirs: list[float] = []
    own: list[float] = []
    for _ in range(sizes.pairs):
        with Side(usual_steps, config, work) as usual, Side(our_steps, config, work) as ours:
            pair = {"usual": usual, "ours": ours}
            turns = in_turn(pair, sizes.turns // sizes.pairs, warm_up=3)
        theirs += turns["usual"]
        own += turns["ours"]
    return {
        "step.ratio_to_usual_loop": ratio(theirs, own),
        "step.usual_loop_seconds": Figure.of(theirs),
        "step.seconds": Figure.of(own),
    }


def balancers(setting: Setting) -> dict[str, Any]:
    """Time a step of each balancer in turn with one of `fixed`."""
    figures = once(balancers_and_fixed, alone(setting.config), _work(setting), setting.sizes.turns)
    return {f"balancers.{name}.ratio_to_fixed": figure for name, figure in figures.items()}


def share_of_matmul_limit(setting: Setting) -> dict[str, Any]:
    """Compare the steps of the shipped and of the published network with their products alone."""
    sizes, found = setting.sizes, {}
    for key, config, turns in (
        ("step", setting.config, sizes.turns),
        ("published.step", setting.published, sizes.published_turns),
    ):
        each = max(1, turns // sizes.pairs)
        taken = [
            once(products_and_steps, config, setting.threads, each) for _ in range(sizes.pairs)
        ]
        rates = [share.flops / seconds / 1e9 for share in taken for seconds in share.products]
        shares = [one for share in taken for one in share.shares]
        found[f"{key}.share_of_matmul_limit"] = Figure.of(shares)
        found[f"{key}.matmul_gflops_per_second"] = Figure.of(rates)
    return found


def products_and_steps(config: RunConfig, threads: int, turns: int) -> Callable[[], limit.Share]:
    """Make the measurement of `limit` ready, which is on the CPU and on numbers drawn."""
    as_ours(threads)
    return lambda: limit.measure(config, turns)


def _work(setting: Setting) -> Work:
    return Work(setting.device, setting.threads, setting.sizes.steps)


def usual_steps(config: RunConfig, work: Work) -> Callable[[], float]:
    """Make the usual loop ready; a turn gives the seconds of a step."""
    as_usual(work.threads)
    loop = UsualLoop(config, load_data(config), torch.device(work.device))
    loop.network.train()
    batches = forever(loop.loader)
    return lambda: timed(lambda: loop.step(next(batches)), work)


def forever(loader: Any) -> Iterator[list[Tensor]]:
    """Go through a loader again and again."""
    while True:
        yield from loader


def our_steps(config: RunConfig, work: Work) -> Callable[[], float]:
    """Make our loop ready; a turn gives the seconds of a step."""
    as_ours(work.threads)
    take = stepper(config, load_data(config), work)
    return lambda: timed(take, work)


def balancers_and_fixed(
    config: RunConfig, work: Work, turns: int
) -> Callable[[], dict[str, Figure]]:
    """Make every balancer ready; a turn gives the ratios of their steps to those of `fixed`."""
    as_ours(work.threads)
    data = load_data(config)

    def side(balancer: BalancerConfig) -> Callable[[], float]:
        take = stepper(config.model_copy(update={"balancer": balancer}), data, work)
        return lambda: timed(take, work)

    def measure() -> dict[str, Figure]:
        found: dict[str, Figure] = {}
        for balancer in BALANCERS:
            pair = {"fixed": side(FixedConfig()), "other": side(balancer)}
            times = in_turn(pair, turns, warm_up=3)
            found[balancer.name] = ratio(times["other"], times["fixed"])
        return found

    return measure


def stepper(config: RunConfig, data: TrainingData, work: Work) -> Callable[[], object]:
    """Return a function that gathers a full batch and takes a training step on it."""
    device = torch.device(work.device)
    trainer = Trainer(config, build_network(config, data.preprocessor), device)
    training = data.training.to(device)
    indices = orders(training, config.train.batch_size)
    return lambda: trainer.step(training.batch(next(indices)), 0, limit.STEADY)


def orders(labelled: LabelledWindows, batch_size: int) -> Iterator[Tensor]:
    """Draw full batches of windows, epoch after epoch."""
    size = min(batch_size, len(labelled))
    while True:
        order = torch.randperm(len(labelled)).to(labelled.rul.device)
        yield from (part for part in torch.split(order, size) if len(part) == size)


def timed(take: Callable[[], object], work: Work) -> float:
    """Take the steps of a turn; return the seconds of one."""
    with waited_for(torch.device(work.device)):
        start = time.perf_counter()
        for _ in range(work.steps):
            take()
    return (time.perf_counter() - start) / work.steps
