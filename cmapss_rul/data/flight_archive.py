"""Download of a single N-CMAPSS file from NASA's archive, without storing the archive.

The archive is a zip of 15.8 GB with a nested `data_set.zip`, which holds the ten files; both are
compressed, so that a file can only be reached by reading from the start, and reading stops after
it. NASA publishes no digests: the first digest seen is recorded beside the file.
"""

import contextlib
import hashlib
import os
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from cmapss_rul.data.columns import FlightSetName
from cmapss_rul.data.flight_file import open_flight_file
from cmapss_rul.data.ncmapss import ARCHIVE, FILES
from cmapss_rul.data.sources import SCHEME, VARIABLE, displayed_url
from cmapss_rul.system.errors import DataError, one_line
from cmapss_rul.system.files import atomic_file, remove_partial_files, write_atomic
from cmapss_rul.system.locks import wait_for_folder

_BLOCK = 1 << 20
_INSTALL = "N-CMAPSS needs h5py and stream-unzip: pip install 'cmapss_rul[ncmapss]'"


@dataclass(frozen=True)
class FetchedFile:
    """A file of N-CMAPSS in the data folder.

    Attributes:
        sha256: digest of its bytes; empty if the file existed before.
        source: source of the file; None if the file existed before.
    """

    path: Path
    sha256: str = ""
    source: str | None = None


def fetch_flight_file(
    subset: FlightSetName, directory: Path, source: str | None = None, *, force: bool = False
) -> FetchedFile:
    """Fetch a file of N-CMAPSS into the data folder, unless a valid one is there.

    Args:
        subset: name of the set.
        directory: the data folder; created if missing.
        source: the file itself, a folder with it, the archive, or a URL of the archive; None for
            `RUL_DATA_SOURCE` or NASA's archive.
        force: also replace an existing file.

    Raises:
        DataError: the source has no such file, or the file is damaged or differs from the recorded
            digest; nothing was written.
    """
    path = directory / FILES[subset].file
    with wait_for_folder(directory):
        if path.exists() and not force:
            _check(path)
            return FetchedFile(path)
        address = source or os.environ.get(VARIABLE) or ARCHIVE
        label = displayed_url(address)
        remove_partial_files(directory)
        digest = hashlib.sha256()
        with atomic_file(path) as target:
            with contextlib.closing(_pieces(address, path.name)) as pieces:
                for piece in pieces:
                    digest.update(piece)
                    target.write(piece)
            target.flush()
            _check(Path(target.name), path.name, label)
            _compare_digest(path, digest.hexdigest(), label)
    return FetchedFile(path, digest.hexdigest(), label)


def digest_path(path: Path) -> Path:
    """Path of the recorded digest, in the format of sha256sum."""
    return path.with_name(f"{path.name}.sha256")


def _compare_digest(path: Path, digest: str, label: str) -> None:
    """Compare the digest of a file with the recorded one; record it if there is none."""
    note = digest_path(path)
    try:
        first = note.read_text(encoding="utf-8").split()[0]
    except (OSError, ValueError, IndexError):
        write_atomic(note, f"{digest}  {path.name}\n")
        return
    if first != digest:
        raise DataError(
            f"{label}: {path.name} has SHA-256 {digest[:16]}…, but the first one seen here was "
            f"{first[:16]}… ({note}); delete that record if the new file is the right one"
        )


def _check(path: Path, name: str | None = None, label: str | None = None) -> None:
    """Refuse a file that is truncated or has another layout."""
    try:
        for part in ("dev", "test"):
            with open_flight_file(path, part, virtual=False, labels=True):
                pass
    except DataError as error:
        if label is None:
            raise DataError(f"{error}; --force replaces it") from error
        raise DataError(f"{label}, {name}: {str(error).removeprefix(f'{path}: ')}") from error


def _pieces(address: str, name: str) -> Generator[bytes, None, None]:
    """Yield the bytes of the file from a URL, a folder, an archive or the file itself."""
    label = displayed_url(address)
    if SCHEME.match(address):
        from cmapss_rul.data.download import stream

        yield from _unzip(stream(address), name, label)
        return
    path = Path(address).expanduser()
    if path.is_dir():
        found = sorted(path.rglob(name)) or sorted(path.glob("*.zip"))
        if not found:
            raise DataError(f"{label}: has neither {name} nor an archive")
        path = found[0]
    try:
        with path.open("rb") as file:
            blocks = iter(lambda: file.read(_BLOCK), b"")
            yield from blocks if path.name == name else _unzip(blocks, name, label)
    except OSError as error:
        raise DataError(f"{label}: cannot be read: {error.strerror or error}") from error


def _unzip(blocks: Iterable[bytes], name: str, label: str) -> Iterator[bytes]:
    try:
        from stream_unzip import UnzipError, stream_unzip
    except ImportError as error:
        raise DataError(f"{label}: {_INSTALL}") from error

    def member(blocks: Iterable[bytes], depth: int) -> Iterator[bytes] | None:
        for found, _, pieces in stream_unzip(blocks, chunk_size=_BLOCK):
            last = PurePosixPath(found.decode(errors="replace")).name
            if last == name:
                return pieces
            if last.endswith(".zip") and depth == 0:
                inner = member(pieces, 1)
                if inner is not None:
                    return inner
            for _ in pieces:  # earlier members must be read to reach the next
                pass
        return None

    try:
        pieces = member(blocks, 0)
        if pieces is None:
            raise DataError(f"{label}: the archive has no {name}")
        yield from pieces
    except UnzipError as error:
        reason = one_line(error) or type(error).__name__
        raise DataError(f"{label}: is no zip archive, or is damaged ({reason})") from error
