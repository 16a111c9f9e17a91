"""Atomic file writes: under its final name, a file is either complete or absent."""

import contextlib
import errno
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cmapss_rul.system.errors import RulError, one_line

ANOTHER_FOLDER = "; name another folder with --output"
"""Advice where a command cannot write its results."""

_PART = re.compile(r"^\.(.+)\.(\d+)\.part$")
_writing: set[str] = set()
"""Partial files that this process is writing."""


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its final name only once it is complete.

    The bytes go to `.<name>.<pid>.part` beside it, are flushed to disk, and the file is then
    renamed; the folder is flushed too. After an error nothing is left behind, and an existing
    file of that name is unchanged.

    Args:
        path: the file; its folder is created if missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _atomic_file_in_place(path) as file:
        yield file


@contextlib.contextmanager
def _atomic_file_in_place(path: Path) -> Iterator[BinaryIO]:
    """As `atomic_file`, in a folder that must exist."""
    # not a library, because a partial file carries the id of its process, so that those of killed
    # processes can be removed, and `write_verified` reads the bytes back before the rename
    with _partial_file(path) as part:
        try:
            with part.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            if error.filename in (None, str(part)):
                error.filename = str(path)  # ENOSPC names no file, and `part` is internal
                error.filename2 = None
            raise
    flush_folder(path.parent)


@contextlib.contextmanager
def _partial_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside a file, and remove what is left there at the end."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    mine = str(part.absolute())
    _writing.add(mine)
    try:
        yield part
    finally:
        with contextlib.suppress(OSError):  # the folder may have vanished or become read-only
            part.unlink(missing_ok=True)
        _writing.discard(mine)


def cannot_write(path: Path, reason: OSError | str, advice: str = "") -> RulError:
    """Return the error for a file, or a folder, that cannot be written.

    >>> print(cannot_write(Path("a.csv"), PermissionError(13, "Permission denied")))
    a.csv: cannot be written (Permission denied)
    """
    text = reason if isinstance(reason, str) else reason.strerror or one_line(reason)
    return RulError(f"{path}: cannot be written ({text}){advice}")


def check_writable(*paths: Path) -> None:
    """Check before a long computation that files of one folder can be written after it.

    The folder is not created yet. Where it is missing, the nearest existing folder above it is
    tried by a temporary file without a name: permission bits do not stop root, and a read-only
    file system has them set.

    Raises:
        RulError: naming the path and the reason.
    """
    folder = paths[0].parent.absolute()
    try:
        for path in paths:
            if path.is_dir():
                raise cannot_write(path, "a folder of that name is in the way", ANOTHER_FOLDER)
        # stops at a dangling link: no folder can be created in its place
        while not folder.exists() and not folder.is_symlink():
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise cannot_write(paths[0].parent, error, ANOTHER_FOLDER) from error


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a file in one step; text is encoded as UTF-8."""
    with atomic_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def save_file(path: Path, content: bytes | str, advice: str = "") -> None:
    """Write a file to a path given by the user; remove partial files of killed processes first.

    Raises:
        RulError: it cannot be written; the message ends with `advice`. An existing file is
            unchanged.
    """
    try:
        remove_partial_files(path.parent, path.name)
        write_atomic(path, content)
    except OSError as error:
        raise cannot_write(path, error, advice) from error


def write_verified(path: Path, content: bytes, keep_as: Path | None = None) -> None:
    """Write a file that takes its final name only after its bytes were read back and compared.

    Args:
        path: the file; its folder must exist.
        content: the bytes to write.
        keep_as: second name under which the replaced file is kept. At every moment both names,
            if they exist, hold a complete file.
    """
    with _atomic_file_in_place(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        if Path(file.name).read_bytes() != content:
            reason = "the bytes read back differ from those written"
            raise OSError(errno.EIO, reason, str(path))
        if keep_as is not None and path.exists():
            link_or_copy(path, keep_as)


def link_or_copy(path: Path, name: Path) -> None:
    """Hard-link a file to a second name in its folder, replacing an existing file of that name.

    On a file system without hard links the file is copied.
    """
    try:
        with _partial_file(name) as part:
            part.unlink(missing_ok=True)
            part.hardlink_to(path)
            part.replace(name)
    except OSError:
        write_atomic(name, path.read_bytes())


def flush_folder(folder: Path) -> None:
    """Flush the folder, so that a rename in it survives a power failure, where supported."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def remove_partial_files(folder: Path, name: str | None = None) -> None:
    """Remove partial files of killed processes from a folder: of one file, or of all."""
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        match = _PART.match(path.name)
        if match and name in (None, match[1]) and _abandoned(path, int(match[2])):
            path.unlink(missing_ok=True)


def _abandoned(path: Path, pid: int) -> bool:
    """Whether the process that wrote a partial file no longer exists.

    A file with our own process id may come from a killed process: containers soon reuse ids.
    """
    if pid == os.getpid():
        return str(path.absolute()) not in _writing
    try:
        os.kill(pid, 0)  # signal 0 only asks whether the process exists
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # another user's process, or a number too large for an id
        return False
    return False
