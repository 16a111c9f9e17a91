"""Malicious archives passed to `fetch`: refused by name, nothing written."""

import contextlib
import io
import stat
import struct
import tempfile
import tracemalloc
import warnings
import zipfile
import zlib
from pathlib import Path

import pytest

from cmapss_rul.data.archive import MAX_DIRECTORY_BYTES, open_archive
from cmapss_rul.data.columns import file_name, file_names
from cmapss_rul.data.sources import fetch
from cmapss_rul.system.errors import DataError
from tests.data._texts import small_set, zipped

NAMES = file_names(["FD001"])
FILES = small_set()
RUL = file_name("RUL", "FD001")
_FIELDS = {  # offsets in the local header and in the directory entry
    "flags": (6, 8, "<H"),
    "crc": (14, 16, "<I"),
    "packed": (18, 20, "<I"),
    "size": (22, 24, "<I"),
    "name length": (26, 28, "<H"),
    "listed name length": (None, 28, "<H"),
    "mode": (None, 38, "<I"),
    "place": (None, 42, "<I"),
}


def entry(name: str, mode: int = 0, content: bytes = b"x") -> bytes:
    """The valid files and one member with a malicious name."""
    buffer = io.BytesIO(zipped(FILES))
    info = zipfile.ZipInfo(name)
    info.filename = name  # bypasses the sanitising of names by zipfile
    info.external_attr = mode << 16
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(info, content)
    return buffer.getvalue()


def twice(name: str) -> bytes:
    buffer = io.BytesIO(zipped(FILES))
    with zipfile.ZipFile(buffer, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the duplicate is intended
        archive.writestr(name, b"1\n")
        archive.writestr(name, b"2\n")
    return buffer.getvalue()


def forged(local: dict[str, int], directory: dict[str, int], content: bytes = b"112\n") -> bytes:
    """The valid files, with header fields of the RUL file overwritten."""
    data = bytearray(zipped({**FILES, RUL: content}))
    for mark, at, values in ((b"PK\x03\x04", 0, local), (b"PK\x01\x02", 1, directory)):
        start = data.rindex(mark)
        for field, value in values.items():
            offset, form = _FIELDS[field][at], _FIELDS[field][2]
            struct.pack_into(form, data, start + offset, value)
    return bytes(data)


def shorter() -> bytes:
    """All headers agree on five bytes and their checksum, but there are more."""
    lie = {"size": 5, "crc": zlib.crc32(FILES[RUL][:5])}
    return forged(lie, lie, FILES[RUL])


def longer() -> bytes:
    lie = {"size": 50}
    return forged(lie, lie, FILES[RUL])


def nested(depth: int) -> bytes:
    data = zipped(FILES)
    for _ in range(depth):
        data = zipped({"inner.zip": data})
    return data


def wide_bomb() -> bytes:
    """Many small archives of zeros, each member of which is within the limits."""
    inner = zipped({"train_FD001.txt": bytes(10**7)})
    return zipped({f"{i}.zip": inner for i in range(20)} | {"CMAPSSData.zip": inner})


def million(*, wide: bool) -> bytes:
    """A directory of 10**6 entries, stated in ZIP64 or wrapped around in the end record."""
    count = 10**6
    directory = (b"PK\x01\x02" + bytes(42)) * count
    size = len(directory)
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count & 0xFFFF, count & 0xFFFF, size, 0, 0)
    if not wide:
        return directory + end
    record = struct.pack(
        "<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, 0
    )  # fmt: skip
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, size, 1)
    return directory + record + locator + end


