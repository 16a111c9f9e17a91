"""Verification of data files: their digests, their provenance, and the strict reader."""

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from cmapss_rul.data.archive import Member
from cmapss_rul.data.columns import subset_of
from cmapss_rul.data.lines import PARQUET, blocks
from cmapss_rul.data.reader import parse_fleet, parse_rul
from cmapss_rul.display.text import one_line, printable
from cmapss_rul.system.errors import DataError

DIGESTS: dict[str, str] = {
    "train_FD001.txt": "963b5e22825b34d8b21c69e1aeb4af3e647050eb672ee8834ba4b5d91d2de0f8",
    "train_FD002.txt": "dac6c4dbc4e7c1bdeb5747da3d313d05c395bb99801b44a002b26a2ba13d788f",
    "train_FD003.txt": "2abbe9968cc5e8eb091980f51b20f62bb4127336d3482cb52071d53bf23329e2",
    "train_FD004.txt": "27ef6160b6a1dcb2613a88de9c239f763b223f02cdc41dc5cdedc5dc189b6218",
    "test_FD001.txt": "3cda7109ce17bafb5443f2ac926cfcf88154b941b8c4cf95eb55d1ddd6f52851",
    "test_FD002.txt": "de7b5bf7e998a985c378488480528b7c02cff1406a46740def362dda8d9b4e02",
    "test_FD003.txt": "299babd63c8d987cef079c4a425429f33b3a34797d803bbe2ad48c29dbd0d790",
    "test_FD004.txt": "1dc675fff0624bac10786927c6715b37d1297657137400d2b1a3138d777a3ba5",
    "RUL_FD001.txt": "a19c8ec94931949d0485bdc35118206e9c81c4547b422efb9cf86f4ceddbceca",
    "RUL_FD002.txt": "c851dd96a6ea6998d3c4a8f834d3c8013aa90e93a6ed950dc826ad0655b2906b",
    "RUL_FD003.txt": "df1e0566306b174a2de41c67a3e7a51877889598b78643fc3e5685259091b7cb",
    "RUL_FD004.txt": "196b836b85a95ac7fdbbf29c5fdf1657382eafa445644d114ffaaf50dc2975e1",
}
"""SHA-256 of each file as NASA serves it."""

CANONICAL_DIGESTS: dict[str, str] = {
    "train_FD001.txt": "6d4b04c7a84f7f6d6c9c0153340f634f2ee4e4466fff337603ea7d74bcfcdbe1",
    "train_FD002.txt": "454ea17e10450f43a92b03f570e290fd5d68bc9d34dbaf1af697fcfc8a375632",
    "train_FD003.txt": "ddc59b42c919f8a36883ff01c40555e841d66cf7a705e70d1db5d1e11e57688a",
    "train_FD004.txt": "e81c9e26213623a7f0173d6632028cbe665e67cb8ea757fbba2b9154479fc118",
    "test_FD001.txt": "818b11b2b35d9be951a290ae0d816f91e0084f71d37172c0d18b7f8be137490c",
    "test_FD002.txt": "9bd0ed47395feed3ea88b50b49d09ef630da2ee4e6ecd05f486ccb2d2e6bf705",
    "test_FD003.txt": "0f706b9e02f1ce6f225368ef9fca14000a93130ad7bd978f6a8939a6bcaa7d72",
    "test_FD004.txt": "e5babedfd7fe17562287eeb68f0a8fc622108a2a1bc3ff764283784afae32775",
    "RUL_FD001.txt": "ac81721ae8df4627c06b5f83e8ac02bf94a602713340bdf5cf02275054259733",
    "RUL_FD002.txt": "ebdc950de148a64540b81ea48586216f9689e2c04cb26b4d03eb0ef1e43f66c9",
    "RUL_FD003.txt": "8195a4a89cba1e19d5756783418cc675ea0096279ed019acc30b8ff33d84f2a8",
    "RUL_FD004.txt": "022b993ebf38bd6ac91c2a610af94eea9e69a6d91c8fea2e5fe11707b5e0c7b3",
}
"""SHA-256 of each file's canonical form: LF, lines stripped on the right, one LF at the end."""

_USUAL = b"0123456789+-.eE \n"


@dataclass(frozen=True)
class Provenance:
    """What a file is.

    Attributes:
        name: the file's name, `train_FD001.txt` say.
        sha256: digest of its bytes.
        canonical_sha256: digest of its canonical form, which other line endings and trailing
            spaces leave as it is.
        official: it is NASA's file of that name.
        simulated: `rul simulate` made it: the manifest beside it lists its digest.
    """

    name: str
    sha256: str
    canonical_sha256: str
    official: bool
    simulated: bool

    @property
    def mark(self) -> str:
        """How figures made from the file are marked."""
        if self.official:
            return "official files"
        return "simulated" if self.simulated else "not the official files"


def provenance(path: Path) -> Provenance:
    """Digest a file and say what it is; no other file is opened but the manifest beside it.

    Raises:
        DataError: the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            binary = stream.read(len(PARQUET)) == PARQUET
            stream.seek(0)
            if binary:  # it has no lines, and no other form
                sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
                return Provenance(path.name, sha256, sha256, official=False, simulated=False)
            found = _as_served(stream, path.name) or digest(stream, path.name)
    except OSError as error:
        reason = one_line(error.strerror or error)
        raise DataError(f"{printable(path)}: cannot be read: {reason}") from error
    simulated = found.sha256 == manifest_digests(path.parent, path.name).get(path.name)
    return Provenance(found.name, found.sha256, found.canonical_sha256, found.official, simulated)


def _as_served(stream: BinaryIO, name: str) -> Provenance | None:
    """Recognise NASA's very bytes, whose canonical form is known; else rewind and return None."""
    sha256 = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    if sha256 == DIGESTS.get(name):
        return Provenance(name, sha256, CANONICAL_DIGESTS[name], official=True, simulated=False)
    stream.seek(0)
    return None


