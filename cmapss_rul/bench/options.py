"""Options of a benchmark: configurations, device, and numbers of repetitions."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from cmapss_rul.data.columns import LITERATURE_SENSORS, SubsetName
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.sources import ensure_files
from cmapss_rul.system.memory import keep_freed_memory
from cmapss_rul.training.config import RunConfig, load_config

PEER_WINDOW = 30
"""Cycles in a window where data are compared with those of rul-datasets, 30 for FD001."""


@dataclass(frozen=True)
class Repetitions:
    """How often each measurement is repeated.

    Attributes:
        seeds: of the runs to the target accuracy.
        repeats: of all these runs.
        usual_epochs: of the reference loop.
        turns: of a training step, for each contender.
        pairs: of processes, started one after another, which share the turns of steps; where both
            contenders are in one process, the number of processes.
        steps: per turn of steps.
        published_turns: of the published network's step.
        starts: of new processes, for data preparation and for program startup.
        passes: over all windows, for batch assembly and for prediction.
        single: windows predicted one at a time.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    repeats: int = 3
    usual_epochs: int = 12
    turns: int = 120
    # *measured* without several pairs and `workers.REST`: 0.97 to 1.36 for one ratio in two days
    pairs: int = 6
    steps: int = 4
    published_turns: int = 15
    starts: int = 7
    passes: int = 15
    single: int = 2000


QUICK = Repetitions(
    seeds=(0,), repeats=1, turns=10, pairs=2, steps=2, published_turns=3, starts=3, passes=5,
    single=300,
)  # fmt: skip
"""Of `rul bench --quick`."""


@dataclass(frozen=True)
class BenchOptions:
    """The configurations that are measured, and how.

    `config` is the shipped configuration of the subset, `fd001` has one split for all seeds,
    `published` has the published network. `device` is that of the networks, `folder` is for
    temporary files.
    """

    config: RunConfig
    fd001: RunConfig
    published: RunConfig
    device: str
    sizes: Repetitions
    folder: Path

    @classmethod
    def for_subset(
        cls, subset: SubsetName, data: Path | None, device: str, sizes: Repetitions, folder: Path
    ) -> "BenchOptions":
        """Take the shipped configurations, with data from another folder if one is given."""
        sets = [] if data is None else [f"data.dir={data}"]
        return cls(
            config=load_config(subset.lower(), sets),
            # one split, so that seeds differ in their training alone
            fd001=load_config("fd001", [*sets, "split.seed=0"]),
            published=load_config("published", sets),
            device=device,
            sizes=sizes,
            folder=folder,
        )

    @property
    def threads(self) -> int:
        """PyTorch threads of every contender."""
        return self.config.train.thread_count()

    @property
    def peer_config(self) -> RunConfig:
        """Configuration with the data that rul-datasets reads by default: 14 sensors."""
        data = DataConfig(
            subset=self.config.data.subset,
            dir=self.config.data.dir,
            window=PEER_WINDOW,
            columns=LITERATURE_SENSORS,
            cycle_count=False,  # the loader of rul-datasets has no such input
        )
        return RunConfig(data=data)

    def fetch_files(self) -> None:
        """Download missing data files, so that no measurement waits for a server."""
        for config in (self.config, self.fd001):  # `published` is measured on random numbers
            ensure_files(config.data, ["train", "test", "RUL"])
            for subset in config.data.auxiliary:
                ensure_files(config.data.model_copy(update={"subset": subset}), ["train"])


def with_data(config: RunConfig, **changes: Any) -> RunConfig:
    """Return the configuration with other values in its part `data`."""
    return config.model_copy(update={"data": config.data.model_copy(update=changes)})


def without_auxiliary(config: RunConfig) -> RunConfig:
    """Return the configuration without auxiliary subsets, which the reference loop lacks."""
    return with_data(config, auxiliary=())


def set_up_ours(threads: int) -> None:
    """Set a process up as `rul train` does."""
    keep_freed_memory()
    set_up_torch(threads)


def set_up_torch(threads: int, seed: int = 0) -> None:
    """Set a process up like a plain PyTorch script, with the same threads for both contenders."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)


@contextmanager
def synchronised(device: torch.device) -> Iterator[None]:
    """Wait for the device before and after the block: CUDA kernels run asynchronously."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    yield
    if device.type == "cuda":
        torch.cuda.synchronize(device)
