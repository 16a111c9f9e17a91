"""Spawned worker processes, which do one task after another.

`rul compare` runs the jobs of a grid in them (`run_jobs`), and `rul bench` its measurements
(`bench/measurement.py`). A failed task or a process that dies is a one-line error in the parent
and affects no other worker. Ours instead of `concurrent.futures`: there a killed process breaks
the whole pool, and nothing reports the progress of a task.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, Literal, NamedTuple, Protocol

from cmapss_rul.system.errors import RulError, one_line
from cmapss_rul.system.memory import keep_freed_memory
from cmapss_rul.system.signals import Interrupted, StopSignals

POLL_SECONDS = 0.2
"""Time between two checks for a signal."""

Send = Callable[[Any], None]
"""Sends the parent a message of plain values while a task runs."""

Handler = Callable[[Any, Send], Any]
"""Does a task in the worker and returns its value."""


class Message(NamedTuple):
    """A worker's message to its parent.

    Attributes:
        kind: `progress` while a task runs, `ended` once after it.
        value: plain values, or the value that the task returned.
        error: of a failed task, in one line.
        interrupted: the task was stopped by a signal, and the worker ends.
    """

    kind: Literal["progress", "ended"]
    value: Any = None
    error: str | None = None
    interrupted: bool = False


class Worker:
    """A fresh Python process that does one task at a time, as its parent sees it.

    Args:
        setup: prepares the process and returns its handler of tasks; must be picklable.

    Attributes:
        connection: receives messages; `multiprocessing.connection.wait` accepts it.
        busy: a task was sent and has not ended.
        dead: `receive` has found that the process ended.
    """

    def __init__(self, setup: Callable[[], Handler]) -> None:
        context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, setup), daemon=True)
        self.busy = self.dead = False
        with _signals_blocked():
            self.process.start()
        other.close()

    def send(self, task: Any) -> None:
        """Start a task; it must be picklable."""
        self.busy = True
        with contextlib.suppress(OSError):  # `receive` reports a process that died
            self.connection.send(task)

    def receive(self) -> Message:
        """Wait for the next message; the death of the process is the end of its task."""
        try:
            message: Message = self.connection.recv()
        except (EOFError, OSError):
            self.dead = True
            self.process.join()
            code = self.process.exitcode or 0
            cause = f"ended with exit code {code}"
            if code < 0:
                name = signal.Signals(-code).name
                hint = " (out of memory?)" if name == "SIGKILL" else ""  # Linux kills with it
                cause = f"was killed by {name}{hint}"
            message = Message("ended", error=f"its process {cause}")
        if message.kind == "ended":
            self.busy = False
        return message

    def close(self, *, kill: bool = False) -> None:
        """End the process: an idle one exits by itself, a busy one, or any by `kill`, is killed."""
        self.connection.close()
        if self.busy or kill:
            self.process.kill()
        self.process.join()


def attempt(do: Callable[[], Any]) -> Message:
    """Do a task; return the message of its end, with the value or the error."""
    try:
        return Message("ended", do())
    except RulError as error:
        interrupted = isinstance(error, Interrupted)
        return Message("ended", error=one_line(error), interrupted=interrupted)
    except Exception as error:  # a defect in one task must not stop the others
        traceback.print_exc()
        return Message("ended", error=f"{type(error).__name__}: {one_line(error)}")


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block SIGINT and SIGTERM, so that a starting process does not die of them.

    It inherits the mask and unblocks them once its handlers are installed.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _serve(connection: Connection, setup: Callable[[], Handler]) -> None:
    """Do tasks in the worker process until the parent closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent stops this one
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    threading.Thread(target=_die_with_parent, daemon=True).start()
    handle = setup()

    def send(value: Any) -> None:
        connection.send(Message("progress", value))

    # errors of the pipe: the parent has closed it, or is gone
    with contextlib.suppress(EOFError, OSError):
        while True:
            end = attempt(partial(handle, connection.recv(), send))
            connection.send(end)
            if end.interrupted:
                return


def _die_with_parent() -> None:
    """Exit at once when the parent is gone: the command that resumes must be the only writer."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


# ---- many jobs -------------------------------------------------------------------------------


class Job(Protocol):
    """A named task; it must be picklable."""

    @property
    def name(self) -> str:
        """Unique among the jobs of one call."""

    def __call__(self, send: Send, /) -> None:
        """Do it; messages that are sent become `progress` events."""


@dataclass(frozen=True)
class JobEvent:
    """Progress or end of a job.

    Attributes:
        kind: `started` when a process got it, `progress` when it sent a message, `ended`.
        message: of `progress`, plain values.
        error: of `ended`, in one line; None where it succeeded.
    """

    job: str
    kind: Literal["started", "progress", "ended"]
    message: Any = None
    error: str | None = None


OnJobEvent = Callable[[JobEvent], None]


def run_jobs(jobs: Sequence[Job], processes: int, report: OnJobEvent) -> dict[str, str]:
    """Run all jobs, several at a time; a job that fails stops no other.

    Args:
        jobs: in the order in which they are started.
        processes: at most.
        report: called with each event, in this process.

    Returns:
        The errors of those that failed, by name.

    Raises:
        Interrupted: SIGINT or SIGTERM was received; the running jobs saved their state and ended.
    """
    waiting, errors = deque(jobs), dict[str, str]()
    workers: list[_JobWorker] = []
    with StopSignals() as stop, contextlib.ExitStack() as cleanup:
        cleanup.callback(_close_all, workers)
        while (waiting or any(worker.busy for worker in workers)) and stop.received is None:
            while waiting and len(workers) < processes:
                workers.append(_JobWorker())
            for worker in workers:
                if waiting and not worker.busy:
                    worker.start(waiting.popleft(), report)
            ready = wait([worker.connection for worker in workers], POLL_SECONDS)
            for worker in workers:
                if worker.connection in ready:
                    worker.forward(report, errors)
            # in place, for the clean-up; the next turn replaces those that died
            workers[:] = [worker for worker in workers if not worker.dead]
        if stop.received is not None:
            _stop(workers)
            raise Interrupted.by(stop.received, ", all is saved; the same command resumes")
    return errors


def _set_up_jobs() -> Handler:
    keep_freed_memory()
    return lambda job, send: job(send)


class _JobWorker(Worker):
    """A worker whose tasks are jobs."""

    def __init__(self) -> None:
        super().__init__(_set_up_jobs)
        self._job = ""

    def start(self, job: Job, report: OnJobEvent) -> None:
        self._job = job.name
        report(JobEvent(job.name, "started"))
        self.send(job)

    def forward(self, report: OnJobEvent, errors: dict[str, str]) -> None:
        """Report one message, or the death of the process."""
        expected = self.busy
        message = self.receive()
        if not expected:  # an idle process died; no job is lost
            return
        if message.error is not None:
            errors[self._job] = message.error
        progress = message.value if message.kind == "progress" else None
        report(JobEvent(self._job, message.kind, progress, message.error))


def _close_all(workers: Sequence[Worker]) -> None:
    for worker in workers:
        worker.close()


def _stop(workers: Sequence[Worker]) -> None:
    """Ask every process to save, and wait for it; a second SIGINT raises KeyboardInterrupt."""
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        while worker.process.is_alive():
            with contextlib.suppress(EOFError, OSError):  # a full pipe must not block its end
                if worker.connection.poll(POLL_SECONDS):
                    worker.connection.recv()
            worker.process.join(POLL_SECONDS)
