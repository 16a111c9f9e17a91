"""Verification of data files: digests, provenance, and validation by the strict reader."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO

from cmapss_rul.data.archive import Member
from cmapss_rul.data.columns import subset_of
from cmapss_rul.data.lines import PARQUET_MAGIC, Readable, line_blocks
from cmapss_rul.data.reader import parse_fleet, parse_rul
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
"""SHA-256 of each file as served by NASA."""

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

_REGULAR_BYTES = b"0123456789+-.eE \n"


@dataclass(frozen=True)
class Provenance:
    """Identity and origin of a file.

    Attributes:
        name: the file's name, for example `train_FD001.txt`.
        canonical_sha256: digest of its canonical form, which does not depend on line endings and
            trailing spaces.
        official: whether it is NASA's file of that name.
        simulated: whether `rul simulate` wrote it: its digest is in the manifest beside it.
    """

    name: str
    sha256: str
    canonical_sha256: str
    official: bool
    simulated: bool

    @classmethod
    def from_digests(cls, name: str, sha256: str, canonical_sha256: str) -> "Provenance":
        """Return the provenance implied by the digests alone, without a manifest."""
        official = CANONICAL_DIGESTS.get(name) == canonical_sha256
        return cls(name, sha256, canonical_sha256, official, simulated=False)

    @property
    def mark(self) -> str:
        """Mark of results computed from the file."""
        if self.official:
            return "official files"
        return "simulated" if self.simulated else "not the official files"


def provenance(path: Path, sha256: str = "") -> Provenance:
    """Hash a file and determine its origin, from the digest and the manifest beside it.

    With a known digest, an official file is not read again.

    Raises:
        DataError: the file cannot be read.
    """
    if sha256 and sha256 == DIGESTS.get(path.name):
        digests = sha256, CANONICAL_DIGESTS[path.name]
    else:
        try:
            with path.open("rb") as file:
                digests = _hash_file(file, path.name)
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    found = Provenance.from_digests(path.name, *digests)
    listed = manifest_digests(path.parent, path.name).get(path.name)
    return replace(found, simulated=found.sha256 == listed)


def _hash_file(file: BinaryIO, name: str) -> tuple[str, str]:
    """Return the SHA-256 of the bytes and of the canonical form."""
    is_binary = file.read(4).startswith((PARQUET_MAGIC, b"PK\x03\x04", b"\x1f\x8b"))
    file.seek(0)
    sha256 = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    if is_binary:  # no lines, so no canonical form
        return sha256, sha256
    if sha256 == DIGESTS.get(name):  # the usual case, without processing the lines
        return sha256, CANONICAL_DIGESTS[name]
    file.seek(0)
    return sha256, _canonical_sha256(line_blocks(file, name))


def digest_stream(stream: Readable, name: str) -> Provenance:
    """Hash a stream that can be read once; ignores manifests."""
    plain = hashlib.sha256()

    def hashed_blocks() -> Iterator[bytes]:
        for block in line_blocks(stream, name):
            plain.update(block)
            yield block

    canonical = _canonical_sha256(hashed_blocks())
    return Provenance.from_digests(name, plain.hexdigest(), canonical)


def _canonical_sha256(blocks: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    line_ends = 0  # pending until more text follows, so that trailing blank lines do not count
    for block in blocks:
        text = _strip_lines(block)
        body = text.rstrip(b"\n")
        if body:
            digest.update(b"\n" * line_ends + body)
            line_ends = 0
        line_ends += len(text) - len(body) + 1
    if line_ends:
        digest.update(b"\n")
    return digest.hexdigest()


def _strip_lines(block: bytes) -> bytes:
    """Return the lines of a block, right-stripped and joined with LF."""
    if not block.translate(None, _REGULAR_BYTES):  # no white space other than spaces and LF
        text = block.replace(b"  \n", b"\n").replace(b" \n", b"\n")  # NASA's line endings
        if b" \n" not in text:
            return text[:-1] if text.endswith(b"\n") else text.rstrip(b" ")
    return b"\n".join([line.rstrip() for line in block.splitlines()])


def manifest_path(directory: Path, subset: str) -> Path:
    """Path of the manifest of a simulated subset."""
    return directory / f"manifest_{subset}.json"


def manifest_digests(directory: Path, name: str) -> dict[str, str]:
    """Return the digests in the manifest of a file's subset; empty without a valid manifest."""
    try:
        manifest = json.loads(manifest_path(directory, subset_of(name)).read_bytes())
        return {str(key): str(value) for key, value in manifest["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}  # RecursionError: deeply nested JSON


def path_exists(path: Path) -> bool:
    """Whether a path exists.

    Raises:
        DataError: this cannot be determined: no permission, or too long a name.
    """
    try:
        return path.exists()
    except OSError as error:
        raise DataError(f"{path}: cannot be accessed: {error.strerror or error}") from error


@dataclass
class FolderCheck:
    """Result of verifying the required files of a data folder.

    Attributes:
        valid: provenance of the valid files, by name.
        rejected: errors of the invalid files.
    """

    valid: dict[str, Provenance] = field(default_factory=dict)
    rejected: list[str] = field(default_factory=list)


def verify_source(
    members: dict[str, Member], names: Sequence[str], directory: Path, label: str, *, official: bool
) -> tuple[Provenance, ...]:
    """Verify all required files of a source, before any is written.

    RUL files must match the test files of the source, or else those in the data folder
    `directory`. `label` names the source in error messages.

    Returns:
        Provenance of each file, in the order of the names.

    Raises:
        DataError: a file is missing, is not official, or is invalid.
    """
    if missing := [name for name in names if name not in members]:
        raise DataError(f"{label}: has no {', '.join(missing)}")
    found: dict[str, Provenance] = {}
    engines: dict[str, int | None] = {}
    for name in sorted(names, key=_rul_last):
        member = members[name]
        with member.reading() as stream:
            found[name] = digest_stream(stream, name)
        if official and not found[name].official:
            raise DataError(
                f"{member.label}: is not the official file (sha256 {found[name].sha256}, "
                f"expected {DIGESTS[name]})"
            )
        _parse_strictly(member, directory, engines)
    return tuple(found[name] for name in names)


def verify_folder(names: Sequence[str], directory: Path) -> FolderCheck:
    """Verify the required files that exist in the data folder."""
    check = FolderCheck()
    engines: dict[str, int | None] = {}
    for name in sorted(names, key=_rul_last):
        path = directory / name
        if not path_exists(path):
            continue
        try:
            if not path.is_file():
                raise DataError(f"{path}: found no regular file, expected a text file")
            _parse_strictly(Member.from_path(path, str(path)), directory, engines)
            check.valid[name] = provenance(path)
        except DataError as error:
            check.rejected.append(str(error))
    return check


def _rul_last(name: str) -> bool:
    """Sort key: RUL files come after the test files that they are checked against."""
    return name.startswith("RUL")


def _parse_strictly(member: Member, directory: Path, engines: dict[str, int | None]) -> None:
    """Parse a file with the strict reader; a RUL file must match its test file.

    `engines` maps subsets to the number of engines in their test file, and is updated here.
    """
    subset = subset_of(member.name)
    if member.name.startswith("RUL"):
        if subset not in engines:  # without a test file in the source, use that of the data folder
            engines[subset] = _count_test_engines(directory / f"test_{subset}.txt")
        with member.reading() as stream:
            parse_rul(stream, member.label, engines[subset])
        return
    with member.reading() as stream:
        fleet = parse_fleet(stream, member.label)
    if member.name.startswith("test"):
        engines[subset] = len(fleet.starts)


def _count_test_engines(path: Path) -> int | None:
    """Return the number of engines in a test file; None without a valid file."""
    with contextlib.suppress(DataError, OSError), path.open("rb") as stream:
        return len(parse_fleet(stream, str(path)).starts)
    return None
