"""Executors of the jobs of a comparison: local processes, or Ray tasks.

Ray schedules, starts and retries tasks. A task needs no shared file system: data files are sent
once through Ray's object store, and the files of a run are argument and result of its task.
"""

import importlib
import os
import re
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from cmapss_rul.system.errors import RulError, UsageError, one_line
from cmapss_rul.system.files import write_atomic
from cmapss_rul.system.locks import entries_in, lock_folder
from cmapss_rul.system.memory import keep_freed_memory
from cmapss_rul.system.signals import Interrupted, StopSignals
from cmapss_rul.system.workers import POLL_SECONDS, Job, JobEvent, OnJobEvent, attempt, run_jobs
from cmapss_rul.training.config import TrainConfig
from cmapss_rul.training.device import pick_device
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.trackers.tracker_reporter import make_tracker

RETRIES = 3
"""Maximum number of retries of a Ray task whose worker died."""

_CONNECT = 5.0
"""Time-out of connecting to a cluster, seconds; Ray itself tries for two minutes."""

Files = dict[str, bytes]
"""Contents of the files of a folder, by name."""


class PortableJob(Job, Protocol):
    """A job that can run on another machine, on copies of its files."""

    @property
    def folder(self) -> Path:
        """Folder of the job's state to resume from, and of its results."""

    def sources(self) -> list[Path]:
        """Return the paths of its read-only inputs in other folders; download missing ones.

        Raises:
            DataError: an input is not available.
        """

    def moved(self, sources: Path, folder: Path) -> Job:
        """Return the job with its inputs in `sources` and its results in `folder`.

        It writes the same files there as this job would write to its own folder.
        """


class Executor(Protocol):
    """Runs jobs, locally or remotely."""

    def run(self, jobs: Sequence[PortableJob], report: OnJobEvent) -> dict[str, str]:
        """Run all jobs, in any order; return the errors of failed jobs by name.

        Raises:
            Interrupted: SIGINT or SIGTERM was received; the next call resumes.
        """


@dataclass(frozen=True)
class LocalExecutor:
    """Runs jobs in local processes, by default one per core."""

    processes: int | None = None

    def run(self, jobs: Sequence[Job], report: OnJobEvent) -> dict[str, str]:
        """Run all jobs; see `Executor` and `run_jobs`."""
        wanted = self.processes or TrainConfig().thread_count()
        # no more processes than jobs: each imports torch
        return run_jobs(jobs, max(1, min(wanted, len(jobs))), report)


