"""Processes in which the sides of a measurement take their turns.

Each side lives in a fresh process, set up as its user's would be, so that neither the memory
nor the settings of one reach the other; and none computes while another one does.
"""

import contextlib
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from cmapss_rul.display.text import one_line
from cmapss_rul.system.errors import RulError

T = TypeVar("T")
REST = 0.05
"""Seconds before a turn in which nothing computes: threads of the side before may still spin."""


class Side(Generic[T]):
    """A process that was made ready once, and works whenever it is called.

    Args:
        make: makes it ready, and returns the work of one turn; it and its arguments must be
            picklable.
        arguments: of `make`, by place.
        named: of `make`, by name.
    """

    def __init__(self, make: Callable[..., Callable[[], T]], *arguments: Any, **named: Any) -> None:
        context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
        self._connection, other = context.Pipe()
        ready = partial(make, *arguments, **named)
        self._process = context.Process(
            target=_serve, args=(other, ready), daemon=True, name=make.__name__
        )
        self._process.start()
        other.close()

    def __call__(self) -> T:
        """Rest, take a turn, and return what the work returns.

        Raises:
            RulError: the work failed, or its process died.
        """
        time.sleep(REST)
        try:
            self._connection.send(None)
            error, value = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode
            error = f"{self._process.name}: its process ended with exit code {code}"
        if error is not None:
            raise RulError(error)
        result: T = value
        return result

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process, whatever it does."""
        self._connection.close()
        self._process.kill()  # what it has half done lies in a temporary folder
        self._process.join()


def once(make: Callable[..., Callable[[], T]], *arguments: Any, **named: Any) -> T:
    """Take a single turn in a process of its own, made ready by `make` with these arguments."""
    with Side(make, *arguments, **named) as side:
        return side()


def in_turn(
    sides: Mapping[str, Callable[[], T]], turns: int, warm_up: int = 1
) -> dict[str, list[T]]:
    """Let sides take their turns one after another, as in A B A B A B.

    Args:
        sides: their names, and what does a turn.
        turns: of each side.
        warm_up: turns of each side before them, whose results are dropped.

    Returns:
        What each side gave, in the order of its turns.

    >>> in_turn({"A": lambda: 1, "B": lambda: 2}, turns=3)
    {'A': [1, 1, 1], 'B': [2, 2, 2]}
    """
    found: dict[str, list[T]] = {name: [] for name in sides}
    for turn in range(warm_up + turns):
        for name, side in sides.items():
            value = side()
            if turn >= warm_up:
                found[name].append(value)
    return found


def _serve(connection: Connection, make: Callable[[], Callable[[], Any]]) -> None:
    """What a side's process does: its work once for each message, until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends this one
    work: Callable[[], Any] | None = None
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.recv()
            answer: tuple[str | None, Any]
            try:
                work = work or make()
                answer = None, work()
            except RulError as error:
                answer = str(error), None
            except Exception as error:
                answer = f"{type(error).__name__}: {one_line(error)}", None
            connection.send(answer)


def peak_memory_mb() -> float:
    """Return the largest resident size that this process has had, MB of 10⁶ bytes."""
    with contextlib.suppress(OSError):  # elsewhere than on Linux
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):  # rusage would also count the parent before the exec
                return int(line.split()[1]) * 1024 / 1e6
    import resource  # unknown to Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6
