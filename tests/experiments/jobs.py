"""Jobs for the tests of executors and workers, imported by worker processes; free of torch."""

import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cmapss_rul.system.errors import DataError


@dataclass(frozen=True)
class SendingJob:
    """Sends its values and writes its process ID to a file."""

    name: str
    folder: Path
    values: tuple[Any, ...] = ()

    def __call__(self, send):
        for value in self.values:
            send(value)
        (self.folder / self.name).write_text(str(os.getpid()))


@dataclass(frozen=True)
class FailingJob:
    """Fails with a user error, a defect, SIGKILL or a hard exit."""

    name: str
    cause: str

    def __call__(self, send):
        send(self.cause)
        if self.cause == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.cause == "exit":
            os._exit(3)
        raise {"error": DataError("no\ndata"), "defect": ZeroDivisionError("oh")}[self.cause]


@dataclass(frozen=True)
class NeverEndingJob:
    """Sends 'began' and never ends."""

    name: str

    def __call__(self, send):
        send("began")
        while True:
            time.sleep(0.05)


@dataclass(frozen=True)
class SigtermIgnoringJob:
    """Sends 'began', ignores SIGTERM and never ends."""

    name: str

    def __call__(self, send):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        send("began")
        while True:
            time.sleep(0.05)


@dataclass(frozen=True)
class AppendingJob:
    """Appends its source to a file in its folder; can run on copies of both."""

    name: str
    folder: Path
    source: Path

    def __call__(self, send):
        joined = self.folder / "joined.txt"
        text = (joined.read_text() if joined.exists() else "") + self.source.read_text()
        send({"pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]})
        self.folder.mkdir(parents=True, exist_ok=True)
        joined.write_text(text)

    def sources(self):
        return [self.source]

    def moved(self, sources, folder):
        return replace(self, source=sources / self.source.name, folder=folder)


@dataclass(frozen=True)
class AppendingJobKilledOnce(AppendingJob):
    """Appends; the first process to do so is killed afterwards and leaves its ID in `marks`."""

    marks: Path = Path("marks")

    def __call__(self, send):
        super().__call__(send)
        if not list(self.marks.iterdir()):
            (self.marks / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class RemoteJob:
    """Wraps any job above as one without source files, which can run on any machine."""

    job: Any
    folder: Path

    @property
    def name(self):
        return self.job.name

    def __call__(self, send):
        self.job(send)

    def sources(self):
        return []

    def moved(self, sources, folder):
        del sources, folder
        return self.job
