"""Train files as arrays, kept so that each is parsed once.

An entry is one file, `train_FD001-<key>.rows`: a seal, then engine, cycle and values of every
row as they stand in a `Fleet`, eight bytes a number, lowest byte first. The key names the text
file by its digest, this format and the version of the package; the seal is a SHA-256 of the key
and of all numbers, so that what is damaged, cut or under another entry's name is not used.
Entries come from train files alone: test and RUL files are read anew each time.
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
from cmapss_rul.display.text import printable
from cmapss_rul.system.errors import DataError
from cmapss_rul.system.files import sweep, whole_file
from cmapss_rul.system.locks import in_turn
from cmapss_rul.version import __version__

FORMAT = 1
"""To be raised whenever the reader or the layout of an entry changes what is read."""

_OWN_FOLDERS = (Path("data/raw"), Path("data/simulated"))
_NUMBERS_A_ROW = 2 + len(COLUMNS)
_SEAL_BYTES = hashlib.sha256().digest_size


def cache_folder(path: Path) -> Path:
    """Where the entry of a train file stands: in a folder of its own near the file.

    >>> print(cache_folder(Path("data/raw/train_FD001.txt")))
    data/cache
    >>> print(cache_folder(Path("/mnt/fleets/train_FD001.txt")))
    /mnt/fleets/cache
    """
    folder = path.parent
    own = any(folder.parts[-2:] == known.parts for known in _OWN_FOLDERS)
    return (folder.parent if own else folder) / "cache"


def cache_entry(path: Path, sha256: str) -> Path:
    """The entry of a train file.

    Args:
        path: of the train file.
        sha256: of its bytes.
    """
    key = hashlib.sha256(f"{FORMAT} {__version__} {sha256}".encode()).hexdigest()
    return cache_folder(path) / f"{path.stem}-{key[:32]}.rows"


def read_cached_train(path: Path, sha256: str) -> Fleet:
    """Read a train file, from its entry where there is a whole one; else make the entry.

    Where the folder cannot be written there is no entry, and nothing else changes. Of two
    processes that would make one, the second waits and uses what the first made.

    Args:
        path: of the train file.
        sha256: of its bytes.

    Raises:
        DataError: the file cannot be read, is not as it should be, or was changed meanwhile.
    """
    entry = cache_entry(path, sha256)
    fleet = _load(entry)
    if fleet is not None:
        return fleet
    with ExitStack() as stack:
        try:
            stack.enter_context(in_turn(entry.parent))
        except DataError:
            return _parse(path, sha256)
        fleet = _load(entry)  # whoever had the turn before may have made it
        if fleet is None:
            fleet = _make(path, sha256, entry)
    return fleet


def _make(path: Path, sha256: str, entry: Path) -> Fleet:
    if entry.exists():
        logging.getLogger(__name__).warning(
            "%s is damaged or unfinished, and is made again", printable(entry)
        )
    fleet = _parse(path, sha256)
    with suppress(OSError):  # a full disk: the next call tries again
        sweep(entry.parent)
        _store(entry, fleet)
    return fleet


def _parse(path: Path, sha256: str) -> Fleet:
    with open_text(path) as file:
        stream = _Digested(file)
        fleet = parse_fleet(stream, printable(path))
    if stream.sha256 != sha256:
        raise DataError(
            f"{printable(path)}: found other bytes than a moment ago, expected a file that stays "
            "as it is; run the command again when nothing writes into it"
        )
    return fleet


class _Digested:
    """A stream that is digested while it is read."""

    def __init__(self, stream: Readable) -> None:
        self._stream, self._digest = stream, hashlib.sha256()

    def read(self, size: int) -> bytes:
        """Read on."""
        piece = self._stream.read(size)
        self._digest.update(piece)
        return piece

    @property
    def sha256(self) -> str:
        """Of all that was read."""
        return self._digest.hexdigest()


def _store(entry: Path, fleet: Fleet) -> None:
    parts = [
        np.ascontiguousarray(fleet.engine, "<i8").data,
        np.ascontiguousarray(fleet.cycle, "<i8").data,
        np.ascontiguousarray(fleet.values, "<f8").data,
    ]
    seal = hashlib.sha256(entry.name.encode())
    for part in parts:
        seal.update(part)
    with whole_file(entry) as file:
        file.write(seal.digest())
        for part in parts:
            file.write(part)


def _load(entry: Path) -> Fleet | None:
    """The fleet of an entry; None where there is none, or it is not as it was written.

    The numbers stay in the file's own pages, which cost far less than fresh ones, until someone
    writes into them. Entries are replaced and never written into, so they stay as they were read.
    """
    try:
        with entry.open("rb") as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except (OSError, ValueError):  # the latter where it is empty
        return None
    rows, rest = divmod(len(content) - _SEAL_BYTES, 8 * _NUMBERS_A_ROW)
    if rows < 1 or rest:
        return None
    seal, numbers = content[:_SEAL_BYTES], np.frombuffer(content, "<i8", offset=_SEAL_BYTES)
    found = hashlib.sha256(entry.name.encode())
    found.update(numbers.data)
    if found.digest() != seal:
        return None
    engine, cycle, values = np.split(numbers, [rows, 2 * rows])
    return Fleet.from_rows(engine, cycle, values.view("<f8").reshape(rows, len(COLUMNS)))