def digest(stream: BinaryIO, name: str) -> Provenance:
    """Digest an open file; its manifest, if any, is not looked for."""
    plain, canonical = hashlib.sha256(), hashlib.sha256()
    line_ends = 0  # held back until more text follows, so that blank lines at the end fall away
    for block in blocks(stream, printable(name)):
        plain.update(block)
        text = _stripped(block)
        body = text.rstrip(b"\n")
        if body:
            canonical.update(b"\n" * line_ends + body)
            line_ends = 0
        line_ends += len(text) - len(body) + 1
    if line_ends:
        canonical.update(b"\n")
    canonical_sha256 = canonical.hexdigest()
    official = CANONICAL_DIGESTS.get(name) == canonical_sha256
    return Provenance(name, plain.hexdigest(), canonical_sha256, official, simulated=False)


def _stripped(block: bytes) -> bytes:
    """The lines of a block, stripped on the right, with LF between them."""
    if not block.translate(None, _USUAL):  # no white space but spaces and LF
        lean = block.replace(b"  \n", b"\n").replace(b" \n", b"\n")  # NASA's ends first
        if b" \n" not in lean:
            return lean[:-1] if lean.endswith(b"\n") else lean.rstrip(b" ")
    return b"\n".join([line.rstrip() for line in block.splitlines()])


def manifest_path(directory: Path, subset: str) -> Path:
    """Where the manifest of a simulated subset stands."""
    return directory / f"manifest_{subset}.json"


def manifest_digests(directory: Path, name: str) -> dict[str, str]:
    """Digests that the manifest of a file's subset lists; empty without a valid manifest."""
    subset = subset_of(name)
    try:
        manifest = json.loads(manifest_path(directory, subset).read_bytes())
        files = manifest["files"]
        return {str(key): str(value) for key, value in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def path_exists(path: Path) -> bool:
    """Whether something has that name.

    Raises:
        DataError: the system cannot tell: no permission, or a name that is too long.
    """
    try:
        return path.exists()
    except OSError as error:
        reason = one_line(error.strerror or error)
        raise DataError(f"{printable(path)}: cannot be looked for: {reason}") from error


@dataclass
class FolderCheck:
    """The needed files as they lie in the data folder.

    Attributes:
        good: by name.
        refused: what is wrong with each of the others.
    """

    good: dict[str, Provenance] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def verify_source(
    members: dict[str, Member],
    names: Sequence[str],
    directory: Path,
    where: str,
    *,
    official: bool,
) -> tuple[Provenance, ...]:
    """Examine every needed file of a source before any is written.

    Args:
        members: what the source holds, by name.
        names: of the files needed.
        directory: the data folder, whose test files the RUL files must fit.
        where: the source in error texts.
        official: take official files alone.

    Returns:
        What each file is, in the order of the names.

    Raises:
        DataError: a file is missing, is not official, or is not as it should be.
    """
    if missing := [name for name in names if name not in members]:
        raise DataError(f"{where}: holds no {', '.join(missing)}")
    found = []
    engines: dict[str, int | None] = {}
    for name in sorted(names, key=_test_before_rul):
        member = members[name]
        with member.opened() as stream:
            origin = digest(stream, name)
        if official and not origin.official:
            raise DataError(
                f"{member.where}: is not the official file (sha256 {origin.sha256}, "
                f"expected {DIGESTS[name]})"
            )
        _read(member, directory, engines)
        found.append(origin)
    return tuple(sorted(found, key=lambda origin: names.index(origin.name)))


def verify_folder(names: Sequence[str], directory: Path) -> FolderCheck:
    """Examine those of the needed files that lie in the data folder."""
    standing = FolderCheck()
    engines: dict[str, int | None] = {}
    for name in sorted(names, key=_test_before_rul):
        path = directory / name
        if not path_exists(path):
            continue
        try:
            if not path.is_file():
                raise DataError(f"{printable(path)}: found no regular file, expected a text file")
            _read(Member.at(path, printable(path)), directory, engines)
            standing.good[name] = provenance(path)
        except DataError as error:
            standing.refused.append(str(error))
    return standing


def _test_before_rul(name: str) -> bool:
    return name.startswith("RUL")


def _read(member: Member, directory: Path, engines: dict[str, int | None]) -> None:
    """Put one file through the strict reader; RUL files must fit their test file."""
    subset = subset_of(member.name)
    if member.name.startswith("RUL"):
        if subset not in engines:
            engines[subset] = _engines_in_place(directory / f"test_{subset}.txt")
        with member.opened() as stream:
            parse_rul(stream, member.where, engines[subset])
        return
    with member.opened() as stream:
        fleet = parse_fleet(stream, member.where)
    if member.name.startswith("test"):
        engines[subset] = len(fleet.starts)


def _engines_in_place(path: Path) -> int | None:
    """Count the engines of a test file that lies in the data folder already, if it is good."""
    with contextlib.suppress(DataError, OSError), path.open("rb") as stream:
        return len(parse_fleet(stream, str(path)).starts)
    return None