class RayExecutor:
    """Runs jobs on Ray; a context manager that connects to Ray before the first job.

    An existing connection of this process is used, and left open.

    Args:
        address: address of a cluster, as for `ray.init`; by default `RAY_ADDRESS`, which Ray sets
            in jobs submitted to a cluster, else a local Ray is started for the context.
        cpus: number of CPUs of a local Ray; by default all cores.
        gpus: GPUs per job, for example 0.25 if four jobs share one.

    Raises:
        UsageError: ray is not installed.
    """

    def __init__(
        self, address: str | None = None, cpus: int | None = None, gpus: float = 0.0
    ) -> None:
        self._ray = _import_ray()
        self._address = address or os.environ.get("RAY_ADDRESS") or "local"
        # Ray refuses a number of CPUs for an existing cluster
        self._cpus = cpus if self._address == "local" else None
        self._gpus = gpus
        self._joined = False

    def __enter__(self) -> "RayExecutor":
        return self

    def __exit__(self, *error: object) -> None:
        if self._joined:
            self._ray.shutdown()

    def run(self, jobs: Sequence[PortableJob], report: OnJobEvent) -> dict[str, str]:
        """Run all jobs; see `Executor`.

        The messages of a job are reported once it has ended.

        Raises:
            RulError: Ray cannot be reached.
            Interrupted: SIGINT or SIGTERM was received; the running jobs were cancelled.
        """
        if not jobs:  # a finished grid needs no cluster
            return {}
        self._join()
        errors = {}
        with StopSignals() as stop:
            waiting = self._submit(jobs, report)
            while waiting and stop.received is None:
                for task in self._ray.wait(list(waiting), timeout=POLL_SECONDS)[0]:
                    job = waiting.pop(task)
                    error = self._collect(job, task, report)
                    if error is not None:
                        errors[job.name] = error
                    report(JobEvent(job.name, "ended", error=error))
            if waiting and stop.received is not None:
                for task in waiting:  # force: the state of a running task is lost anyway
                    self._ray.cancel(task, force=True)
                raise Interrupted.by(
                    stop.received, ", finished runs are saved; the same command resumes"
                )
        return errors

    def _submit(self, jobs: Sequence[PortableJob], report: OnJobEvent) -> dict[Any, PortableJob]:
        """Submit all jobs to Ray; return them by task."""
        # retry only after the loss of a worker, from the files sent with the task: a job that
        # raised would raise again; one CPU each, since runs of a grid train with one thread
        do = self._ray.remote(_run_job).options(
            num_cpus=1, num_gpus=self._gpus, max_retries=RETRIES, retry_exceptions=False
        )
        stored: dict[Path, Any] = {}
        tasks = {}
        for job in jobs:
            paths = set(job.sources())
            # put each file into the object store once, however many runs read it
            for path in paths - stored.keys():
                stored[path] = self._ray.put(path.read_bytes())
            sources = {path.name: stored[path] for path in paths}
            if len(sources) < len(paths):
                raise RulError(
                    f"{job.name}: two of its files have the same name, of "
                    f"{', '.join(sorted(sources))}; --executor ray identifies files by their "
                    "names, so rename one"
                )
            tasks[do.remote(job, sources, _read(job.folder))] = job
            report(JobEvent(job.name, "started"))
        return tasks

    def _collect(self, job: PortableJob, task: Any, report: OnJobEvent) -> str | None:
        """Fetch the result of a task; return its one-line error, if any."""
        try:
            error, messages, files = self._ray.get(task)
        except self._ray.exceptions.RayError as error:  # its text may contain a long traceback
            return f"its Ray task failed: {one_line(str(error))[:300]}"
        for message in messages:
            report(JobEvent(job.name, "progress", message))
        try:
            _write(files, job.folder)  # a full disk fails this run only
        except (RulError, OSError) as failure:
            return one_line(failure)
        return None if error is None else str(error)

    def _join(self) -> None:
        if self._ray.is_initialized():  # by the caller, who also shuts it down
            return
        local = {"num_cpus": self._cpus, "include_dashboard": False}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray uploads them by default
        try:
            _check_reachable(self._address)
            with _keep_signal_handlers():
                self._ray.init(
                    address=self._address,
                    log_to_driver=False,
                    logging_level="ERROR",
                    **(local if self._address == "local" else {}),
                )
        except (OSError, ValueError, RuntimeError, ImportError, AssertionError) as error:
            raise RulError(
                f"--address {self._address}: cannot connect to Ray ({one_line(error)[:200]}); "
                "expected auto, or HOST:PORT of a cluster (started by ray start --head); leave "
                "--address out to start Ray locally"
            ) from error
        self._joined = True


def _import_ray() -> ModuleType:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise UsageError(
            f"--executor ray needs the package ray, which cannot be imported ({one_line(error)}); "
            "install it with: pip install 'cmapss_rul[ray]', or use --executor local"
        ) from error


def _check_reachable(address: str) -> None:
    """Raise OSError if nothing listens at HOST:PORT; other addresses are not checked."""
    # Ray itself retries for minutes without any output
    if match := re.fullmatch(r"([^:/]+):(\d{1,5})", address):
        socket.create_connection((match[1], int(match[2])), timeout=_CONNECT).close()


@contextmanager
def _keep_signal_handlers() -> Iterator[None]:
    """Restore the SIGTERM handler, which Ray replaces with one that exits with code 15."""
    previous = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if previous is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, previous)


# ---- in a worker of Ray --------------------------------------------------------------------


