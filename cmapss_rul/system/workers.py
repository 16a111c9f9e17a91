"""Spawned worker processes, each of which runs one task after another.

`rul compare` runs the jobs of a grid in them (`run_jobs`), and `rul bench` its measurements
(`bench/measurement.py`). A failed task or a process that dies is a one-line error in the parent
and affects no other worker. Not `concurrent.futures`: there a killed process breaks the whole
pool, and a task cannot report progress.
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
"""Sends a message of plain values to the parent while a task runs."""

Handler = Callable[[Any, Send], Any]
"""Runs a task in the worker and returns its result."""


class Message(NamedTuple):
    """A worker's message to its parent.

    Attributes:
        kind: `progress` while a task runs, `ended` once when it has ended.
        value: plain values of a progress message, or the result of the task.
        error: one-line error of a failed task.
        interrupted: the task was stopped by a signal, and the worker exits.
    """

    kind: Literal["progress", "ended"]
    value: Any = None
    error: str | None = None
    interrupted: bool = False


class Worker:
    """The parent's handle of a spawned Python process that runs one task at a time.

    Args:
        setup: prepares the process and returns its task handler; must be picklable.

    Attributes:
        connection: pipe of messages, for `multiprocessing.connection.wait`.
        busy: whether a task was sent and has not ended.
        dead: whether `receive` has found that the process exited.
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
        """Wait for the next message; if the process dies, its task has ended with an error."""
        try:
            message: Message = self.connection.recv()
        except (EOFError, OSError):
            self.dead = True
            self.process.join()
            code = self.process.exitcode or 0
            cause = f"ended with exit code {code}"
            if code < 0:
                name = signal.Signals(-code).name
                hint = " (out of memory?)" if name == "SIGKILL" else ""  # of the Linux OOM killer
                cause = f"was killed by {name}{hint}"
            message = Message("ended", error=f"its process {cause}")
        if message.kind == "ended":
            self.busy = False
        return message

    def close(self, *, kill: bool = False) -> None:
        """End the process; kill it if it is busy, or if `kill` is set."""
        self.connection.close()
        if self.busy or kill:
            self.process.kill()
        self.process.join()


def attempt(do: Callable[[], Any]) -> Message:
    """Run a task, and return its `ended` message with the result or the error."""
    try:
        return Message("ended", do())
    except RulError as error:
        interrupted = isinstance(error, Interrupted)
        return Message("ended", error=one_line(error), interrupted=interrupted)
    except Exception as error:  # a bug in one task must not stop the others
        traceback.print_exc()
        return Message("ended", error=f"{type(error).__name__}: {one_line(error)}")


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block SIGINT and SIGTERM, so that they do not kill a process that is still starting.

    The child inherits the mask, and unblocks both once its handlers are installed.
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
    """Run tasks in the worker process until the parent closes the connection."""
    # Ctrl-C reaches the whole process group; this one waits until the parent stops it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    threading.Thread(target=_die_with_parent, daemon=True).start()
    handle = setup()

    def send(value: Any) -> None:
        connection.send(Message("progress", value))

    # a broken pipe: the parent has closed it or has died
    with contextlib.suppress(EOFError, OSError):
        while True:
            end = attempt(partial(handle, connection.recv(), send))
            connection.send(end)
            if end.interrupted:
                return


def _die_with_parent() -> None:
    """Exit as soon as the parent dies: the command that resumes must be the only writer."""
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
        """Run the job; the messages that it sends become `progress` events."""


@dataclass(frozen=True)
class JobEvent:
    """Start, progress or end of a job.

    Attributes:
        kind: `started`, `progress` for a message of the job, or `ended`.
        message: plain values of a `progress` event.
        error: one-line error of an `ended` event; None if the job succeeded.
    """

    job: str
    kind: Literal["started", "progress", "ended"]
    message: Any = None
    error: str | None = None


OnJobEvent = Callable[[JobEvent], None]


def run_jobs(jobs: Sequence[Job], processes: int, report: OnJobEvent) -> dict[str, str]:
    """Run all jobs, several at a time; a failed job does not stop the others.

    Args:
        jobs: in the order in which they are started.
        processes: maximum number of worker processes.
        report: called with each event, in this process.

    Returns:
        The errors of the failed jobs, by name.

    Raises:
        Interrupted: SIGINT or SIGTERM was received; the running jobs have saved their state.
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
            # in place, since the clean-up holds this list; the next pass replaces dead workers
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
        if not expected:  # an idle process died: no job is lost
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
