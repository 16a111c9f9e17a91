"""Processes that train one network together, each on its share of every batch.

`torchrun` starts them and numbers them from 0: their ranks. All draw the same windows in the
same order, see the losses of the whole batch and have the same weights; rank 0 alone evaluates,
writes and reports. Without torchrun the group is one process: `ProcessGroup`.
"""

import os
import platform
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from cmapss_rul.display.text import counted
from cmapss_rul.model.network import Network
from cmapss_rul.system.errors import RulError, UsageError, one_line
from cmapss_rul.system.signals import Interrupted, StopSignals, Terminated

_T = TypeVar("_T")
_P = ParamSpec("_P")

DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")
UNTESTED = ("mps", "xpu")
"""Devices that PyTorch knows and nobody has tried this package on."""


def pick_device(name: str) -> torch.device:
    """Turn the value of `--device` into a device.

    Args:
        name: one of `DEVICES`; `auto` is CUDA where there is one, else the CPU.

    Raises:
        UsageError: the name is none of these, or there is no such device.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    if name not in DEVICES:
        raise UsageError(f"--device: found '{name}', expected one of {', '.join(DEVICES)}")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in available_devices():
        raise UsageError(
            f"--device: {name} was asked for, but this PyTorch "
            f"({torch.__version__}) finds no {name.upper()} device; use --device cpu or auto"
        )
    return torch.device(name)


def available_devices() -> list[str]:
    """Names of the devices that PyTorch finds here."""
    there = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "xpu": torch.xpu.is_available(),
    }
    return [name for name, found in there.items() if found]


class ProcessGroup:
    """A group of one process; the base of those with several.

    Attributes:
        description: of all of them, in one line; empty for a single one.
    """

    rank: int = 0
    size: int = 1
    description: str = ""

    @property
    def first(self) -> bool:
        """Whether this is the process that evaluates, writes and reports."""
        return self.rank == 0

    def device(self, name: str) -> torch.device:
        """Return the device of this process; see `pick_device`."""
        return pick_device(name)

    def on_first_rank(self, call: Callable[_P, _T], *args: _P.args, **options: _P.kwargs) -> _T:
        """Make a call on rank 0 only, and return its result on all; it must be picklable."""
        return call(*args, **options)

    def share_signal(self, stop: StopSignals) -> None:
        """Broadcast a received signal to all ranks."""

    def with_sync_batch_norm(self, network: Network) -> Network:
        """Return the network with batch normalisation over whole batches.

        Raises:
            UsageError: there are several ranks on CPUs.
        """
        return network

    def distribute(self, network: Network) -> nn.Module:
        """Return a module that computes the network, with gradients averaged over the ranks."""
        return network

    def local_share(self, index: Tensor) -> Tensor:
        """Return this rank's windows of a batch [batch].

        Raises:
            UsageError: there are fewer windows than ranks.
        """
        return index

    def rank_generator(self, seed: int, step: int) -> AbstractContextManager[None]:
        """Draw dropout and noise of a step apart from the draws that all ranks share."""
        del seed, step
        return nullcontext()

    def batch_means(
        self, numerators: Tensor, denominators: Tensor, kpis: Tensor | None, windows: int
    ) -> tuple[Tensor, Tensor | None]:
        """Return losses and KPIs of the whole batch.

        Args:
            numerators: [2], numerators of the losses on this rank's windows, with graph.
            denominators: [2], of these losses; that of the health loss is the number of windows
                of a known class, which may be 0.
            kpis: [2], of this rank's windows, if they are watched.
            windows: number of these windows.
        """
        del windows
        return numerators / denominators.clamp(min=1), kpis

    def mean_gradient(self, gradient: Tensor) -> Tensor:
        """Return the gradient of the whole batch, from that of this rank."""
        return gradient


class DistributedGroup(ProcessGroup):
    """One of several processes.

    A loss of the batch is the sum of the ranks' numerators over the sum of their denominators.
    Its value is the same everywhere; its gradient on a rank is that of the rank's own
    numerators times the number of ranks, so that DistributedDataParallel's mean over ranks is
    the gradient of the whole batch.
    """

    def __init__(self, device: torch.device) -> None:
        from torch import distributed  # here and below: only where there are ranks

        self._comm = distributed
        self._device = device
        self.rank, self.size = distributed.get_rank(), distributed.get_world_size()
        own = f"rank {self.rank} ({platform.node()}, process {os.getpid()}, {device})"
        ranks: list[Any] = [None] * self.size
        distributed.all_gather_object(ranks, own)
        backend = "gloo" if device.type == "cpu" else "NCCL"
        self.description = f"{self.size} ranks, joined by {backend}: {', '.join(ranks)}"

    def device(self, name: str) -> torch.device:
        """Return the device of this rank."""
        del name
        return self._device

    def on_first_rank(self, call: Callable[_P, _T], *args: _P.args, **options: _P.kwargs) -> _T:
        """Make a call on rank 0 only, and broadcast its result; it must be picklable."""
        found: list[Any] = [call(*args, **options) if self.first else None]
        self._comm.broadcast_object_list(found)
        value: _T = found[0]
        return value

    def share_signal(self, stop: StopSignals) -> None:
        """Broadcast a received signal to all ranks, through the CPU.

        torchrun signals its processes one after the other. A rank that left the loop by itself
        would let the others wait for it in their next all-reduce, so all leave after the same step.
        """
        # the maximum: most ranks have 0, and any signal ends all of them
        number = torch.tensor(stop.received or 0)
        self._comm.all_reduce(number, self._comm.ReduceOp.MAX)
        stop.received = int(number) or None

    def with_sync_batch_norm(self, network: Network) -> Network:
        """Return the network with SyncBatchNorm, which PyTorch has for GPUs only."""
        if not any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in network.modules()):
            return network
        if self._device.type == "cpu":
            raise UsageError(
                f"model.cnn.batch_norm: found true with {self.size} ranks on CPUs, where its "
                "statistics would be those of a share of the batch; train without torchrun, on "
                "GPUs, or without batch normalisation"
            )
        convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm  # without types
        converted: Network = convert(network)
        return converted

    def distribute(self, network: Network) -> nn.Module:
        """Wrap the network in DistributedDataParallel, which also copies rank 0's weights."""
        devices = None if self._device.type == "cpu" else [self._device]
        return nn.parallel.DistributedDataParallel(network, device_ids=devices)

    def local_share(self, index: Tensor) -> Tensor:
        """Return this rank's windows of a batch [batch]; the first ranks take what is left over."""
        if len(index) < self.size:
            raise UsageError(
                f"train.batch_size: a batch of {len(index)} windows cannot be shared by "
                f"{self.size} ranks; take larger batches or fewer ranks"
            )
        return index.tensor_split(self.size)[self.rank]

    @contextmanager
    def rank_generator(self, seed: int, step: int) -> Iterator[None]:
        """Draw from a generator of this rank and step.

        The ranks would otherwise drop the same units in their different windows. The global
        generators stay equal on all ranks, for balancers that draw, and their state in the
        checkpoint is all that an exact resumption needs.
        """
        own = np.random.SeedSequence((seed, step, self.rank)).generate_state(1, np.uint64)[0]
        with torch.random.fork_rng([] if self._device.type == "cpu" else [self._device]):
            torch.manual_seed(int(own))
            yield

    def batch_means(
        self, numerators: Tensor, denominators: Tensor, kpis: Tensor | None, windows: int
    ) -> tuple[Tensor, Tensor | None]:
        """Return losses and KPIs of the whole batch, by a single sum over the ranks."""
        # windows behind each KPI: all, and those of a known class
        counted = torch.stack([torch.full_like(denominators[0], windows), denominators[1]])
        parts = [numerators, denominators, counted] + ([] if kpis is None else [kpis * counted])
        # one vector: on a CPU a reduction costs its start-up, not its few numbers
        sums = torch.cat(parts).detach()
        self._comm.all_reduce(sums)
        # the second term has value 0: it only gives the sum, which has no graph, a gradient
        joint = sums[:2] + self.size * (numerators - numerators.detach())
        joint = joint / sums[2:4].clamp(min=1)
        return joint, None if kpis is None else sums[6:] / sums[4:6].clamp(min=1)

    def mean_gradient(self, gradient: Tensor) -> Tensor:
        """Return the gradient of the whole batch: the mean over ranks, as for the weights."""
        joint = gradient.clone()  # all_reduce works in place, and autograd owns the gradient
        self._comm.all_reduce(joint)
        return joint / self.size


