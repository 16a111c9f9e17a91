"""Time to a good model, beside the usual loop's."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

from cmapss_rul.bench.medians import Figure, ratio
from cmapss_rul.bench.options import Setting, alone, as_usual
from cmapss_rul.bench.usual import Epoch, UsualLoop
from cmapss_rul.bench.workers import once
from cmapss_rul.system.memory import keep_freed_memory
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.inputs import load_data
from cmapss_rul.training.loggers import Reporter, Row
from cmapss_rul.training.train import train

MARGIN = 1.02
"""A model is good whose validation RMSE is within 2 % of the usual loop's best."""


class Reached(NamedTuple):
    """When a run became good.

    Attributes:
        seconds: until then; of the whole run where it never did.
        epochs: until then.
        reached: whether it did.
        best: lowest validation RMSE of the run, cycles.
    """

    seconds: float
    epochs: int
    reached: bool
    best: float


def time_to(epochs: Sequence[Epoch], target: float) -> Reached:
    """Add up a run's seconds until its validation RMSE first falls to the target.

    >>> time_to([Epoch(2.0, 15.0), Epoch(3.0, 12.0), Epoch(3.0, 13.0)], target=12.5)
    Reached(seconds=5.0, epochs=2, reached=True, best=12.0)
    >>> time_to([Epoch(2.0, 15.0), Epoch(3.0, 12.0)], target=11.0).seconds
    5.0
    """
    seconds, best = 0.0, min(epoch.rmse for epoch in epochs)
    for number, epoch in enumerate(epochs, start=1):
        seconds += epoch.seconds
        if epoch.rmse <= target:
            return Reached(seconds, number, True, best)
    return Reached(seconds, len(epochs), False, best)


def accuracy(setting: Setting) -> dict[str, Any]:
    """Train both loops from each seed, in turn, and compare the times to a good model.

    Runs of one seed take the same epochs each time; how long those take changes with the machine.
    """
    seeds = setting.sizes.seeds * setting.sizes.repeats
    pairs = []
    for number, seed in enumerate(seeds):
        config = setting.fd001.model_copy(update={"seed": seed})
        folder = setting.folder / f"accuracy-{number}"
        theirs = once(usual_run, config, setting.sizes.usual_epochs, setting.device)
        ours = once(our_run, config, folder, setting.device)
        pairs.append(compared(theirs, ours))
    theirs_seconds, our_seconds = (
        [each.seconds for each in side] for side in zip(*pairs, strict=True)
    )
    return {
        "accuracy.ratio_to_usual_loop": ratio(theirs_seconds, our_seconds),
        "accuracy.usual_loop_seconds": Figure.of(theirs_seconds),
        "accuracy.seconds": Figure.of(our_seconds),
        "accuracy.seeds": [
            {"seed": seed, "usual_loop": theirs._asdict(), "ours": ours._asdict()}
            for seed, (theirs, ours) in zip(seeds, pairs, strict=True)
        ],
    }


def compared(theirs: Sequence[Epoch], ours: Sequence[Epoch]) -> tuple[Reached, Reached]:
    """Find when either run came within the margin of the usual loop's best."""
    target = MARGIN * min(epoch.rmse for epoch in theirs)
    return time_to(theirs, target), time_to(ours, target)


def usual_run(config: RunConfig, epochs: int, device: str) -> Callable[[], list[Epoch]]:
    """Make the usual loop ready: the subset's own engines, the same split, the same windows."""
    as_usual(config.train.thread_count(), config.seed)
    data = load_data(alone(config))
    loop = UsualLoop(config, data, torch.device(device))
    return lambda: list(loop.fit(epochs))


def our_run(config: RunConfig, folder: Path, device: str) -> Callable[[], list[Epoch]]:
    """Make `rul train` ready, which sets threads and seed itself."""
    keep_freed_memory()
    clock = Stopwatch()

    def run() -> list[Epoch]:
        train(config, folder, device=device, reporters=[clock])
        return clock.epochs

    return run


class Stopwatch(Reporter):
    """A reporter that notes what each epoch took and reached."""

    def __init__(self) -> None:
        self.epochs: list[Epoch] = []

    def epoch_end(self, row: Row, best: bool) -> None:
        """Note an epoch."""
        del best
        self.epochs.append(Epoch(row["seconds"], row["val_rmse"]))
