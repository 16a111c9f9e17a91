"""Reading of untrusted zip archives.

Nothing is unpacked to its stored path: a member is found by its file name, and its bytes are
read as a stream. Whatever the archives of C-MAPSS never contain is refused: links, paths outside
the target folder, encryption, duplicate names, implausible or wrong sizes.

zipfile does the parsing, but has none of these checks: it truncates a member to the size stated
in its header, and a name that runs beyond the directory, and it builds an object for each of a
million entries.
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

from cmapss_rul.data.lines import foreign_format
from cmapss_rul.system.errors import DataError

INNER_ARCHIVE = "CMAPSSData.zip"
MAX_MEMBER_BYTES = 1 << 28  # 25 times C-MAPSS's largest; parsed, its table takes 1 to 2 GB
MAX_DIRECTORY_BYTES = 1 << 20  # about 10,000 members; C-MAPSS has 13
_MAX_RATIO = 100  # texts of numbers shrink to a quarter
_MAX_DEPTH = 1  # NASA's outer archive contains the inner one
_END_MAGIC = b"PK\x05\x06"
_END_BYTES = 22
_MAX_COMMENT_BYTES = 1 << 16
_ZIP64_MAGIC = b"PK\x06\x07"
_ZIP64_BYTES = 20
_ENTRY_BYTES = 46  # of a directory entry, before its name, extra fields and comment
_ENCRYPTED = 0x41  # plain or strong
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_READ_ERRORS = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError,
    ValueError, OSError,
)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """A required file in a source: its name, its label in error messages, and how to open it."""

    name: str
    label: str
    open: Callable[[], BinaryIO]

    @classmethod
    def from_path(cls, path: Path, label: str) -> "Member":
        """Return a plain file as a member."""
        return cls(path.name, label, lambda: path.open("rb"))

    @contextlib.contextmanager
    def reading(self) -> Iterator[BinaryIO]:
        """Open the member; errors while reading become DataErrors."""
        with _as_data_errors(self.label), self.open() as stream:
            yield stream


@contextlib.contextmanager
def _as_data_errors(label: str) -> Iterator[None]:
    try:
        yield
    except _READ_ERRORS as error:
        raise DataError(f"{label}: cannot be read: {error}; it may be damaged") from error


def open_archive(
    file: BinaryIO, label: str, names: Collection[str], stack: contextlib.ExitStack, depth: int = 0
) -> dict[str, Member]:
    """Find the required files in a zip archive, or in the archive nested in it.

    Args:
        file: the archive, seekable.
        label: name of the archive in error messages.
        names: names of the required files.
        stack: closes what is opened here, after the members were read.
        depth: nesting depth of this archive.

    Returns:
        The members found, by name; some names may be missing.

    Raises:
        DataError: the file is not a zip archive, is damaged, or has a member that is refused.
    """
    with _as_data_errors(label):
        # checked before zipfile builds an object for each of a million members
        directory_bytes = _directory_bytes(file, label)
        archive = stack.enter_context(zipfile.ZipFile(file))
        _check_directory(file, archive.start_dir, directory_bytes)
    seen: set[str] = set()
    for info in archive.infolist():
        if reason := _unsafe(info, seen):
            raise DataError(f"{_member_label(label, info)} is {reason}; this is refused")
        seen.add(info.filename)
    files = [info for info in archive.infolist() if not info.is_dir()]
    candidates = {name: _find(files, name, label) for name in names}
    found = {name: info for name, info in candidates.items() if info is not None}
    if not found and (inner := _find_inner_archive(files, label)):
        inner_label = _member_label(label, inner)
        if depth >= _MAX_DEPTH:
            raise DataError(
                f"{inner_label}: is an archive nested deeper than NASA's; this is refused"
            )
        content = _unpack(_member(archive, inner, INNER_ARCHIVE, label), stack)
        return open_archive(content, inner_label, names, stack, depth + 1)
    return {name: _member(archive, info, name, label) for name, info in found.items()}


def open_folder(
    folder: Path, label: str, names: Collection[str], stack: contextlib.ExitStack
) -> dict[str, Member]:
    """Find the files in a folder, in one of its sub-folders, or in an archive saved there.

    Raises:
        DataError: the archive is refused, or several sub-folders have the files.
    """
    found = {name: folder / name for name in names if (folder / name).is_file()}
    if not found and (folder / INNER_ARCHIVE).is_file():
        archive = stack.enter_context((folder / INNER_ARCHIVE).open("rb"))
        return open_archive(archive, f"{label}, {INNER_ARCHIVE}", names, stack)
    if not found:
        found = _find_below(folder, label, names)
    return {name: Member.from_path(path, f"{label}, {name}") for name, path in found.items()}


def open_text_file(path: Path, label: str, names: Collection[str]) -> dict[str, Member]:
    """Return a single text file as a source.

    Raises:
        DataError: it is not one of the required files.
    """
    if path.name not in names:
        raise DataError(
            f"{label}: found one text file, expected an archive or a folder with "
            f"{', '.join(sorted(names)[:3])}{' …' if len(names) > 3 else ''}"
        )
    return {path.name: Member.from_path(path, f"{label}, {path.name}")}


def _find_below(folder: Path, label: str, names: Collection[str]) -> dict[str, Path]:
    """Find the files in one sub-folder, two levels below at most."""
    paths = [path for depth in ("*", "*/*") for path in folder.glob(f"{depth}/*_FD00*.txt")]
    folders = sorted({path.parent for path in paths if path.name in names and path.is_file()})
    if len(folders) > 1:
        raise DataError(
            f"{label}: found the files in {folders[0]} and in {folders[1]}, expected one folder "
            "of them; name that one"
        )
    return {path.name: path for path in paths if path.name in names and path.is_file()}


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, label: str) -> Member:
    """Return a member, after a check of its stated size; reading it checks its length."""
    _check_size(info, label)
    return Member(
        name,
        _member_label(label, info),
        lambda: cast(BinaryIO, io.BufferedReader(_CheckedStream(archive, info))),
    )


class _CheckedStream(io.RawIOBase):
    """Raw stream of a member that fails unless it has exactly the stated number of bytes.

    zipfile itself stops at that number and ignores what follows.
    """

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> None:
        longer = copy.copy(info)
        longer.file_size += 1  # to detect excess bytes
        self._stream = archive.open(longer)
        self._left = info.file_size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._stream.read(len(buffer))
        self._left -= len(piece)
        if self._left < 0 or (self._left and not piece):
            raise zipfile.BadZipFile("it is not as long as the archive states")
        buffer[: len(piece)] = piece
        return len(piece)

    def close(self) -> None:
        self._stream.close()
        super().close()


def _member_label(label: str, info: zipfile.ZipInfo) -> str:
    name = info.orig_filename
    return f"{label}, member '{name if len(name) <= 80 else name[:80] + '…'}'"


def _check_directory(file: BinaryIO, start: int, size: int) -> None:
    """Refuse a directory whose last entry runs beyond its end; zipfile would truncate its name."""
    file.seek(start)
    directory, end = file.read(size), 0
    while end < size:
        end += _ENTRY_BYTES + sum(struct.unpack_from("<3H", directory, end + 28))
    if end != size:
        raise zipfile.BadZipFile("its list of members does not end where it should")


def _directory_bytes(file: BinaryIO, label: str) -> int:
    """Return the size of the central directory; refuse a truncated archive or too many members."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(1024)
    file.seek(max(0, size - _END_BYTES - _MAX_COMMENT_BYTES))
    tail = file.read()
    file.seek(0)
    end = len(tail) - _END_BYTES
    if not (tail[-_END_BYTES:].startswith(_END_MAGIC) and tail.endswith(b"\0\0")):
        end = tail.rfind(_END_MAGIC)  # a comment follows the end record
    if end < 0 or len(tail) - end < _END_BYTES:
        raise DataError(f"{label}: {_describe_non_archive(head, size)}")
    if tail[max(0, end - _ZIP64_BYTES) : end].startswith(_ZIP64_MAGIC):
        raise DataError(f"{label}: is a ZIP64 archive, for sizes that C-MAPSS does not have")
    directory_bytes = int.from_bytes(tail[end + 12 : end + 16], "little")
    if directory_bytes > MAX_DIRECTORY_BYTES:
        entries = int.from_bytes(tail[end + 10 : end + 12], "little")
        raise DataError(
            f"{label}: lists too many members ({entries} or more, {directory_bytes} bytes of "
            "names), expected the 13 of C-MAPSS"
        )
    return directory_bytes


