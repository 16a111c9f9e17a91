"""What an engine is, and the one whose jobs are done in processes of this machine.

One process does one job after another. A job that fails, or a process that dies, takes no
other with it. All that an engine knows of a job is its name, its files, and that it can be
called; what came of it stands in files. The other engine is `on_ray`.
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
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, Protocol

from cmapss_rul.system.errors import RulError
from cmapss_rul.system.memory import keep_freed_memory
from cmapss_rul.system.signals import Interrupted, StopSignals
from cmapss_rul.system.text import one_line
from cmapss_rul.training.config import TrainConfig

_LOOK = 0.2
"""Seconds between two looks for a signal."""


class Job(Protocol):
    """Something to do in another process; it must be picklable."""

    @property
    def name(self) -> str:
        """Unique among the jobs that are given at once."""

    def __call__(self, tell: Callable[[Any], None]) -> None:
        """Do it.

        Args:
            tell: takes whatever the listener is to hear of, plain values.
        """


class Listener(Protocol):
    """Whom an engine tells what it does."""

    def started(self, name: str) -> None:
        """A job was given to a process."""

    def told(self, name: str, what: Any) -> None:
        """A job has said something."""

    def ended(self, name: str, error: str | None) -> None:
        """A job ended: well, or with an error in one line."""


class Portable(Job, Protocol):
    """A job that another machine can do on copies of its files."""

    @property
    def folder(self) -> Path:
        """Holds what the job goes on from, and what came of it."""

    def sources(self) -> list[Path]:
        """Files of other folders that it reads and never changes; they are there afterwards.

        Raises:
            DataError: one is not to be had.
        """

    def moved(self, sources: Path, folder: Path) -> Job:
        """The same job with its sources in one folder and `folder` in another.

        It leaves the same files there as the job itself would have left in its own.
        """


class Engine(Protocol):
    """Where jobs are done."""

    def run(self, jobs: Sequence[Portable], listener: Listener) -> dict[str, str]:
        """Do all jobs, in any order; none that fails stops another.

        Args:
            jobs: what is to be done.
            listener: told what happens.

        Returns:
            The errors of those that failed, by name.

        Raises:
            Interrupted: SIGINT or SIGTERM came; whoever calls again goes on.
        """


@dataclass(frozen=True)
class Local:
    """Does jobs in processes of this machine.

    Attributes:
        processes: at most; the cores by default.
    """

    processes: int | None = None

    def run(self, jobs: Sequence[Job], listener: Listener) -> dict[str, str]:
        """Do all jobs; see `Engine` and `run_jobs`."""
        wanted = self.processes or TrainConfig().thread_count()
        return run_jobs(jobs, max(1, min(wanted, len(jobs))), listener)


def run_jobs(jobs: Sequence[Job], processes: int, listener: Listener) -> dict[str, str]:
    """Do all jobs, so many at a time.

    Args:
        jobs: in the order in which they are started.
        processes: at most; each is a fresh Python.
        listener: told what happens.

    Returns:
        The errors of those that failed, by name.

    Raises:
        Interrupted: SIGINT or SIGTERM came; the running jobs were asked to save, and ended.
    """
    waiting, errors = deque(jobs), dict[str, str]()
    workers: list[_Worker] = []
    with StopSignals() as stop, contextlib.ExitStack() as cleanup:
        cleanup.callback(_end, workers)
        while waiting or any(worker.job for worker in workers):
            if stop.received is not None:
                break
            while waiting and len(workers) < processes:
                workers.append(_Worker())
            for worker in workers:
                if worker.job is None and waiting:
                    worker.give(waiting.popleft(), listener)
            for worker in _that_speak(workers):
                worker.hear(listener, errors)
            workers[:] = [worker for worker in workers if not worker.dead]
        if stop.received is not None:
            _stop(workers)
            raise Interrupted(
                f"stopped by {signal.Signals(stop.received).name}, all is saved; the same "
                "command goes on where it stopped",
                exit_code=128 + stop.received,
            )
    return errors


def _that_speak(workers: list["_Worker"]) -> "Iterator[_Worker]":
    ready = wait([worker.connection for worker in workers], _LOOK)
    return (worker for worker in workers if worker.connection in ready)


def _stop(workers: list["_Worker"]) -> None:
    """Ask every process to save, and wait for it; a second SIGINT waits no longer."""
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        while worker.process.is_alive():
            with contextlib.suppress(EOFError, OSError):  # lest it wait to be heard
                if worker.connection.poll(_LOOK):
                    worker.connection.recv()
            worker.process.join(_LOOK)


def _end(workers: list["_Worker"]) -> None:
    for worker in workers:
        worker.end()


class _Worker:
    """A process that does jobs, seen from outside."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
        self.connection, other = context.Pipe()
        self.process = context.Process(target=_work, args=(other,), daemon=True)
        self.job: Job | None = None
        self.dead = False
        with _no_signals():
            self.process.start()
        other.close()

    def give(self, job: Job, listener: Listener) -> None:
        """Start a job."""
        self.job = job
        listener.started(job.name)
        with contextlib.suppress(OSError):  # a process that died is found by `hear`
            self.connection.send(job)

    def hear(self, listener: Listener, errors: dict[str, str]) -> None:
        """Pass one message on, or the news of the process's death."""
        try:
            kind, what = self.connection.recv()
        except (EOFError, OSError):
            kind, what = "ended", self._how_it_died()
            self.dead = True
        if self.job is None:
            return
        name = self.job.name
        if kind == "told":
            listener.told(name, what)
            return
        self.job = None
        if what is not None:
            errors[name] = what
        listener.ended(name, what)

    def _how_it_died(self) -> str:
        self.process.join()
        code = self.process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return f"its process ended by {how}" + (", out of memory?" if how == "SIGKILL" else "")

    def end(self) -> None:
        """End the process: one that waits goes by itself, one that works is killed."""
        self.connection.close()
        if self.job is not None:
            self.process.kill()
        self.process.join()


@contextlib.contextmanager
def _no_signals() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back, so that a process that starts does not die of them.

    A new process keeps them back until it knows what to do with them.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def _work(connection: Connection) -> None:
    """What a process does: one job after another, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent asks to stop
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    threading.Thread(target=_die_with_parent, daemon=True).start()
    keep_freed_memory()
    with contextlib.suppress(EOFError, OSError):
        while True:
            job = connection.recv()
            error, stopped = outcome(job, lambda what: connection.send(("told", what)))
            connection.send(("ended", error))
            if stopped:
                return


def outcome(job: Job, tell: Callable[[Any], None]) -> tuple[str | None, bool]:
    """Do a job: its error in one line, if any, and whether it was asked to stop."""
    try:
        job(tell)
    except Interrupted as error:
        return one_line(error), True
    except RulError as error:
        return one_line(error), False
    except Exception as error:  # what a defect raises must not stop the other jobs
        traceback.print_exc()
        return f"{type(error).__name__}: {one_line(error)}", False
    return None, False


def _die_with_parent() -> None:
    """End at once when the parent is gone, or the next call would meet a second writer."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
