"""Data-parallel training: processes that train one network, each on its share of every batch.

`torchrun` starts the processes, whose numbers are their ranks. All ranks draw the same windows in
the same order, have the losses of the global batch and the same weights; only rank 0 evaluates,
writes and reports. Without torchrun, `ProcessGroup` is a single process.
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

from cmapss_rul.model.network import Network
from cmapss_rul.system.errors import RulError, UsageError, one_line
from cmapss_rul.system.signals import Interrupted, StopSignals, Terminated, end_hung_process
from cmapss_rul.training.device import device_of_rank, pick_device

_T = TypeVar("_T")
_P = ParamSpec("_P")


class ProcessGroup:
    """A single process; base class of distributed groups.

    Attributes:
        description: the ranks, in one line; empty for a single process.
    """

    rank: int = 0
    size: int = 1
    description: str = ""

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which evaluates, writes and reports."""
        return self.rank == 0

    def device(self, name: str) -> torch.device:
        """Return the device of this rank; see `pick_device`."""
        return pick_device(name)

    def on_first_rank(self, call: Callable[_P, _T], *args: _P.args, **options: _P.kwargs) -> _T:
        """Call a function on rank 0 only, and return its result, if picklable, on all ranks."""
        return call(*args, **options)

    def share_signal(self, stop: StopSignals) -> int | None:
        """Return the signal that any rank has received, the same on all ranks, or None."""
        return stop.received

    def with_sync_batch_norm(self, network: Network) -> Network:
        """Return the network with batch normalisation over the global batch.

        Raises:
            UsageError: there are several ranks on CPUs.
        """
        return network

    def distribute(self, network: Network) -> nn.Module:
        """Return the network as a module whose gradients are averaged over ranks."""
        return network

    def local_share(self, index: Tensor) -> Tensor:
        """Return this rank's share of a batch of windows [batch].

        Raises:
            UsageError: there are fewer windows than ranks.
        """
        return index

    def rank_generator(self, seed: int, step: int) -> AbstractContextManager[None]:
        """Use a rank-specific random generator for the dropout and noise of a step."""
        del seed, step
        return nullcontext()

    def batch_means(
        self, numerators: Tensor, denominators: Tensor, kpis: Tensor | None, windows: int
    ) -> tuple[Tensor, Tensor | None]:
        """Return losses and KPIs of the global batch.

        Args:
            numerators: [2], numerators of the losses on this rank's windows, with graph.
            denominators: [2], denominators of the losses; that of the health loss is the number of
                windows with a known class, which may be 0.
            kpis: [2], KPIs on this rank's windows, if the balancer uses them.
            windows: number of this rank's windows.
        """
        del windows
        return numerators / denominators.clamp(min=1), kpis

    def mean_gradient(self, gradient: Tensor) -> Tensor:
        """Return the gradient on the global batch, given that on this rank's share."""
        return gradient


class DistributedGroup(ProcessGroup):
    """One of several ranks.

    A loss of the global batch is the sum of the ranks' numerators divided by the sum of their
    denominators. Its value is the same on all ranks; its gradient on a rank is that of the rank's
    own numerator, times the number of ranks, so that DistributedDataParallel's mean over ranks is
    the gradient on the global batch.
    """

    def __init__(self, device: torch.device) -> None:
        from torch import distributed  # here and below: imported only if there are several ranks

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
        """Call a function on rank 0 only, and broadcast its result, which must be picklable."""
        found: list[Any] = [call(*args, **options) if self.first else None]
        self._comm.broadcast_object_list(found)
        value: _T = found[0]
        return value

    def share_signal(self, stop: StopSignals) -> int | None:
        """Return the signal that any rank has received, the same on all ranks, or None.

        torchrun signals its processes one after another. If a rank left the loop alone, the others
        would hang in their next all-reduce, so all leave after the same step. A signal received
        during the exchange, which runs on the CPU, counts from the next one on.
        """
        # maximum, since ranks without a signal have 0, and any signal stops all ranks
        number = torch.tensor(stop.received or 0)
        self._comm.all_reduce(number, self._comm.ReduceOp.MAX)
        return int(number) or None

    def with_sync_batch_norm(self, network: Network) -> Network:
        """Convert batch normalisation to SyncBatchNorm, which PyTorch implements for GPUs only."""
        if not any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in network.modules()):
            return network
        if self._device.type == "cpu":
            raise UsageError(
                f"model.cnn.batch_norm: found true with {self.size} ranks on CPUs, where its "
                "statistics cannot be synchronised; train without torchrun, on GPUs, or without "
                "batch normalisation"
            )
        convert: Any = nn.SyncBatchNorm.convert_sync_batchnorm  # without types
        converted: Network = convert(network)
        return converted

    def distribute(self, network: Network) -> nn.Module:
        """Wrap the network in DistributedDataParallel, which also broadcasts rank 0's weights."""
        devices = None if self._device.type == "cpu" else [self._device]
        distributed = nn.parallel.DistributedDataParallel(network, device_ids=devices)
        # saves a broadcast per step: buffers are constants, or statistics of whole batches. As an
        # attribute, because PyTorch 2.13 warns about the argument, and 2.6 lacks its new name
        distributed.broadcast_buffers = False
        return distributed

    def local_share(self, index: Tensor) -> Tensor:
        """Return this rank's share of a batch of windows [batch]; sizes differ by at most one."""
        if len(index) < self.size:
            raise UsageError(
                f"train.batch_size: a batch of {len(index)} windows cannot be shared by "
                f"{self.size} ranks; take larger batches or fewer ranks"
            )
        return index.tensor_split(self.size)[self.rank]

    @contextmanager
    def rank_generator(self, seed: int, step: int) -> Iterator[None]:
        """Use a generator seeded by rank and step, and restore the global one afterwards.

        With the global generator, all ranks would have the same dropout masks. That generator
        remains in the same state on all ranks, which random balancers need, and its state in the
        checkpoint is sufficient for an exact resumption.
        """
        own = np.random.SeedSequence((seed, step, self.rank)).generate_state(1, np.uint64)[0]
        with torch.random.fork_rng([] if self._device.type == "cpu" else [self._device]):
            torch.manual_seed(int(own))
            yield

    def batch_means(
        self, numerators: Tensor, denominators: Tensor, kpis: Tensor | None, windows: int
    ) -> tuple[Tensor, Tensor | None]:
        """Return losses and KPIs of the global batch, by a single all-reduce."""
        # denominators of the KPIs: all windows, and those with a known class
        counted = torch.stack([torch.full_like(denominators[0], windows), denominators[1]])
        parts = [numerators, denominators, counted] + ([] if kpis is None else [kpis * counted])
        # one vector for all sums: an all-reduce of a few numbers costs only its latency
        sums = torch.cat(parts).detach()
        self._comm.all_reduce(sums)
        # the second term has value 0: it adds the gradient of this rank's numerators to the sums,
        # which have no graph
        joint = sums[:2] + self.size * (numerators - numerators.detach())
        joint = joint / sums[2:4].clamp(min=1)
        return joint, None if kpis is None else sums[6:] / sums[4:6].clamp(min=1)

    def mean_gradient(self, gradient: Tensor) -> Tensor:
        """Return the gradient on the global batch: the mean over ranks, as DDP computes it."""
        joint = gradient.clone()  # all_reduce works in place, and autograd owns the gradient
        self._comm.all_reduce(joint)
        return joint / self.size


