"""Files appear under their name whole or not at all."""

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cmapss_rul.system.errors import RulError
from cmapss_rul.system.text import one_line, printable

_PART = re.compile(r"^\.(.+)\.(\d+)\.part$")
_writing: set[str] = set()
"""Half files that this process is at work on."""


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file for writing that takes its name only once it is complete.

    The bytes go to `.<name>.<pid>.part` beside it, are flushed to the disk, and are then
    renamed; the folder is flushed too. After an error nothing is left behind, and a former
    file of that name is untouched.

    Args:
        path: where the file will stand; its folder is made where it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _whole_file_in_place(path) as file:
        yield file


@contextlib.contextmanager
def _whole_file_in_place(path: Path) -> Iterator[BinaryIO]:
    """As `whole_file`, in a folder that must be there."""
    with _half_file(path) as part:
        try:
            with part.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError as error:
            if error.filename in (None, str(part)):
                error.filename = str(path)  # a full disk does not say where, and `part` is ours
                error.filename2 = None
            raise
    flush_folder(path.parent)


@contextlib.contextmanager
def _half_file(path: Path) -> Iterator[Path]:
    """A name beside a file; what still has it in the end is removed."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    mine = str(part.absolute())
    _writing.add(mine)
    try:
        yield part
    finally:
        with contextlib.suppress(OSError):  # the folder may have vanished or become read-only
            part.unlink(missing_ok=True)
        _writing.discard(mine)


def unwritable(path: Path, reason: OSError | str, advice: str = "") -> RulError:
    """Say in one line that a file cannot be written.

    Args:
        path: of the file, or of its folder.
        reason: why.
        advice: what else the user should know, after the reason.

    >>> print(unwritable(Path("a.csv"), PermissionError(13, "Permission denied")))
    a.csv: cannot be written (Permission denied)
    """
    text = reason if isinstance(reason, str) else reason.strerror or one_line(reason)
    return RulError(f"{printable(path)}: cannot be written ({text}){advice}")


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file in one step; text is encoded as UTF-8."""
    with whole_file(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def save_whole(path: Path, content: bytes | str, advice: str = "") -> None:
    """Write a file where a user wants it, after the half files of it that killed calls left.

    Args:
        path: where it will stand.
        content: of the file; text is encoded as UTF-8.
        advice: what to do if it cannot be written, after the reason.

    Raises:
        RulError: it cannot be written; a former one of its name is then untouched.
    """
    try:
        sweep(path.parent, path.name)
        write_whole(path, content)
    except OSError as error:
        raise unwritable(path, error, advice) from error


def write_proved(path: Path, content: bytes, former: Path | None = None) -> None:
    """Write a file that takes its name only after it was read back and found the same.

    Args:
        path: where the file will stand; a folder that has vanished is not made anew.
        content: of the file.
        former: a second name for the file that stood there until now. At every moment either
            name holds a whole file.
    """
    with _whole_file_in_place(path) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        if Path(file.name).read_bytes() != content:
            reason = "what was written does not read back the same"
            raise OSError(errno.EIO, reason, str(path))
        if former is not None and path.exists():
            also_name(path, former)


def also_name(path: Path, name: Path) -> None:
    """Give a file a second name in its folder, which replaces what had it.

    Where the file system knows no hard links the file is copied.
    """
    try:
        with _half_file(name) as part:
            part.unlink(missing_ok=True)
            part.hardlink_to(path)
            part.replace(name)
    except OSError:
        write_whole(name, path.read_bytes())


def flush_folder(folder: Path) -> None:
    """Make a rename inside the folder survive a power cut, where the system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def sweep(folder: Path, name: str | None = None) -> None:
    """Remove the half files that killed processes left in a folder.

    Args:
        folder: that may be missing.
        name: of the file whose halves go, in a folder that is not this package's; all by default.
    """
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        match = _PART.match(path.name)
        if match and name in (None, match[1]) and _abandoned(path, int(match[2])):
            path.unlink(missing_ok=True)


def _abandoned(path: Path, pid: int) -> bool:
    """Whether nobody writes a half file any more; in a container numbers soon come again."""
    if pid == os.getpid():
        return str(path.absolute()) not in _writing
    return not _alive(pid)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