class AlreadyReported(RulError):
    """Raised on the other ranks once one has reported the failure; prints nothing."""


@contextmanager
def join_process_group(device: str) -> Iterator[ProcessGroup]:
    """Join the other processes that torchrun has started, if it has.

    A failure of one rank ends all: the others fail in their next all-reduce. One of them reports
    that, unless the rank that failed has reported the reason.

    Raises:
        UsageError: there is no such device, or fewer GPUs here than ranks.
        RulError: a rank has ended, or cannot be found.
        AlreadyReported: another rank has reported the failure.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ProcessGroup()
        return
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    try:
        store, rank, size = next(rendezvous("env://"))
    except (RuntimeError, ValueError) as error:
        raise RulError(f"torchrun: the ranks cannot find each other: {one_line(error)}") from error
    try:
        own_device = _device_of_rank(device)
        # gloo beside NCCL: signals are exchanged on the CPU, between any two steps
        backend = "gloo" if own_device.type == "cpu" else "cpu:gloo,cuda:nccl"
        distributed.init_process_group(backend, store=store, rank=rank, world_size=size)
        yield DistributedGroup(own_device)
    except BaseException as error:
        if threading.current_thread() is threading.main_thread():  # where Python allows it
            # torchrun sends it as soon as one rank has ended; this one may have to report first
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if not _reports_first(store):
            raise AlreadyReported from None
        raise _reported_error(error, rank, size) from error
    # only after success: in a failure it may wait for a rank that is gone
    distributed.destroy_process_group()


def _reports_first(store: Any) -> bool:
    """Whether no rank has reported the failure yet; counts the call as a report."""
    with suppress(RuntimeError):  # torchrun has ended, and no other rank can be asked
        return bool(store.add("cmapss_rul ends", 1) == 1)
    return True


def _device_of_rank(name: str) -> torch.device:
    """Return this rank's device: on GPUs the one of its number on its machine."""
    device = pick_device(name)
    if device.type == "cpu":
        return device
    if device.type in UNTESTED:
        raise UsageError(f"--device: several processes need cpu or cuda, found {name}")
    number = int(os.environ.get("LOCAL_RANK", "0"))
    if number >= (gpus := torch.cuda.device_count()):
        raise UsageError(
            f"torchrun: found rank {number} on a machine with {counted(gpus, 'GPU')}, "
            "expected one GPU a rank; use --nproc-per-node with fewer, or --device cpu"
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def _reported_error(error: BaseException, rank: int, size: int) -> BaseException:
    """Return the error that ends all ranks, as it is reported."""
    if isinstance(error, Terminated) or _is_lost_connection(error):
        return RulError(
            f"a rank has ended or was ended, so rank {rank} of {size} ends too; the last "
            "checkpoint is retained, resume with the same command and --resume auto"
        )
    if isinstance(error, RulError) and not isinstance(error, Interrupted) and rank:
        reported = RulError(f"rank {rank}: {error}")
        reported.exit_code = error.exit_code
        return reported
    return error


def _is_lost_connection(error: BaseException) -> bool:
    """Whether another rank could not be reached."""
    from torch.distributed import DistError

    if isinstance(error, DistError):
        return True
    return isinstance(error, RuntimeError) and "gloo" in str(error)  # it has no type of its own
