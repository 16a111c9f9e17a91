"""Processes that train one network together, each on its share of every batch.

`torchrun` starts them and numbers them from 0: their ranks. All draw the same windows in the
same order, see the losses of the whole batch and hold the same weights; rank 0 alone evaluates,
writes and reports. A process without torchrun is a rank of its own: `Ranks`.
"""

import os
import platform
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from cmapss_rul.display.text import one_line
from cmapss_rul.model.network import Network
from cmapss_rul.system.errors import RulError, UsageError
from cmapss_rul.system.signals import Interrupted, StopSignals, Terminated
from cmapss_rul.training.device import pick_device

_T = TypeVar("_T")


class Ranks:
    """One process that trains alone.

    Attributes:
        rank: number of this process.
        size: how many processes there are.
        names: of all of them, in one line; empty for one that is alone.
    """

    rank: int = 0
    size: int = 1
    names: str = ""

    @property
    def first(self) -> bool:
        """Whether this is the process that evaluates, writes and reports."""
        return self.rank == 0

    def device(self, name: str) -> torch.device:
        """Where this process computes; see `pick_device`."""
        return pick_device(name)

    def of_first(self, call: Callable[[], _T]) -> _T:
        """What a call gives on rank 0, where alone it is made; plain values and configurations."""
        return call()

    def agree(self, stop: StopSignals) -> None:
        """Let every rank have received the signal that one has."""

    def prepared(self, network: Network) -> Network:
        """A network whose statistics are those of whole batches.

        Raises:
            UsageError: it cannot have them.
        """
        return network

    def wrapped(self, network: Network) -> nn.Module:
        """A module whose forward is the network's and whose gradients are those of all ranks."""
        return network

    def share(self, index: Tensor) -> Tensor:
        """This rank's windows of a batch [batch].

        Raises:
            UsageError: there are fewer windows than ranks.
        """
        return index

    def own_draws(self, seed: int, step: int) -> AbstractContextManager[None]:
        """Draw dropout and noise of a step apart from the draws that all ranks share."""
        del seed, step
        return nullcontext()

    def means(
        self, over: Tensor, under: Tensor, kpis: Tensor | None, windows: int
    ) -> tuple[Tensor, Tensor | None]:
        """Losses and KPIs of the whole batch.

        Args:
            over: [2], numerators of the losses on this rank's windows, with graph.
            under: [2], their denominators.
            kpis: [2], of this rank's windows, if they are watched.
            windows: how many these are.
        """
        del windows
        return over / under, kpis

    def mean(self, gradient: Tensor) -> Tensor:
        """The gradient of the whole batch, from that of this rank."""
        return gradient


class Joined(Ranks):
    """One of several processes.

    A loss of the batch is the sum of the ranks' numerators over the sum of their denominators.
    Its value is the same everywhere; its gradient on a rank is that of the rank's own
    numerators times the number of ranks, so that DistributedDataParallel's mean over ranks is
    the gradient of the whole batch.

    Args:
        where: where this rank computes.
    """

    def __init__(self, where: torch.device) -> None:
        from torch import distributed  # here and below: only where there are ranks

        self._comm = distributed
        self._where = where
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        mine = f"rank {self.rank} ({platform.node()}, process {os.getpid()}, {where})"
        all_names: list[Any] = [None] * self.size
        distributed.all_gather_object(all_names, mine)
        backend = "gloo" if where.type == "cpu" else "NCCL"
        self.names = f"{self.size} ranks, joined by {backend}: {', '.join(all_names)}"

    def device(self, name: str) -> torch.device:
        """Where this process computes."""
        del name
        return self._where

    def of_first(self, call: Callable[[], _T]) -> _T:
        """What a call gives on rank 0, where alone it is made; plain values and configurations."""
        found: list[Any] = [call() if self.first else None]
        self._comm.broadcast_object_list(found)
        value: _T = found[0]
        return value

    def agree(self, stop: StopSignals) -> None:
        """Let every rank have received the signal that one has, through the CPU."""
        number = torch.tensor(stop.received or 0)
        self._comm.all_reduce(number, self._comm.ReduceOp.MAX)
        stop.received = int(number) or None

    def prepared(self, network: Network) -> Network:
        """A network whose batch normalisation is that of whole batches: on GPUs alone.

        Raises:
            UsageError: it has one, on CPUs.
        """
        if not any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in network.modules()):
            return network
        if self._where.type == "cpu":
            raise UsageError(
                f"model.cnn.batch_norm: found true with {self.size} ranks on CPUs, where its "
                "statistics would be those of a share of the batch; train without torchrun, on "
                "GPUs, or without batch normalisation"
            )
        convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm  # without types
        converted: Network = convert(network)
        return converted

    def wrapped(self, network: Network) -> nn.Module:
        """The network in DistributedDataParallel, which gives all ranks the weights of rank 0."""
        devices = None if self._where.type == "cpu" else [self._where]
        return nn.parallel.DistributedDataParallel(network, device_ids=devices)

    def share(self, index: Tensor) -> Tensor:
        """This rank's windows of a batch [batch]; the first ranks have one more where it is odd.

        Raises:
            UsageError: there are fewer windows than ranks.
        """
        if len(index) < self.size:
            raise UsageError(
                f"train.batch_size: a batch of {len(index)} windows cannot be shared by "
                f"{self.size} ranks; take larger batches or fewer ranks"
            )
        return index.tensor_split(self.size)[self.rank]

    @contextmanager
    def own_draws(self, seed: int, step: int) -> Iterator[None]:
        """Draw from a generator of this rank and step.

        The global generators stay the same on all ranks, for balancers that draw, and hold all
        that going on exactly needs.
        """
        own = np.random.SeedSequence((seed, step, self.rank)).generate_state(1, np.uint64)[0]
        with torch.random.fork_rng([] if self._where.type == "cpu" else [self._where]):
            torch.manual_seed(int(own))
            yield

    def means(
        self, over: Tensor, under: Tensor, kpis: Tensor | None, windows: int
    ) -> tuple[Tensor, Tensor | None]:
        """Losses and KPIs of the whole batch, summed over ranks in one go."""
        counted = torch.full_like(under[:1], windows)
        parts = [over, under, counted] + ([] if kpis is None else [kpis * windows])
        sums = torch.cat(parts).detach()
        self._comm.all_reduce(sums)
        joint = sums[:2] + self.size * (over - over.detach())  # the second term has value 0
        return joint / sums[2:4], None if kpis is None else sums[5:] / sums[4]

    def mean(self, gradient: Tensor) -> Tensor:
        """The gradient of the whole batch: the mean over ranks, as for the network's weights."""
        joint = gradient.clone()
        self._comm.all_reduce(joint)
        return joint / self.size


