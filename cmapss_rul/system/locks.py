"""Locks on folders: one process writes at a time; readers do not lock.

The kernel holds the lock and releases it however the process ends. A second file names the id of
the owning process. Both files are hidden, and removed at the end; files left by a killed process
are taken over by the next owner.
"""

import contextlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cmapss_rul.system.errors import DataError, RulError, printable
from cmapss_rul.system.files import remove_partial_files, write_atomic

LOCK, OWNER = ".lock", ".owner"
_TIMEOUT = 0.5
"""Seconds to wait for an owner that is about to release the lock or to write its process id."""


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lock a folder while the context lasts.

    A missing folder is created, and removed again if it is empty at the end.

    Raises:
        RulError: another process holds the lock; the message names its id.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with lock_folder(folder):
    ...     (folder / OWNER).read_text() == str(os.getpid())
    True
    >>> list(folder.iterdir())
    []
    """
    with _created(folder), _locked(folder) as lock:
        try:
            lock.acquire(timeout=_TIMEOUT)
        except Timeout:
            raise RulError(
                f"{folder} is in use by process {_owner(folder)}; wait until it has "
                "ended, or name another folder with --output"
            ) from None
        _write_owner(folder)
        yield


@contextmanager
def wait_for_folder(folder: Path) -> Iterator[None]:
    """Lock a data folder while the context lasts; warn and wait while another process holds it.

    Raises:
        DataError: the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(_created(folder))
            _wait(stack.enter_context(_locked(folder)), folder)
            _write_owner(folder)
        except OSError as error:
            raise DataError(f"{folder}: cannot be written: {error.strerror or error}") from error
        yield


def entries_in(folder: Path) -> set[str]:
    """Names in a folder, except lock files and partial files; empty for a missing folder."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return {name for name in names - {LOCK, OWNER} if not name.endswith(".part")}


def _wait(lock: FileLock, folder: Path) -> None:
    try:
        lock.acquire(timeout=_TIMEOUT)
    except Timeout:
        logging.getLogger(__name__).warning(  # without a handler, logging prints it to stderr
            "waiting for process %s, which writes into %s", _owner(folder), printable(folder)
        )
        lock.acquire()


@contextmanager
def _created(folder: Path) -> Iterator[None]:
    # deepest first: only folders that did not exist before are removed again
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for path in missing:
            with contextlib.suppress(OSError):  # no longer empty
                path.rmdir()


@contextmanager
def _locked(folder: Path) -> Iterator[FileLock]:
    """Yield the folder's lock, not yet acquired, and release it at the end."""
    lock = FileLock(folder / LOCK)
    try:
        yield lock
    finally:
        if lock.is_locked:
            # removed while still locked: afterwards they might be another process's
            with contextlib.suppress(OSError):  # a folder that vanished or became read-only
                (folder / OWNER).unlink(missing_ok=True)
                (folder / LOCK).unlink(missing_ok=True)
            lock.release()


def _write_owner(folder: Path) -> None:
    remove_partial_files(folder, OWNER)  # nothing else does this in the folder of a ledger
    write_atomic(folder / OWNER, str(os.getpid()))


def _owner(folder: Path) -> str:
    try:
        number = (folder / OWNER).read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return "of unknown number"
    return printable(number) or "of unknown number"
