"""Jobs as tasks of Ray, on a cluster or in a Ray of this machine.

Ray places, starts and repeats the tasks. A task shares no folder with the machine that sent
it: the files of the data go once through Ray's object store, those of the run travel with the
task, and what came of it is its result.
"""

import importlib
import os
import re
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from cmapss_rul.experiments.engine import Listener, Portable, outcome
from cmapss_rul.system.errors import RulError, UsageError
from cmapss_rul.system.files import write_atomic
from cmapss_rul.system.locks import entries_in, lock_folder
from cmapss_rul.system.memory import keep_freed_memory
from cmapss_rul.system.signals import Interrupted, StopSignals
from cmapss_rul.system.text import one_line, printable
from cmapss_rul.training.runs import RunFolder

RETRIES = 3
"""How often Ray does a task again whose worker died."""

_LOOK = 0.2
"""Seconds between two looks for a signal."""

_ANSWER = 5.0
"""Seconds in which a cluster takes a connection; Ray itself would try for two minutes."""

Files = dict[str, bytes]
"""Content of the files of a folder, by name."""


class OnRay:
    """Does jobs on Ray; a context that starts or joins Ray before the first job.

    A Ray that is in use in this process already is used as it is, and left so.

    Args:
        address: of a cluster, as `ray.init` takes it. By default that in `RAY_ADDRESS`, as in a
            job that was submitted to a cluster; without it a Ray of this machine is started,
            and ended with the context.
        cpus: of a Ray of this machine; its cores by default.
        gpus: that each job needs, 0.25 say where four share one.

    Raises:
        UsageError: ray is not installed.
    """

    def __init__(
        self, address: str | None = None, cpus: int | None = None, gpus: float = 0.0
    ) -> None:
        self._ray = _imported()
        self._address = address or os.environ.get("RAY_ADDRESS") or "local"
        self._cpus = cpus if self._address == "local" else None
        self._gpus = gpus
        self._joined = False

    def __enter__(self) -> "OnRay":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._joined:
            self._ray.shutdown()

    def run(self, jobs: Sequence[Portable], listener: Listener) -> dict[str, str]:
        """Do all jobs; see `Engine`.

        What a job tells is passed on when it has ended.

        Raises:
            RulError: no Ray is to be had.
            Interrupted: SIGINT or SIGTERM came; the running jobs were given up.
        """
        if not jobs:
            return {}
        self._join()
        errors = {}
        with StopSignals() as stop:
            waiting = self._tasks(jobs, listener)
            while waiting and stop.received is None:
                for task in self._ray.wait(list(waiting), timeout=_LOOK)[0]:
                    job = waiting.pop(task)
                    error = self._ended(job, task, listener)
                    if error is not None:
                        errors[job.name] = error
                    listener.ended(job.name, error)
            if waiting and stop.received is not None:
                for task in waiting:
                    self._ray.cancel(task, force=True)
                raise Interrupted(
                    f"stopped by {signal.Signals(stop.received).name}, what had ended is kept; the "
                    "same command goes on where it stopped",
                    exit_code=128 + stop.received,
                )
        return errors

    def _tasks(self, jobs: Sequence[Portable], listener: Listener) -> dict[Any, Portable]:
        """Hand all jobs over to Ray: the job of each task."""
        do = self._ray.remote(_do).options(
            num_cpus=1, num_gpus=self._gpus, max_retries=RETRIES, retry_exceptions=False
        )
        stored: dict[Path, Any] = {}
        tasks = {}
        for job in jobs:
            paths = set(job.sources())
            for path in paths - stored.keys():
                stored[path] = self._ray.put(path.read_bytes())
            sources = {path.name: stored[path] for path in paths}
            if len(sources) < len(paths):
                raise RulError(
                    f"{printable(job.name)}: two of its files have one name, of "
                    f"{', '.join(sorted(map(printable, sources)))}; --engine ray takes files by "
                    "their names, so rename one"
                )
            tasks[do.remote(job, sources, _read(job.folder))] = job
            listener.started(job.name)
        return tasks

    def _ended(self, job: Portable, task: Any, listener: Listener) -> str | None:
        """Fetch what came of a task; its error in one line, if any."""
        try:
            error, told, files = self._ray.get(task)
        except self._ray.exceptions.RayError as found:
            return f"Ray gave it up: {one_line(str(found))[:300]}"
        for what in told:
            listener.told(job.name, what)
        try:
            _write(files, job.folder)
        except (RulError, OSError) as found:
            return one_line(found)
        return None if error is None else str(error)

    def _join(self) -> None:
        if self._ray.is_initialized():
            return
        name = f"--address {printable(self._address)}"
        local = {"num_cpus": self._cpus, "include_dashboard": False}
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would tell its makers
        try:
            _knock(self._address)
            with _own_handlers():
                self._ray.init(
                    address=self._address,
                    log_to_driver=False,
                    logging_level="ERROR",
                    **(local if self._address == "local" else {}),
                )
        except (OSError, ValueError, RuntimeError, ImportError, AssertionError) as error:
            reason = printable(one_line(error))[:200]
            raise RulError(
                f"{name}: Ray cannot be had there ({reason}); expected auto, HOST:PORT of "
                "a cluster (ray start --head makes one), or nothing for a Ray of this machine"
            ) from error
        self._joined = True


def _imported() -> ModuleType:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise UsageError(
            f"--engine ray needs the package ray, which cannot be imported ({one_line(error)}); "
            "install it with: pip install 'cmapss_rul[ray]', or use --engine local"
        ) from error


def _knock(address: str) -> None:
    """Find out soon whether anybody listens at HOST:PORT; other addresses are left to Ray."""
    found = re.fullmatch(r"([^:/]+):(\d{1,5})", address)
    if found:
        socket.create_connection((found[1], int(found[2])), timeout=_ANSWER).close()


@contextmanager
def _own_handlers() -> Iterator[None]:
    """Keep the handler of SIGTERM, which Ray replaces by one that leaves with exit code 15."""
    former = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if former is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, former)


# ---- in a worker ---------------------------------------------------------------------------


def _do(
    job: Portable, sources: Mapping[str, Any], former: Files
) -> tuple[str | None, list[Any], Files]:
    """Do a job in folders of its own: its error, what it told, and the files that it left.

    Args:
        job: as it stands where it was sent from.
        sources: references to the content of its sources, by name.
        former: files of its folder.
    """
    ray = _imported()
    keep_freed_memory()
    told: list[Any] = []
    with tempfile.TemporaryDirectory() as place:
        data, folder = Path(place) / "data", Path(place) / "run"
        _write(dict(zip(sources, ray.get(list(sources.values())), strict=True)), data)
        _write(former, folder)
        error, stopped = outcome(job.moved(data, folder), told.append)
        if stopped:  # a worker that is told to end counts as one that died: the job is done again
            os._exit(1)
        return error, told, _read(folder)


def _read(folder: Path) -> Files:
    """The files of a run's folder, if there are any."""
    return {name: (folder / name).read_bytes() for name in entries_in(folder)}


def _write(files: Files, folder: Path) -> None:
    """Write files into a folder; last.pt, which says that the others are there, comes last."""
    if not files:
        return
    last = RunFolder(folder).last.name
    with lock_folder(folder):
        for name in sorted(files, key=lambda name: (name == last, name)):
            write_atomic(folder / name, files[name])