class Unsaid(RulError):
    """Another rank has said why all of them end: an error without a message, which is not said."""


@contextmanager
def joined(device: str) -> Iterator[Ranks]:
    """Join the other processes that torchrun has started, if it has.

    Whatever ends one rank ends all: the others meet its absence in the next step. One of them
    says so, unless the first to end has said why.

    Args:
        device: auto, cpu or cuda.

    Raises:
        UsageError: there is no such device, or fewer GPUs here than ranks.
        RulError: a rank has ended, or is not to be found.
        Unsaid: and that was said elsewhere.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Ranks()
        return
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    try:
        store, rank, size = next(rendezvous("env://"))
    except (RuntimeError, ValueError) as error:
        raise RulError(f"torchrun: the ranks cannot find each other: {one_line(error)}") from error
    try:
        where = _own_device(device)
        backend = "gloo" if where.type == "cpu" else "cpu:gloo,cuda:nccl"
        distributed.init_process_group(backend, store=store, rank=rank, world_size=size)
        yield Joined(where)
    except BaseException as error:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # torchrun's, while this is said
        if not _may_speak(store):
            raise Unsaid from None
        raise _told(error, rank, size) from error
    distributed.destroy_process_group()


def _may_speak(store: Any) -> bool:
    """Whether no rank has said yet why all of them end; asked once."""
    with suppress(RuntimeError):  # torchrun is gone, and nobody else can be asked
        return bool(store.add("cmapss_rul ends", 1) == 1)
    return True


def _own_device(name: str) -> torch.device:
    """This rank's device: the GPU of its number on its machine."""
    where = pick_device(name)
    if where.type == "cpu":
        return where
    number = int(os.environ.get("LOCAL_RANK", "0"))
    if number >= torch.cuda.device_count():
        raise UsageError(
            f"torchrun: found rank {number} on a machine with {torch.cuda.device_count()} GPU(s), "
            "expected one GPU a rank; use --nproc-per-node with fewer, or --device cpu"
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def _told(error: BaseException, rank: int, size: int) -> BaseException:
    """The error that ends all ranks, as it is to be said."""
    if isinstance(error, Terminated) or _is_of_an_absence(error):
        return RulError(
            f"a rank has ended or was ended, so rank {rank} of {size} ends too; the last "
            "checkpoint is kept, go on with the same command and --resume auto"
        )
    if isinstance(error, RulError) and not isinstance(error, Interrupted) and rank:
        told = RulError(f"rank {rank}: {error}")
        told.exit_code = error.exit_code
        return told
    return error


def _is_of_an_absence(error: BaseException) -> bool:
    """Whether another rank could not be reached."""
    from torch.distributed import DistError

    if isinstance(error, DistError):
        return True
    return isinstance(error, RuntimeError) and "gloo" in str(error)  # it has no type of its own
