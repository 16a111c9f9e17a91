"""Jobs for the engine's tests; other processes import this file."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cmapss_rul.errors import DataError


@dataclass(frozen=True)
class Say:
    """Tells some values, and leaves its process's number in a file."""

    name: str
    folder: Path
    values: tuple[Any, ...] = ()

    def __call__(self, tell):
        for value in self.values:
            tell(value)
        (self.folder / self.name).write_text(str(os.getpid()))


@dataclass(frozen=True)
class Fail:
    """Fails as a user can cause it, as a defect does, or by the death of the process."""

    name: str
    how: str

    def __call__(self, tell):
        tell(self.how)
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "exit":
            os._exit(3)
        raise {"error": DataError("no\ndata"), "defect": ZeroDivisionError("oh")}[self.how]


@dataclass(frozen=True)
class Wait:
    """Says that it began, and waits for ever."""

    name: str

    def __call__(self, tell):
        tell("began")
        while True:
            time.sleep(0.05)


@dataclass(frozen=True)
class Deaf:
    """Says that it began, waits for ever, and does not heed the wish to stop."""

    name: str

    def __call__(self, tell):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        tell("began")
        while True:
            time.sleep(0.05)
