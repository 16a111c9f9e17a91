"""Campaign: any bytes as an archive of C-MAPSS files.

Inputs are archives, often with wrong headers. Accepted members are compared with a second, simple
walk through the archive's directory: the same bytes, of the stated number and checksum, under a
name without a path that leads elsewhere.
"""

import contextlib
import io
import re
import struct
import sys
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from random import Random

from cmapss_rul.data.archive import open_archive
from cmapss_rul.system.errors import DataError
from tests.data._texts import small_set, zipped
from tests.torture import fuzzing
from tests.torture.counts import Counts
from tests.torture.fuzzing import Defect, Target, require_one_line
from tests.torture.havoc import havoc

NAMES = ("train_FD001.txt", "test_FD001.txt", "RUL_FD001.txt")
_FILES = small_set()
_ENTRY = struct.Struct("<4s6H3I5H2I")


@dataclass(frozen=True)
class _Entry:
    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    place: int


def check(data: bytes) -> bool:
    """Open the bytes as an archive, and read each member that is found."""
    try:
        found = _read(data)
    except DataError as error:
        require_one_line(str(error))
        if not str(error).startswith("a.zip"):
            raise Defect(f"a refusal that does not name the archive first: {error}") from error
        return False
    truth = _truth(data)
    for name, content in found.items():
        if content not in truth.get(name, []):
            raise Defect(f"{name}: differs from the directory")
    return bool(found)


def _read(data: bytes) -> dict[str, bytes]:
    found = {}
    with contextlib.ExitStack() as stack:
        for name, member in open_archive(io.BytesIO(data), "a.zip", NAMES, stack).items():
            with member.reading() as stream:
                found[name] = stream.read()
    return found


def _truth(data: bytes, depth: int = 0) -> dict[str, list[bytes]]:
    """Members of all correct directory entries, in this archive and the ones inside."""
    found: dict[str, list[bytes]] = {}
    for entry in _entries(data):
        content = _content(data, entry)
        if content is None:
            continue
        found.setdefault(PurePosixPath(entry.name).name, []).append(content)
        if entry.name.lower().endswith(".zip") and depth < 2:
            for name, contents in _truth(content, depth + 1).items():
                found.setdefault(name, []).extend(contents)
    return found


def _entries(data: bytes) -> Iterator[_Entry]:
    place = -1
    while (place := data.find(b"PK\x01\x02", place + 1)) >= 0:
        with contextlib.suppress(struct.error, UnicodeDecodeError):
            values = _ENTRY.unpack_from(data, place)
            name = data[place + _ENTRY.size : place + _ENTRY.size + values[10]]
            yield _Entry(
                name.decode("utf-8" if values[3] & 0x800 else "cp437"),
                values[3],
                values[4],
                *values[7:10],
                place=values[16],
            )


def _content(data: bytes, entry: _Entry) -> bytes | None:
    """Bytes of an entry's member; None where its fields are wrong."""
    if entry.flags & 1 or entry.name.startswith("/") or ".." in entry.name.split("/"):
        return None
    # bytes may stand before the archive: places are then off by their number
    for start in _starts(data):
        packed = data[start : start + entry.packed]
        content: bytes | None = packed
        if entry.method == 8:
            unpack = zlib.decompressobj(-15)
            with contextlib.suppress(zlib.error):
                content = unpack.decompress(packed, 1 << 24)
        if (
            content is not None
            and len(content) == entry.size
            and zlib.crc32(content) == entry.crc
            and entry.method in (0, 8)
        ):
            return content
    return None


def _starts(data: bytes) -> Iterator[int]:
    place = -1
    while (place := data.find(b"PK\x03\x04", place + 1)) >= 0:
        if len(data) >= place + 30:
            name, extra = struct.unpack_from("<2H", data, place + 26)
            yield place + 30 + name + extra


