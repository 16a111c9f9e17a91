"""A shim around every call that writes: counts the calls, and fails or kills at one of them.

    opens for writing · writes · flushes to the disk · renames · links · removals · new folders

The package writes through `Path` and `os`, whose functions are replaced in this process, so it
must be a forked child.
"""

import errno
import io
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Literal

Mode = Literal["count", "fail", "kill before", "kill after"]
MODES: tuple[Mode, ...] = ("fail", "kill before", "kill after")
_NAMES = ("fsync", "replace", "rename", "link", "unlink", "mkdir", "rmdir", "truncate")


@dataclass
class Shim:
    """Counts calls and disturbs one.

    Attributes:
        at: number of the call that is disturbed, from 1.
        mode: what happens at it: a full-disk error, or SIGKILL before or after it.
        log: descriptor for the names of the calls.
        seen: calls so far.
    """

    at: int
    mode: Mode
    log: int
    seen: int = 0

    def install(self) -> None:
        """Put the shim in place."""
        for name in _NAMES:
            setattr(os, name, self.around(name, getattr(os, name)))
        plain_open, system_open = io.open, os.open

        @wraps(plain_open)
        def opened(file: Any, mode: str = "r", *words: Any, **keys: Any) -> Any:
            if isinstance(file, int) or not set(mode) & set("wax+"):
                return plain_open(file, mode, *words, **keys)
            found = self.around("open", plain_open)(file, mode, *words, **keys)
            return _Written(found, self)

        @wraps(system_open)
        def opened_by_system(path: Any, flags: int, *words: Any, **keys: Any) -> int:
            writes = flags & (os.O_WRONLY | os.O_RDWR)
            call = self.around("open", system_open) if writes else system_open
            return call(path, flags, *words, **keys)

        io.open = opened  # type: ignore[assignment]
        os.open = opened_by_system

    def around(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Wrap a call so that it is disturbed if it has the number `at`."""

        @wraps(call)
        def disturbed(*words: Any, **keys: Any) -> Any:
            now = self.turn(name)
            if now:
                self.before()
            result = call(*words, **keys)
            if now:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return disturbed

    def turn(self, name: str) -> bool:
        """Count a call; return whether it is the one to disturb."""
        self.seen += 1
        os.write(self.log, f"{name}\n".encode())
        return self.mode != "count" and self.seen == self.at

    def before(self) -> None:
        """Fail or kill instead of the call; returns if the call shall be done first."""
        if self.mode == "fail":
            raise OSError(errno.ENOSPC, "No space left on device")
        if self.mode == "kill before":
            os.kill(os.getpid(), signal.SIGKILL)


class _Written:
    """A file open for writing; of a disturbed write, the first half arrives."""

    def __init__(self, file: Any, shim: Shim) -> None:
        self._file, self._shim = file, shim

    def write(self, content: Any) -> Any:
        """Write all, or half if this call is disturbed."""
        if not self._shim.turn("write"):
            return self._file.write(content)
        self._file.write(content[: len(content) // 2])
        self._file.flush()
        self._shim.before()
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "_Written":
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def __iter__(self) -> Any:
        return iter(self._file)
