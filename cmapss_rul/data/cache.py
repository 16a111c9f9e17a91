"""Binary cache of training files, so that each text is parsed only once.

An entry is one file, `train_FD001-<key>.rows`: a digest, then engine, cycle and values of every
row as in a `Fleet`, eight bytes per number, little-endian. The key is a hash of the text file's
digest, of this format and of the version of the package. The digest is a SHA-256 of the entry's
name and of all numbers: an entry that is damaged, truncated or renamed is not used.

Only training files are cached. Test and RUL files are parsed each time, so that no trace of them
is left where training could find it.
"""

import hashlib
import logging
import mmap
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np

from cmapss_rul.data.columns import COLUMNS
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.lines import Readable
from cmapss_rul.data.reader import open_text, parse_fleet
from cmapss_rul.data.verification import Provenance, provenance
from cmapss_rul.system.errors import DataError, printable
from cmapss_rul.system.files import atomic_file, remove_partial_files
from cmapss_rul.system.locks import wait_for_folder
from cmapss_rul.version import __version__

FORMAT = 1
"""Must be incremented whenever the reader or the layout of an entry changes."""

_DEFAULT_FOLDERS = (Path("data/raw"), Path("data/simulated"))
_DIGEST_BYTES = hashlib.sha256().digest_size


def cache_folder(path: Path) -> Path:
    """Folder of a training file's cache entry: beside the default folders, inside any other.

    >>> print(cache_folder(Path("data/raw/train_FD001.txt")))
    data/cache
    >>> print(cache_folder(Path("/mnt/fleets/train_FD001.txt")))
    /mnt/fleets/cache
    """
    folder = path.parent
    default = any(folder.parts[-2:] == known.parts for known in _DEFAULT_FOLDERS)
    return (folder.parent if default else folder) / "cache"


def cache_entry(path: Path, sha256: str) -> Path:
    """Path of the entry of a training file with this digest."""
    key = hashlib.sha256(f"{FORMAT} {__version__} {sha256}".encode()).hexdigest()
    return cache_folder(path) / f"{path.stem}-{key[:32]}.rows"


def read_cached_train(path: Path) -> tuple[Fleet, Provenance]:
    """Read a training file from its cache entry, which is created or replaced if necessary.

    A folder that cannot be written is no error; then nothing is cached. Of two processes that need
    the same entry, the second waits for the first and uses its entry.

    Returns:
        The records, and the provenance of exactly the bytes that they were parsed from.

    Raises:
        DataError: the file cannot be read, is invalid, or changes while it is read.
    """
    found = _find(path)
    if found is not None:
        return found
    with ExitStack() as stack:
        try:
            stack.enter_context(wait_for_folder(cache_folder(path)))
        except DataError:
            return _parse(path)
        found = _find(path)  # another process may have written it while this one waited
        if found is not None:
            return found
        fleet, source = _parse(path)
        entry = cache_entry(path, source.sha256)
        if entry.exists():
            logging.getLogger(__name__).warning(
                "%s is damaged or incomplete, and is created again", printable(entry)
            )
        with suppress(OSError):  # a full disk: the next call tries again
            remove_partial_files(entry.parent)
            store_fleet(entry, fleet)
    return fleet, source


def _find(path: Path) -> tuple[Fleet, Provenance] | None:
    """Load the entry of a training file; None without a valid one."""
    # without any entry of that name, do not hash the file here: `_parse` hashes while reading
    if not any(cache_folder(path).glob(f"{path.stem}-*.rows")):
        return None
    source = provenance(path)
    fleet = load_fleet(cache_entry(path, source.sha256))
    return None if fleet is None else (fleet, source)


class _HashingStream:
    """Stream wrapper that hashes what is read."""

    def __init__(self, stream: Readable) -> None:
        self._stream, self.digest = stream, hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        piece = self._stream.read(size)
        self.digest.update(piece)
        return piece


def _parse(path: Path) -> tuple[Fleet, Provenance]:
    """Parse the text, and hash the same bytes.

    Hashing in a second pass could pair the numbers of one version with the digest of another, and
    the wrong entry would persist; a file can change without a change of its size and time.
    """
    with open_text(path) as file:
        stream = _HashingStream(file)
        fleet = parse_fleet(stream, str(path))
    sha256 = stream.digest.hexdigest()
    source = provenance(path, sha256)
    if source.sha256 != sha256:
        raise DataError(
            f"{path}: the file changed while it was read; run again when nothing writes to it"
        )
    return fleet, source


def store_fleet(entry: Path, fleet: Fleet) -> None:
    """Write the rows of a fleet as a cache entry; raises OSError."""
    columns = ((fleet.engine, "<i8"), (fleet.cycle, "<i8"), (fleet.values, "<f8"))
    parts = [np.ascontiguousarray(array, kind).data for array, kind in columns]
    digest = hashlib.sha256(entry.name.encode())
    for part in parts:
        digest.update(part)
    with atomic_file(entry) as file:
        file.write(digest.digest())
        for part in parts:
            file.write(part)


def load_fleet(entry: Path, columns: tuple[str, ...] = COLUMNS) -> Fleet | None:
    """Load the fleet of an entry; None if there is none, or if it is damaged.

    The arrays are memory-mapped (copy on write), which is far cheaper than a copy, and safe
    because entries are replaced and never modified.
    """
    try:
        with entry.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError):  # ValueError: an empty file cannot be mapped
        return None
    rows, rest = divmod(len(content) - _DIGEST_BYTES, 8 * (2 + len(columns)))
    if rows < 1 or rest:
        return None
    numbers = np.frombuffer(content, "<i8", offset=_DIGEST_BYTES)
    found = hashlib.sha256(entry.name.encode())  # rejects a renamed entry
    found.update(numbers.data)
    if found.digest() != content[:_DIGEST_BYTES]:
        return None
    engine, cycle, values = np.split(numbers, [rows, 2 * rows])
    return Fleet.from_rows(engine, cycle, values.view("<f8").reshape(rows, len(columns)), columns)
