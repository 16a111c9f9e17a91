"""Zip archives from anywhere, opened with care.

Nothing is unpacked by its stored path: a member is found by its file name, and its bytes are
read as a stream. Whatever C-MAPSS's own archives never have is refused by name: links,
paths that lead elsewhere, encryption, two members of one name, absurd sizes, sizes that lie.
"""

import contextlib
import copy
import io
import re
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from cmapss_rul.data.lines import foreign_kind
from cmapss_rul.display.text import one_line, printable
from cmapss_rul.system.errors import DataError

INNER_ARCHIVE = "CMAPSSData.zip"
MOST_MEMBER_BYTES = 1 << 28  # 25 times the largest of C-MAPSS; a table of it takes 1 to 2 GB
MOST_DIRECTORY_BYTES = 1 << 20  # about 10,000 members; C-MAPSS has 13
_MOST_RATIO = 100  # texts of numbers shrink to a quarter
_DEEPEST = 1  # NASA's outer archive holds the inner one
_END = b"PK\x05\x06"
_END_BYTES = 22
_ZIP64_LOCATOR = b"PK\x06\x07"
_ENCRYPTED = 0x41  # plain or strong
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError,
    ValueError, OSError,
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """A needed file at a source.

    Attributes:
        name: `train_FD001.txt` say.
        where: the member in error texts.
        open: gives its bytes from the start; may be called again.
    """

    name: str
    where: str
    open: Callable[[], BinaryIO]

    @classmethod
    def at(cls, path: Path, where: str) -> "Member":
        """A plain file."""
        return cls(path.name, where, lambda: path.open("rb"))

    @contextlib.contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open the member; what goes wrong while it is read becomes a DataError."""
        with _named(self.where), self.open() as stream:
            yield stream


@contextlib.contextmanager
def _named(where: str) -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise DataError(f"{where}: cannot be read: {one_line(error)}; it may be damaged") from error


def open_archive(
    file: BinaryIO, where: str, names: Collection[str], stack: contextlib.ExitStack, depth: int = 0
) -> dict[str, Member]:
    """Find needed files in a zip archive, or in the one archive that it holds.

    Args:
        file: the archive; can seek.
        where: the archive in error texts.
        names: the files needed.
        stack: closes what this opens, after the members were read.
        depth: archives around this one.

    Returns:
        The members found, by name; some names may be missing.

    Raises:
        DataError: no zip archive, a damaged one, or one that holds what it should not.
    """
    with _named(where):
        directory_bytes = _directory_bytes(file, where)
        archive = stack.enter_context(zipfile.ZipFile(file))
        _refuse_cut_directory(file, archive.start_dir, directory_bytes)
    seen: set[str] = set()
    for info in archive.infolist():
        if found := _unsafe(info, seen):
            raise DataError(f"{where}: member '{_shown(info)}' is {found}; this is refused")
        seen.add(info.filename)
    files = [info for info in archive.infolist() if not info.is_dir()]
    members = {name: _only(files, name, where) for name in names}
    found_members = {name: info for name, info in members.items() if info is not None}
    if not found_members and (inner := _inner(files, where)):
        return _open_inner(archive, inner, where, names, stack, depth)
    for info in found_members.values():
        _refuse_size(info, where)
    return {
        name: Member(name, f"{where}, member '{_shown(info)}'", _opener(archive, info))
        for name, info in found_members.items()
    }


def _opener(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], BinaryIO]:
    return lambda: cast(BinaryIO, io.BufferedReader(_Honest(archive, info)))


class _Honest(io.RawIOBase):
    """Bytes of a member whose number must be the one that its directory entry promises.

    zipfile itself stops at the promised number, and what follows is never looked at.
    """

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        generous = copy.copy(info)
        generous.file_size += 1  # so that one byte too many is seen
        self._stream = archive.open(generous)
        self._left = info.file_size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._stream.read(len(buffer))
        self._left -= len(piece)
        if self._left < 0 or (self._left and not piece):
            raise zipfile.BadZipFile("it is not as long as the archive says")
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _shown(info: zipfile.ZipInfo) -> str:
    name = printable(info.orig_filename)
    return name if len(name) <= 80 else name[:80] + "…"


def _refuse_cut_directory(file: BinaryIO, start: int, size: int) -> None:
    """Refuse an entry that says it goes on behind the directory; zipfile would cut its name."""
    file.seek(start)
    directory, place = file.read(size), 0
    while place < size:  # an entry: 46 bytes, then name, extra fields and comment
        place += 46 + sum(struct.unpack_from("<3H", directory, place + 28))
    if place != size:
        raise zipfile.BadZipFile("its list of members does not end where it says")


def _directory_bytes(file: BinaryIO, where: str) -> int:
    """Size of the list of members, as the end of the archive says.

    Refuses what is no whole zip archive, or lists too many members, before zipfile reads it.
    """
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(1024)
    file.seek(max(0, size - _END_BYTES - (1 << 16)))
    tail = file.read()
    file.seek(0)
    end = len(tail) - _END_BYTES
    if not (tail[-_END_BYTES:].startswith(_END) and tail.endswith(b"\0\0")):
        end = tail.rfind(_END)  # there is a comment behind the end record
    if end < 0 or len(tail) - end < _END_BYTES:
        raise DataError(f"{where}: {_what_instead(head, size)}")
    if tail[max(0, end - 20) : end].startswith(_ZIP64_LOCATOR):
        raise DataError(f"{where}: is a ZIP64 archive, for sizes that C-MAPSS does not have")
    directory_bytes = int.from_bytes(tail[end + 12 : end + 16], "little")
    if directory_bytes > MOST_DIRECTORY_BYTES:
        entries = int.from_bytes(tail[end + 10 : end + 12], "little")
        raise DataError(
            f"{where}: lists too many members ({entries} or more, {directory_bytes} bytes of "
            "names), expected the 13 of C-MAPSS"
        )
    return directory_bytes


def _what_instead(head: bytes, size: int) -> str:
    if not size:
        return "is empty, expected a zip archive"
    if head.startswith(b"PK"):
        return f"is a zip archive without its end: it was cut, at {size} bytes"
    kind = foreign_kind(head)
    return f"is no zip archive but {kind or 'something else'}, {size} bytes"


def _unsafe(info: zipfile.ZipInfo, seen: Collection[str]) -> str | None:
    """Say what no archive of C-MAPSS's files has, or None; `seen` are the names before it."""
    name = info.orig_filename
    if not name:
        return "without a name"
    if info.filename in seen:
        return "there twice"
    if "\0" in name:
        return "a name with a NUL byte"
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "an absolute path"
    if ".." in re.split(r"[\\/]", name):
        return "a path that leads out of the target folder"
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind == stat.S_IFLNK:
        return "a link"
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        return "a special file"
    return "encrypted" if info.flag_bits & _ENCRYPTED else None