def _understated() -> bytes:
    """A member whose headers state fewer bytes than it unpacks to."""
    whole = _FILES["RUL_FD001.txt"]
    data = bytearray(zipped({"RUL_FD001.txt": whole}))
    short = struct.pack("<I", zlib.crc32(whole[:5]))
    for mark, crc, size in ((b"PK\x03\x04", 14, 22), (b"PK\x01\x02", 16, 24)):
        start = data.index(mark)
        data[start + crc : start + crc + 4] = short
        data[start + size : start + size + 4] = struct.pack("<I", 5)
    return bytes(data)


_CONTENTS = (b"", b"1\n", b"x" * 900, b"112 \n98 \n69 \n" * 40, *_FILES.values())
_MEMBERS = (
    *NAMES, *NAMES, *(f"a/{name}" for name in NAMES), "readme.txt", "CMAPSSData.zip", "i.zip", "a/",
    "../RUL_FD001.txt", "/RUL_FD001.txt", "RUL_FD001.txt\0.exe", "C:RUL_FD001.txt", "\x1b[2J",
    "é", "x" * 300,
)  # fmt: skip


def make(random: Random, depth: int = 0) -> bytes:
    """An archive of some members, whose headers are then changed at random."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # duplicate names are intended
        for _ in range(random.choice((0, 1, 2, 2, 3, 5))):
            info = zipfile.ZipInfo(random.choice(_MEMBERS))
            info.compress_type = random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
            info.external_attr = random.choice((0, 0, 0, 0o100644, 0o120777, 0o020666)) << 16
            content = random.choice(_CONTENTS)
            if info.filename.endswith(".zip") and depth < 3:
                content = make(random, depth + 1)
            archive.writestr(info, content)
        archive.comment = random.choice((b"", b"", b"PK\x05\x06", bytes(30)))
    data = buffer.getvalue()
    for _ in range(random.choice((0, 0, 1, 1, 2))):
        headers = [found.start() for found in re.finditer(rb"PK[\x01\x03\x05]", data)]
        if not headers:
            break
        place = random.choice(headers)
        head = havoc(data[place : place + 46], random, (b"\1\0",), b"", in_place=True)
        data = data[:place] + head[:46] + data[place + 46 :]
    return _nameless(data) if random.random() < 0.03 else data


def _nameless(data: bytes) -> bytes:
    """Turn the name of the first entry into its comment."""
    place = data.find(b"PK\x01\x02")
    if place < 0:
        return data
    name, extra, comment = struct.unpack_from("<3H", data, place + 28)
    lengths = struct.pack("<3H", 0, extra, (name + comment) & 0xFFFF)
    return data[: place + 28] + lengths + data[place + 34 :]


_SMALL = zipped({"RUL_FD001.txt": b"1\n", "a/test_FD001.txt": b"1 1\n", "readme.txt": b""})

TARGET = Target(
    name="archive",
    check=check,
    seeds=(
        _SMALL,
        zipped(_FILES),
        zipped({"6. Set/CMAPSSData.zip": _SMALL}),
        zipped({"o.zip": zipped({"i.zip": _SMALL})}),
        b"#!/bin/sh\n" + _SMALL,
        _understated(),
        b"PK\x05\x06" + bytes(18),
        b"",
    ),
    words=(
        b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07", b"PK\x07\x08",
        b"../", b"/", b"\\", b"C:", b"\0", b"\x1b[31m", b"RUL_FD001.txt", b"CMAPSSData.zip",
        b".zip",
        b"\x01\0\x10\0", b"\x75\x70", b"\xff\xff", b"\xff\xff\xff\xff", b"\0\x08", b"\x41",
        b"\x63\0",
    ),
    modules=("cmapss_rul.data.archive", "cmapss_rul.data.lines", "cmapss_rul.display", "zipfile"),
    in_place=True,
    make=make,
)  # fmt: skip


def run(rounds: int, seed: int, engine: str = "auto") -> Counts:
    """Run the campaign."""
    return fuzzing.run(TARGET, rounds, seed, engine)


if __name__ == "__main__":
    sys.exit(fuzzing.main(TARGET))