def _describe_non_archive(head: bytes, size: int) -> str:
    if not size:
        return "is empty, expected a zip archive"
    if head.startswith(b"PK"):
        return f"is a zip archive without its end: it was truncated, at {size} bytes"
    found = foreign_format(head)
    return f"is not a zip archive but {found or 'something else'}, {size} bytes"


def _unsafe(info: zipfile.ZipInfo, seen: Collection[str]) -> str | None:
    """Return why a member is unsafe, or None; `seen` are the names of the members before it."""
    name = info.orig_filename
    kind = stat.S_IFMT(info.external_attr >> 16)
    checks = {
        "without a name": not name,
        "a duplicate": info.filename in seen,
        "a name with a NUL byte": "\0" in name,
        "an absolute path": name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name),
        "a path that leads out of the target folder": ".." in re.split(r"[\\/]", name),
        "a link": kind == stat.S_IFLNK,
        "a special file": kind not in (0, stat.S_IFREG, stat.S_IFDIR),
        "encrypted": info.flag_bits & _ENCRYPTED,
    }
    return next((reason for reason, applies in checks.items() if applies), None)


def _find(files: list[zipfile.ZipInfo], name: str, label: str) -> zipfile.ZipInfo | None:
    """Return the one member of that file name, in any folder."""
    found = [info for info in files if PurePosixPath(info.filename).name == name]
    if len(found) > 1:
        raise DataError(
            f"{label}: has {len(found)} members named {name} "
            f"('{found[0].orig_filename[:80]}', '{found[1].orig_filename[:80]}'), expected one"
        )
    return found[0] if found else None


def _find_inner_archive(files: list[zipfile.ZipInfo], label: str) -> zipfile.ZipInfo | None:
    """Return the nested archive: the one with NASA's name, or else the only one."""
    if named := _find(files, INNER_ARCHIVE, label):
        return named
    archives = [info for info in files if info.filename.lower().endswith(".zip")]
    return archives[0] if len(archives) == 1 else None


def _check_size(info: zipfile.ZipInfo, label: str) -> None:
    text = _member_label(label, info)
    if info.compress_type not in _METHODS:
        raise DataError(f"{text} is compressed by method {info.compress_type}, expected deflate")
    if info.file_size > MAX_MEMBER_BYTES:
        raise DataError(
            f"{text} unpacks to {info.file_size} bytes, expected at most {MAX_MEMBER_BYTES}"
        )
    if info.file_size > _MAX_RATIO * info.compress_size + 4096:
        raise DataError(
            f"{text} unpacks from {info.compress_size} to {info.file_size} bytes, more than "
            "texts of numbers do"
        )


def _unpack(member: Member, stack: contextlib.ExitStack) -> BinaryIO:
    """Copy a member to a temporary file, which is seekable."""
    with member.reading() as stream:
        file = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  the stack closes it
        shutil.copyfileobj(stream, file, 1 << 20)
    return cast(BinaryIO, file)
