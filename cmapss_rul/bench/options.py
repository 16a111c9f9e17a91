"""Options of a benchmark: configurations, device and numbers of repetitions."""

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
"""Window in comparisons with rul-datasets, cycles: its default for FD001."""


@dataclass(frozen=True)
class Repetitions:
    """Numbers of repetitions of the measurements.

    Attributes:
        seeds: seeds of the runs to the target accuracy.
        repeats: runs per seed.
        usual_epochs: epochs of the reference loop.
        turns: turns of training steps per contender.
        pairs: pairs of processes, one after another, that share these turns; number of processes
            if both contenders run in one.
        steps: training steps per turn.
        published_turns: turns for the published network.
        starts: new processes for data preparation and for startup.
        passes: passes over all windows for batch assembly and for prediction.
        single: windows predicted one at a time.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    repeats: int = 3
    usual_epochs: int = 12
    turns: int = 120
    # *measured* with one pair and without `measurement.REST`: a ratio from 0.97 to 1.36 in two days
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
"""Repetitions of `rul bench --quick`."""


@dataclass(frozen=True)
class BenchOptions:
    """Configurations and conditions of a benchmark.

    `config` is the shipped configuration of the subset; `fd001` has the same split for all seeds;
    `published` has the published network. `device` is the PyTorch device of the networks, `folder`
    is for temporary files.
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
        """Load the shipped configurations, with another data folder if one is given."""
        sets = [] if data is None else [f"data.dir={data}"]
        return cls(
            config=load_config(subset.lower(), sets),
            # one split, so that seeds differ only in training
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
        """Configuration with the inputs of rul-datasets, 14 sensors by default."""
        data = DataConfig(
            subset=self.config.data.subset,
            dir=self.config.data.dir,
            window=PEER_WINDOW,
            columns=LITERATURE_SENSORS,
            cycle_count=False,  # the loader of rul-datasets has no such input
        )
        return RunConfig(data=data)

    def fetch_files(self) -> None:
        """Download missing data files, so that measurements exclude downloads."""
        for config in (self.config, self.fd001):  # `published` is measured on random numbers
            ensure_files(config.data, ["train", "test", "RUL"])
            for subset in config.data.auxiliary:
                ensure_files(config.data.model_copy(update={"subset": subset}), ["train"])


def with_data(config: RunConfig, **changes: Any) -> RunConfig:
    """Return the configuration with other values in its section `data`."""
    return config.model_copy(update={"data": config.data.model_copy(update=changes)})


def without_auxiliary(config: RunConfig) -> RunConfig:
    """Return the configuration without auxiliary subsets, which the reference loop cannot use."""
    return with_data(config, auxiliary=())


def set_up_ours(threads: int) -> None:
    """Set up a process as `rul train` does."""
    keep_freed_memory()
    set_up_torch(threads)


def set_up_torch(threads: int, seed: int = 0) -> None:
    """Set up a process like a plain PyTorch script, with the same threads for both contenders."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)


@contextmanager
def synchronised(device: torch.device) -> Iterator[None]:
    """Synchronise before and after the block, because CUDA kernels run asynchronously."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    yield
    if device.type == "cuda":
        torch.cuda.synchronize(device)
