"""One process at a time writes into a folder; who only reads never locks.

The lock is the kernel's, so that it ends with its process, however that ends. The owner's
number stands in a file of its own. Both files are hidden, and gone when the owner has ended
well; a later owner takes over those that a killed one left.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cmapss_rul.system.errors import DataError, RulError
from cmapss_rul.system.files import sweep, write_whole
from cmapss_rul.system.text import one_line, printable

LOCK, OWNER = ".lock", ".owner"
_MOMENT = 0.5
"""Seconds in which an owner that is about to leave, or to note its number, has done so."""


@contextmanager
def owned(folder: Path) -> Iterator[None]:
    """Hold a folder while the context lasts.

    Args:
        folder: made where it is missing, and then removed again if nothing came into it.

    Raises:
        RulError: another process holds it; the line names its number.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with owned(folder):
    ...     (folder / OWNER).read_text() == str(os.getpid())
    True
    >>> list(folder.iterdir())
    []
    """
    with _made(folder), _locked(folder) as lock:
        try:
            lock.acquire(timeout=_MOMENT)
        except Timeout:
            raise RulError(
                f"{printable(folder)} is in use by process {_owner(folder)}; wait until it has "
                "ended, or name another folder with --output"
            ) from None
        _note_owner(folder)
        yield


@contextmanager
def in_turn(folder: Path) -> Iterator[None]:
    """Hold a data folder while the context lasts; wait for whoever holds it, and say for whom.

    Args:
        folder: made where it is missing, and then removed again if nothing came into it.

    Raises:
        DataError: the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_made(folder))
            _wait(stack.enter_context(_locked(folder)), folder)
            _note_owner(folder)
        except OSError as error:
            reason = one_line(error.strerror or error)
            raise DataError(f"{printable(folder)}: cannot be written: {reason}") from error
        yield


def names_in(folder: Path) -> set[str]:
    """Names in a folder, less those of locks and half files; none where there is no folder."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return {name for name in names - {LOCK, OWNER} if not name.endswith(".part")}


def _wait(lock: FileLock, folder: Path) -> None:
    try:
        lock.acquire(timeout=_MOMENT)
    except Timeout:
        logging.getLogger(__name__).warning(  # without a handler it goes to stderr
            "waiting for process %s, which writes into %s", _owner(folder), printable(folder)
        )
        lock.acquire()


@contextmanager
def _made(folder: Path) -> Iterator[None]:
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for path in missing:
            with contextlib.suppress(OSError):  # something came into it
                path.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[FileLock]:
    """A lock to be acquired inside; its files go before it is released, never after."""
    lock = FileLock(folder / LOCK)
    try:
        yield lock
    finally:
        if lock.is_locked:
            with contextlib.suppress(OSError):  # a folder that vanished or became read-only
                (folder / OWNER).unlink(missing_ok=True)
                (folder / LOCK).unlink(missing_ok=True)
            lock.release()


def _note_owner(folder: Path) -> None:
    sweep(folder, OWNER)  # the folder of a ledger is the user's, and nobody else sweeps there
    write_whole(folder / OWNER, str(os.getpid()))


def _owner(folder: Path) -> str:
    try:
        number = (folder / OWNER).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return "of unknown number"
    return printable(number) or "of unknown number"
