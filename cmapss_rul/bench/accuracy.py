"""Time to a target accuracy, compared with the reference loop."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from cmapss_rul.bench.measurement import Summary, measure_once, summarise_ratios
from cmapss_rul.bench.options import BenchOptions, set_up_torch, without_auxiliary
from cmapss_rul.bench.reference_loop import Epoch, ReferenceLoop
from cmapss_rul.system.memory import keep_freed_memory
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.inputs import load_data
from cmapss_rul.training.reporters import Reporter, Row
from cmapss_rul.training.train import train

MARGIN = 1.02
"""Target validation RMSE as a multiple of the reference loop's best (*guess*)."""


class TimeToTarget(NamedTuple):
    """Seconds and epochs until a run reaches the target; of the whole run if it never does.

    `best` is its lowest validation RMSE, cycles.
    """

    seconds: float
    epochs: int
    reached: bool
    best: float


def time_to_target(epochs: Sequence[Epoch], target: float) -> TimeToTarget:
    """Sum the seconds of a run until its validation RMSE first reaches the target.

    >>> time_to_target([Epoch(2.0, 15.0), Epoch(3.0, 12.0), Epoch(3.0, 13.0)], target=12.5)
    TimeToTarget(seconds=5.0, epochs=2, reached=True, best=12.0)
    >>> time_to_target([Epoch(2.0, 15.0), Epoch(3.0, 12.0)], target=11.0).seconds
    5.0
    """
    seconds, best = 0.0, min(epoch.rmse for epoch in epochs)
    for number, epoch in enumerate(epochs, start=1):
        seconds += epoch.seconds
        if epoch.rmse <= target:
            return TimeToTarget(seconds, number, True, best)
    # the whole time is a lower bound; excluding the run would favour a loop that fails
    return TimeToTarget(seconds, len(epochs), False, best)


def measure_accuracy(options: BenchOptions) -> dict[str, Any]:
    """Train both loops with each seed, alternately, and compare the times to the target.

    Repeated runs of a seed take the same epochs; only their duration varies with the machine.
    """
    # all seeds once, then all again: a temporarily slow machine affects each seed alike
    seeds = options.sizes.seeds * options.sizes.repeats
    pairs = [
        # numbered, because each seed has several runs
        _train_both(options, options.fd001.model_copy(update={"seed": seed}), f"accuracy-{number}")
        for number, seed in enumerate(seeds)
    ]
    reference_seconds, our_seconds = (
        [run.seconds for run in runs] for runs in zip(*pairs, strict=True)
    )
    # "usual_loop" is the reference loop: a key of saved results
    return {
        "accuracy.ratio_to_usual_loop": summarise_ratios(reference_seconds, our_seconds),
        "accuracy.usual_loop_seconds": Summary.of(reference_seconds),
        "accuracy.seconds": Summary.of(our_seconds),
        "accuracy.seeds": [
            {"seed": seed, "usual_loop": reference._asdict(), "ours": ours._asdict()}
            for seed, (reference, ours) in zip(seeds, pairs, strict=True)
        ],
    }


def measure_splits(
    options: BenchOptions, splits: int, report: Callable[[str], None]
) -> dict[str, Any]:
    """Compare the times to the target on several splits of the engines, with several seeds each.

    The defaults may have been tuned on one split. Both loops train on the same engines, without
    auxiliary subsets, and use the same inputs. A run that never reaches the target counts with its
    whole time; `accuracy.never` is the number of such runs.

    Args:
        options: options; `options.config` is measured, with `split.seed` 0, 1, ….
        splits: number of splits.
        report: called with the ratio of each pair.
    """
    runs: list[dict[str, Any]] = []
    for split, seed in itertools.product(range(splits), options.sizes.seeds):
        config = without_auxiliary(options.config)
        own = config.split.model_copy(update={"seed": split})
        config = config.model_copy(update={"seed": seed, "split": own})
        reference, ours = _train_both(options, config, f"accuracy-{split}-{seed}")
        ratio = reference.seconds / ours.seconds
        runs.append(
            {"split": split, "seed": seed, "ratio": ratio, "usual_loop": reference._asdict(),
             "ours": ours._asdict()}
        )  # fmt: skip
        never = "" if ours.reached else ", never reached by ours"
        report(f"split {split}, seed {seed}: ratio {ratio:.2f}{never}")
    ratios = [run["ratio"] for run in runs]
    return {
        "accuracy.ratio_to_usual_loop": Summary.of(ratios),
        "accuracy.quartiles": np.quantile(ratios, [0.25, 0.75]).tolist(),
        "accuracy.never": {
            side: sum(not run[side]["reached"] for run in runs) for side in ("usual_loop", "ours")
        },
        "accuracy.splits": splits,
        "accuracy.runs": runs,
    }


def _train_both(
    options: BenchOptions, config: RunConfig, name: str
) -> tuple[TimeToTarget, TimeToTarget]:
    """Train the reference loop, then ours in the run folder `name`."""
    epochs, device = options.sizes.usual_epochs, options.device
    reference = measure_once(prepare_reference, config, epochs, device)
    ours = measure_once(prepare_ours, config, options.folder / name, device)
    return compare_times(reference, ours)


def compare_times(
    reference: Sequence[Epoch], ours: Sequence[Epoch]
) -> tuple[TimeToTarget, TimeToTarget]:
    """Return the time until each run is within `MARGIN` of the best RMSE of the reference run."""
    target = MARGIN * min(epoch.rmse for epoch in reference)
    return time_to_target(reference, target), time_to_target(ours, target)


def prepare_reference(config: RunConfig, epochs: int, device: str) -> Callable[[], list[Epoch]]:
    """Prepare the reference loop with the same split and windows, without auxiliary subsets."""
    set_up_torch(config.train.thread_count(), config.seed)
    data = load_data(without_auxiliary(config))
    loop = ReferenceLoop(config, data, torch.device(device))
    return lambda: list(loop.fit(epochs))


def prepare_ours(config: RunConfig, folder: Path, device: str) -> Callable[[], list[Epoch]]:
    """Prepare `rul train`, which sets threads and seed itself."""
    keep_freed_memory()
    recorder = EpochRecorder()

    def run() -> list[Epoch]:
        train(config, folder, device=device, reporters=[recorder])
        return recorder.epochs

    return run


class EpochRecorder(Reporter):
    """Records duration and validation RMSE of each epoch."""

    def __init__(self) -> None:
        self.epochs: list[Epoch] = []

    def epoch_end(self, row: Row, best: bool) -> None:
        """Record an epoch."""
        del best
        # "seconds" includes training and validation, as in `ReferenceLoop.fit`
        self.epochs.append(Epoch(row["seconds"], row["val_rmse"]))
