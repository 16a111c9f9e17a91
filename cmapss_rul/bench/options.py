"""What a benchmark measures, and how often."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from cmapss_rul.data.columns import LITERATURE_SENSORS, SubsetName
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.sources import ensure_files
from cmapss_rul.system.memory import keep_freed_memory
from cmapss_rul.training.config import RunConfig, load_config

PEER_WINDOW = 30
"""Cycles in a window where data are compared with the peer's, which has 30 for FD001."""


@dataclass(frozen=True)
class Sizes:
    """How often things are done.

    Attributes:
        seeds: of the runs to a good model.
        repeats: of all these runs.
        usual_epochs: of the usual loop.
        turns: of a training step, on each side.
        pairs: of processes, one after another, that share these turns, and those of `published`;
            where both sides live in one process, so many of these.
        steps: in such a turn.
        published_turns: of the published network's step.
        starts: of whole processes: preparing the data, starting the program.
        passes: over all windows, of loading and of predicting.
        single: windows predicted one at a time.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    repeats: int = 3
    usual_epochs: int = 12
    turns: int = 120
    pairs: int = 6
    steps: int = 4
    published_turns: int = 15
    starts: int = 7
    passes: int = 15
    single: int = 2000


QUICK = Sizes(
    seeds=(0,), repeats=1, turns=10, pairs=2, steps=2, published_turns=3, starts=3, passes=5,
    single=300,
)  # fmt: skip
"""A first look: the same measurements, fewer times."""


@dataclass(frozen=True)
class Setting:
    """What is measured.

    Attributes:
        config: shipped configuration of the subset.
        fd001: shipped configuration of FD001, with a split that no seed changes.
        published: configuration of the published network.
        device: where networks run.
        sizes: how often things are done.
        folder: for files that are not kept.
    """

    config: RunConfig
    fd001: RunConfig
    published: RunConfig
    device: str
    sizes: Sizes
    folder: Path

    @classmethod
    def of(
        cls, subset: SubsetName, data: Path | None, device: str, sizes: Sizes, folder: Path
    ) -> "Setting":
        """Take the shipped configurations, with data from the folder asked for."""
        sets = [] if data is None else [f"data.dir={data}"]
        return cls(
            config=load_config(subset.lower(), sets),
            fd001=load_config("fd001", [*sets, "split.seed=0"]),
            published=load_config("published", sets),
            device=device,
            sizes=sizes,
            folder=folder,
        )

    @property
    def threads(self) -> int:
        """Threads of every side."""
        return self.config.train.thread_count()

    @property
    def plain_data(self) -> RunConfig:
        """Configuration that reads what the peer reads by default: one subset, 14 sensors."""
        data = DataConfig(
            subset=self.config.data.subset,
            dir=self.config.data.dir,
            window=PEER_WINDOW,
            columns=LITERATURE_SENSORS,
            cycle_count=False,
        )
        return RunConfig(data=data)

    def provide(self) -> None:
        """Fetch what is missing, so that no measurement waits for a server."""
        for config in (self.config, self.fd001):
            ensure_files(config.data, ["train", "test", "RUL"])
            for subset in config.data.auxiliary:
                ensure_files(config.data.model_copy(update={"subset": subset}), ["train"])


def alone(config: RunConfig) -> RunConfig:
    """Leave out the train files of other subsets."""
    return config.model_copy(update={"data": config.data.model_copy(update={"auxiliary": ()})})


def as_ours(threads: int, seed: int = 0) -> None:
    """Set a process up as `rul train` does."""
    keep_freed_memory()
    as_usual(threads, seed)


def as_usual(threads: int, seed: int = 0) -> None:
    """Set a process up as a script of PyTorch has it, with the threads that both sides get."""
    torch.set_num_threads(threads)
    torch.manual_seed(seed)


@contextmanager
def waited_for(device: torch.device) -> Iterator[None]:
    """Let a device end its work before the context and in it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    yield
    if device.type == "cuda":
        torch.cuda.synchronize(device)
