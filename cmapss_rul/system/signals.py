"""SIGTERM as an orderly end, where there is nothing to save."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = "nothing is left half-written, and the same command does it again"
"""Said at the end of a command that had nothing to save."""

INTERRUPTED = f"rul: interrupted; {STOPPED}", 130
TERMINATED = f"rul: terminated; {STOPPED}", 143
"""The line for stderr and the exit code after SIGINT, and after SIGTERM."""


class Terminated(BaseException):
    """SIGTERM came where nothing needs to be saved; what is half done is cleaned up."""


@contextmanager
def terminable() -> Iterator[None]:
    """Turn SIGTERM into `Terminated`, as Python turns SIGINT into KeyboardInterrupt.

    A handler that is there already stays; so does everything in a thread other than the main
    one.
    """
    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Terminated
