"""SIGINT and SIGTERM: a clean exit of any command, and a stop after the current training step.

Imported before anything else, so nothing heavy may be imported here.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cmapss_rul.system.errors import RulError

STOPPED = "no partial files are left; run the same command again"
"""Advice printed by an interrupted command that had nothing to save."""

INTERRUPTED = f"rul: interrupted; {STOPPED}", 130
TERMINATED = f"rul: terminated; {STOPPED}", 143
"""The line for stderr and the exit code after SIGINT, and after SIGTERM."""


class Terminated(BaseException):
    """Raised by SIGTERM where nothing needs to be saved; context managers clean up."""


@contextmanager
def terminable() -> Iterator[None]:
    """Turn SIGTERM into `Terminated`, as Python turns SIGINT into KeyboardInterrupt.

    An existing handler is left in place. Does nothing outside the main thread.
    """
    in_main = threading.current_thread() is threading.main_thread()
    # an existing handler belongs to a program that uses this package as a library
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


@contextmanager
def end_hung_process(seconds: float, line: str) -> Iterator[None]:
    """End the process if the context still lasts some `seconds` after SIGINT or SIGTERM.

    For calls into C++ that wait for other processes: Python runs no handler before they return.
    `line` goes to stderr, the exit code is 1. Does nothing outside the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    import socket  # here: only where there are ranks

    left = threading.Event()
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def watch() -> None:
        with reader:
            while (number := reader.recv(1)) and number[0] not in (signal.SIGINT, signal.SIGTERM):
                pass  # signals of other programs that use this package
        if number and not left.wait(seconds):
            os.write(2, f"{line}\n".encode())  # the main thread may hold the lock of sys.stderr
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    # the interpreter writes to it immediately, even while the main thread is in C++ code
    previous = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(previous)
        writer.close()


class Interrupted(RulError):
    """Raised after SIGINT or SIGTERM once the state of a run is saved; exit code 128 + signal."""

    prefix = ""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code

    @classmethod
    def by(cls, number: int, what_was_saved: str) -> "Interrupted":
        """Describe the interruption: the signal's name, followed by `what_was_saved`."""
        return cls(f"stopped by {signal.Signals(number).name}{what_was_saved}", 128 + number)


class StopSignals:
    """Record SIGINT and SIGTERM instead of ending the process, while the context lasts.

    The training loop checks after each step whether one was received. A second SIGINT raises
    KeyboardInterrupt at once. Outside the main thread, where Python allows no handlers, nothing
    is recorded.

    Attributes:
        received: number of the first signal, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._previous: dict[int, object] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._previous.items():
            if handler is not None:  # None: not installed from Python, so cannot be reinstalled
                signal.signal(number, handler)  # type: ignore[arg-type]

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = self.received or number  # the first one decides the exit code