HOSTILE = {
    "absolute path": (lambda: entry("/etc/cron.d/x"), "'/etc/cron.d/x' is an absolute path"),
    "drive": (lambda: entry("C:\\x"), "is an absolute path"),
    "parent": (lambda: entry("../x"), "'../x' is a path that leads out"),
    "parent inside": (lambda: entry("a/../../../x"), "is a path that leads out"),
    "link": (lambda: entry("x", stat.S_IFLNK | 0o777, b"/etc/passwd"), "'x' is a link"),
    "character device": (lambda: entry("x", stat.S_IFCHR | 0o666), "'x' is a special file"),
    "block device": (lambda: entry("x", stat.S_IFBLK | 0o666), "'x' is a special file"),
    "socket": (lambda: entry("x", stat.S_IFSOCK | 0o666), "'x' is a special file"),
    "a needed link": (
        lambda: forged({}, {"mode": (stat.S_IFLNK | 0o777) << 16}),
        f"member '{RUL}' is a link",
    ),
    "no name": (lambda: entry(""), "member '' is without a name"),
    "control characters": (lambda: entry("\x1b[2J\n/../x"), r"'\x1b[2J\n/../x' is a path that"),
    "twice, needed": (lambda: twice(RUL), f"member '{RUL}' is a duplicate"),
    "twice, not needed": (lambda: twice("readme.txt"), "member 'readme.txt' is a duplicate"),
    "encrypted": (lambda: forged({"flags": 1}, {"flags": 1}), f"'{RUL}' is encrypted"),
    "encrypted strongly": (lambda: forged({}, {"flags": 64}), f"'{RUL}' is encrypted"),
    "encrypted inside": (
        lambda: zipped({"a.zip": forged({}, {"flags": 1})}),
        f"member 'a.zip', member '{RUL}' is encrypted",
    ),
    "ratio": (lambda: zipped({**FILES, RUL: b"1\n" * 10**7}), "more than texts of numbers do"),
    "ratio inside": (lambda: zipped({"a.zip": zipped({RUL: bytes(10**7)})}), "more than texts"),
    "bombs in a row": (wide_bomb, "unpacks from"),
    "nested twice": (lambda: nested(2), "is an archive nested deeper than NASA's"),
    "nested often": (lambda: nested(40), "is an archive nested deeper than NASA's"),
    "says it is shorter": (shorter, f"'{RUL}': cannot be read: Bad CRC-32"),
    "says it is longer": (longer, f"'{RUL}': cannot be read: it is not as long as the archive"),
    "says it is huge": (lambda: forged({}, {"size": 2**32 - 2}), "expected at most"),
    "wrong checksum": (lambda: forged({"crc": 7}, {"crc": 7}), "Bad CRC-32"),
    "another name inside": (lambda: forged({"name length": 3}, {}), "cannot be read: File name"),
    "another's place": (lambda: forged({}, {"place": 0}), "cannot be read: File name in directory"),
    "a name beyond the list": (
        lambda: forged({}, {"listed name length": len(RUL) + 2}),
        "its list of members does not end where it should",
    ),
    "a place beyond the end": (lambda: forged({}, {"place": 10**9}), "cannot be read"),
    "10**6 entries": (lambda: million(wide=False), "lists too many members"),
    "10**6 entries, ZIP64": (lambda: million(wide=True), "is a ZIP64 archive"),
}


def tree(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*")
    }


@pytest.mark.parametrize("kind", HOSTILE)
def test_refused_by_name_and_nothing_is_written(kind, tmp_path, monkeypatch):
    make, message = HOSTILE[kind]
    target = tmp_path / "a" / "b" / "data"
    target.mkdir(parents=True)
    (target / "notes.txt").write_text("mine")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    source = tmp_path / "source.zip"
    source.write_bytes(make())
    before = tree(tmp_path)
    with pytest.raises(DataError) as caught:
        fetch(NAMES, target, str(source), progress=False)
    assert message in str(caught.value)
    assert str(source) in str(caught.value)
    assert str(caught.value).isprintable()
    assert tree(tmp_path) == before


class Counting(io.BytesIO):
    """A file that counts the bytes read from it."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        piece = super().read(size)
        self.count += len(piece)
        return piece


@pytest.mark.parametrize("wide", [True, False])
def test_of_a_million_entries_only_the_end_of_the_file_is_read(wide):
    file = Counting(million(wide=wide))
    with pytest.raises(DataError):
        open_archive(file, "a.zip", NAMES, None)
    assert file.count < 70_000


def test_the_largest_accepted_directory_takes_little_memory():
    """As many as the limit on the directory allows."""
    count = MAX_DIRECTORY_BYTES // 50
    directory = b"".join(
        b"PK\x01\x02" + bytes(24) + b"\4\0" + bytes(16) + b"%04d" % (i % 10_000)
        for i in range(count)
    )
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, len(directory), 0, 0)
    file = Counting(directory + end)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="is a duplicate"):
            open_archive(file, "a.zip", NAMES, contextlib.ExitStack())
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()


def test_a_bomb_is_refused_before_unpacking():
    data = zipped({"a.zip": zipped({"CMAPSSData.zip": b""}), RUL: bytes(5 * 10**7)})
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="more than texts of numbers do"):
            open_archive(io.BytesIO(data), "a.zip", NAMES, contextlib.ExitStack())
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
