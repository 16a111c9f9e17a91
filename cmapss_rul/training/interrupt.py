"""SIGINT and SIGTERM as a wish to stop after the running step."""

import signal
import threading
from types import FrameType, TracebackType

from cmapss_rul.system.errors import RulError


class Interrupted(RulError):
    """A run that was asked to stop, and saved.

    Args:
        message: how to go on.
        exit_code: 128 and the signal's number.
    """

    word = ""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class StopSignals:
    """Catch SIGINT and SIGTERM while the context lasts; a second SIGINT ends at once.

    In a thread other than the main one, where Python allows no handlers, nothing is caught.

    Attributes:
        received: number of the signal that came first, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._former: dict[int, object] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._former.items():
            if handler is not None:  # None: not set from Python, so not to be put back from there
                signal.signal(number, handler)  # type: ignore[arg-type]

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = self.received or number