def _only(files: list[zipfile.ZipInfo], name: str, where: str) -> zipfile.ZipInfo | None:
    """Return the one member of that file name in whatever folder."""
    found = [info for info in files if PurePosixPath(info.filename).name == name]
    if len(found) > 1:
        raise DataError(
            f"{where}: holds {len(found)} members named {name} "
            f"('{_shown(found[0])}', '{_shown(found[1])}'), expected one"
        )
    return found[0] if found else None


def _inner(files: list[zipfile.ZipInfo], where: str) -> zipfile.ZipInfo | None:
    """Return the archive in the archive: the one of NASA's name, else the only one."""
    if named := _only(files, INNER_ARCHIVE, where):
        return named
    archives = [info for info in files if info.filename.lower().endswith(".zip")]
    return archives[0] if len(archives) == 1 else None


def _refuse_size(info: zipfile.ZipInfo, where: str) -> None:
    text = f"{where}: member '{_shown(info)}'"
    if info.compress_type not in _METHODS:
        raise DataError(f"{text} is packed by method {info.compress_type}, expected deflate")
    if info.file_size > MOST_MEMBER_BYTES:
        raise DataError(f"{text} unpacks to {info.file_size} bytes, more than is sensible")
    if info.file_size > _MOST_RATIO * info.compress_size + 4096:
        raise DataError(
            f"{text} unpacks from {info.compress_size} to {info.file_size} bytes, more than "
            "texts of numbers do"
        )


def _open_inner(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    where: str,
    names: Collection[str],
    stack: contextlib.ExitStack,
    depth: int,
) -> dict[str, Member]:
    inside = f"{where}, member '{_shown(info)}'"
    if depth >= _DEEPEST:
        raise DataError(f"{inside}: is an archive nested deeper than NASA's, this is refused")
    _refuse_size(info, where)
    with _named(inside):
        inner = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  the stack closes it
        with _opener(archive, info)() as stream:
            shutil.copyfileobj(stream, inner, 1 << 20)
    return open_archive(cast(BinaryIO, inner), inside, names, stack, depth + 1)
