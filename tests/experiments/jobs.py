"""Jobs for the tests of engines and workers; other processes import this file, without torch."""

import os
import signal
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cmapss_rul.system.errors import DataError


@dataclass(frozen=True)
class Say:
    """Tells some values, and leaves its process's number in a file."""

    name: str
    folder: Path
    values: tuple[Any, ...] = ()

    def __call__(self, send):
        for value in self.values:
            send(value)
        (self.folder / self.name).write_text(str(os.getpid()))


@dataclass(frozen=True)
class Fail:
    """Fails as a user can cause it, as a defect does, or by the death of the process."""

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
class Wait:
    """Says that it began, and waits for ever."""

    name: str

    def __call__(self, send):
        send("began")
        while True:
            time.sleep(0.05)


@dataclass(frozen=True)
class Deaf:
    """Says that it began, waits for ever, and does not heed the wish to stop."""

    name: str

    def __call__(self, send):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        send("began")
        while True:
            time.sleep(0.05)


@dataclass(frozen=True)
class Joins:
    """Joins its source to what its folder holds already; it can be done on copies of both."""

    name: str
    folder: Path
    source: Path

    def __call__(self, send):
        former = self.folder / "joined.txt"
        text = (former.read_text() if former.exists() else "") + self.source.read_text()
        send({"pid": os.getpid(), "threads": os.environ["OMP_NUM_THREADS"]})
        self.folder.mkdir(parents=True, exist_ok=True)
        former.write_text(text)

    def sources(self):
        return [self.source]

    def moved(self, sources, folder):
        return replace(self, source=sources / self.source.name, folder=folder)


@dataclass(frozen=True)
class DiesOnce(Joins):
    """Joins, but the first process that does so is killed when it has; `marks` holds its number."""

    marks: Path = Path("marks")

    def __call__(self, send):
        super().__call__(send)
        if not list(self.marks.iterdir()):
            (self.marks / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)


@dataclass(frozen=True)
class Elsewhere:
    """Any of the jobs above, as one without files that can be done anywhere."""

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