class AlreadyReported(RulError):
    """Raised on the other ranks once one has reported the failure; prints nothing."""


HUNG_AFTER = 25.0
"""Seconds after SIGINT or SIGTERM after which a rank that still runs is considered hung.

*Guess*: longer than a step and an evaluation, and less than the 30 s after which torchrun kills.
*Measured*: in 9 of 650 kills of a rank, gloo missed that a send to it had failed, so that the other
rank would have waited for its time-out of 30 minutes, during which Python runs no signal handler.
"""


@contextmanager
def join_process_group(device: str) -> Iterator[ProcessGroup]:
    """Join the process group of torchrun; without torchrun, yield a single-process group.

    If a rank fails, the others fail in their next all-reduce. Only one rank prints an error: the
    first to report. A rank that still runs `HUNG_AFTER` seconds after a signal is ended.

    Raises:
        UsageError: there is no such device, or fewer GPUs here than ranks.
        RulError: another rank has died, or cannot be found.
        AlreadyReported: another rank has reported the failure.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ProcessGroup()
        return
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    lost = _lost_rank(os.environ.get("RANK", "?"), os.environ["WORLD_SIZE"])
    with end_hung_process(HUNG_AFTER, f"rul: {lost.prefix}{lost}"):
        try:
            store, rank, size = next(rendezvous("env://"))
        except (RuntimeError, ValueError) as error:
            reason = f"torchrun: the ranks cannot find each other: {one_line(error)}"
            raise RulError(reason) from error
        try:
            own_device = device_of_rank(device)
            # gloo besides NCCL, because signals are exchanged on the CPU
            backend = "gloo" if own_device.type == "cpu" else "cpu:gloo,cuda:nccl"
            distributed.init_process_group(backend, store=store, rank=rank, world_size=size)
            yield DistributedGroup(own_device)
        except BaseException as error:
            if threading.current_thread() is threading.main_thread():  # where Python allows it
                # torchrun sends SIGTERM once a rank has died; this rank may have to report first
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if not _reports_first(store):
                raise AlreadyReported from None
            raise _reported_error(error, rank, size) from error
        # only after success: after a failure it may wait for a dead rank
        distributed.destroy_process_group()


def _reports_first(store: Any) -> bool:
    """Whether this rank is the first to report a failure; atomic over ranks."""
    with suppress(RuntimeError):  # torchrun is gone, so other ranks cannot be asked
        return bool(store.add("cmapss_rul ends", 1) == 1)
    return True


def _reported_error(error: BaseException, rank: int, size: int) -> BaseException:
    """Return the error to print for the failure of a rank."""
    if isinstance(error, Terminated) or _is_lost_connection(error):
        return _lost_rank(rank, size)
    if isinstance(error, RulError) and not isinstance(error, Interrupted) and rank:
        reported = RulError(f"rank {rank}: {error}")
        reported.exit_code = error.exit_code
        return reported
    return error


def _lost_rank(rank: int | str, size: int | str) -> RulError:
    return RulError(
        f"another rank has died or hangs, so rank {rank} of {size} stops, too; the last checkpoint "
        "is retained: resume with the same command and --resume auto"
    )


def _is_lost_connection(error: BaseException) -> bool:
    """Whether the error means that another rank cannot be reached."""
    from torch.distributed import DistError

    if isinstance(error, DistError):
        return True
    return isinstance(error, RuntimeError) and "gloo" in str(error)  # gloo raises RuntimeError