def _run_job(
    job: PortableJob, sources: Mapping[str, Any], previous: Files
) -> tuple[str | None, list[Any], Files]:
    """Run a job in temporary folders; return its error, its messages and its files.

    `sources` are references to the object store, by name; `previous` are the job's files so far.
    """
    ray = _import_ray()
    keep_freed_memory()
    messages: list[Any] = []
    with tempfile.TemporaryDirectory() as place:
        data, folder = Path(place) / "data", Path(place) / "run"
        _write(dict(zip(sources, ray.get(list(sources.values())), strict=True)), data)
        _write(previous, folder)
        end = attempt(partial(job.moved(data, folder), messages.append))
        if end.interrupted:  # exit, so that Ray retries the task elsewhere
            os._exit(1)
        return end.error, messages, _read(folder)


def _read(folder: Path) -> Files:
    """Read the files of a run folder, if any, including those of its folds."""
    found: Files = {}
    for name in entries_in(folder):
        path = folder / name
        inner = _read(path) if path.is_dir() else {"": path.read_bytes()}
        found |= {f"{name}/{below}" if below else name: data for below, data in inner.items()}
    return found


def _write(files: Files, folder: Path) -> None:
    """Write files to a folder; last.pt last, since its presence means that all are complete."""
    if not files:
        return
    last = RunFolder(folder).last.name
    with lock_folder(folder):
        for name in sorted(files, key=lambda name: (name.endswith(last), name)):
            (folder / name).parent.mkdir(exist_ok=True)
            write_atomic(folder / name, files[name])


EXECUTORS = ("local", "ray")


@dataclass(frozen=True)
class Options:
    """Execution options of a comparison, which do not affect the metrics of runs.

    Attributes:
        processes: number of concurrent processes, or CPUs of a local Ray; by default all cores.
        device: see `pick_device`.
        allow_failed: evaluate the other runs even if some failed.
        ledger: JSON file to merge the cells into.
        executor: local or ray.
        address: address of a Ray cluster; by default Ray is started locally.
        gpus: GPUs per run with Ray, for example 0.25; by default 1 for `cuda`, else 0.
        rank_all: rank cells of a configuration even if they trained on different data.
        loggers: trackers of the runs, which are grouped by the comparison's folder.
    """

    processes: int | None = None
    device: str = "auto"
    allow_failed: bool = False
    ledger: Path | None = None
    executor: str = "local"
    address: str | None = None
    gpus: float | None = None
    rank_all: bool = False
    loggers: tuple[str, ...] = ()

    def start_executor(self) -> AbstractContextManager[Executor]:
        """Build the executor.

        Raises:
            UsageError: unknown executor or device, or contradictory options.
        """
        if self.executor not in EXECUTORS:
            raise UsageError(
                f"--executor: found '{self.executor}', expected one of {', '.join(EXECUTORS)}"
            )
        for name in self.loggers:
            make_tracker(name)  # report a missing library once, not for each run
        if self.executor == "local":
            if self.address is not None or self.gpus is not None:
                option = "--gpus" if self.address is None else "--address"
                raise UsageError(f"{option} is for --executor ray; add that, or leave it out")
            pick_device(self.device)  # report a missing GPU once, not for each run
            return nullcontext(LocalExecutor(self.processes))
        if self.device != "cuda":  # only the workers need a GPU, not this machine
            pick_device(self.device)
        if self.processes is not None and self.address is not None:
            raise UsageError("--jobs has no effect on the cluster at --address; leave one out")
        return RayExecutor(self.address, self.processes, self.gpus_per_run)

    @property
    def gpus_per_run(self) -> float:
        """GPUs per run with Ray."""
        return float(self.device == "cuda") if self.gpus is None else self.gpus

    @property
    def device_per_run(self) -> str:
        """Device of each run: the CPU for Ray tasks without GPUs, which may see unassigned ones."""
        given = self.executor == "local" or self.device != "auto" or self.gpus_per_run
        return self.device if given else "cpu"
