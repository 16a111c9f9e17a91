"""Simulated run-to-failure fleets in C-MAPSS's file format, marked as simulated."""

import contextlib
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import (
    CONDITIONS,
    FAULTS,
    FILE_KINDS,
    SUBSETS,
    FileKind,
    SubsetName,
    file_name,
)
from cmapss_rul.data.degradation import DECIMALS, failure_records, truncated_records
from cmapss_rul.data.verification import manifest_path, provenance
from cmapss_rul.system.errors import DataError, UsageError
from cmapss_rul.system.files import atomic_file, remove_partial_files, write_atomic
from cmapss_rul.system.locks import wait_for_folder

MAX_ENGINES = 1_000_000
_ROW_END = b" \n"  # C-MAPSS ends a row with two spaces
_SPACE, _POINT, _MINUS, _ZERO = b" .-0"
_PADDING = 0


@dataclass(frozen=True)
class Parameters:
    """Parameters of a simulated fleet; they determine every byte of its files.

    Attributes:
        engines: number of training engines, and of test engines.
        conditions: operating conditions, 1 or 6.
        faults: fault modes, 1 or 2.
    """

    engines: int = 100
    conditions: int = 1
    faults: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        checks: dict[str, tuple[bool, str]] = {
            "engines": (1 <= self.engines <= MAX_ENGINES, f"1 to {MAX_ENGINES}"),
            "conditions": (self.conditions in (1, 6), "1 or 6"),
            "faults": (self.faults in (1, 2), "1 or 2"),
            "seed": (0 <= self.seed < 2**63, "a whole number from 0 to 2**63 - 1"),
        }
        for name, (valid, expected) in checks.items():
            if not valid:
                raise UsageError(f"{name}: found {getattr(self, name)}, expected {expected}")

    @property
    def subset(self) -> SubsetName:
        """The subset with these numbers of conditions and faults.

        >>> Parameters(conditions=6, faults=2).subset
        'FD004'
        """
        kind = (self.conditions, self.faults)
        return next(name for name in SUBSETS if (CONDITIONS[name], FAULTS[name]) == kind)


@dataclass(frozen=True)
class SimulationResult:
    """Parameters of a fleet, and the names of the written and the unchanged files."""

    parameters: Parameters
    written: tuple[str, ...]
    unchanged: tuple[str, ...]


def simulate(
    directory: Path,
    *,
    engines: int = 100,
    conditions: int = 1,
    faults: int = 1,
    seed: int = 0,
    kinds: Sequence[FileKind] = FILE_KINDS,
) -> SimulationResult:
    """Write a simulated fleet and its manifest; identical files are left unchanged.

    The folder is created if missing; only files of `kinds` are written or opened. The other
    arguments are those of `Parameters`.

    Raises:
        UsageError: a parameter is out of range.
        DataError: the folder has other files of the subset, or cannot be written.
    """
    parameters = Parameters(engines, conditions, faults, seed)
    wanted = {kind: file_name(kind, parameters.subset) for kind in kinds}
    written: tuple[str, ...] = ()
    try:
        known, missing = _inspect_folder(directory, parameters, wanted)
        if missing or known is None:
            with wait_for_folder(directory):
                # check again: another process may have written them while this one waited
                known, missing = _inspect_folder(directory, parameters, wanted)
                if missing or known is None:
                    remove_partial_files(directory)
                    _write(directory, parameters, missing, known)
                    written = tuple(missing.values())
    except OSError as error:
        raise DataError(f"{directory}: cannot be written: {error.strerror or error}") from error
    unchanged = tuple(name for name in wanted.values() if name not in written)
    return SimulationResult(parameters, written, unchanged)


def read_manifest(directory: Path, subset: SubsetName) -> dict[str, Any] | None:
    """Read the manifest of a simulated subset; None if there is none.

    Raises:
        DataError: a file of that name is not a manifest of `rul simulate`.
    """
    path = manifest_path(directory, subset)
    if not path.exists():
        return None
    try:
        manifest = json.loads(path.read_bytes())
        if manifest["simulated"] is True and manifest["files"] and manifest["parameters"]:
            return {str(key): value for key, value in manifest.items()}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        pass
    raise DataError(
        f"{path}: found no manifest of `rul simulate`; remove the {subset} files of this folder, "
        "or use another folder"
    )


def _inspect_folder(
    directory: Path, parameters: Parameters, wanted: Mapping[FileKind, str]
) -> tuple[Mapping[str, str] | None, dict[FileKind, str]]:
    """Return the digests in an existing manifest, and the missing files."""
    known = _known_digests(directory, parameters, wanted.values())
    return known, {k: name for k, name in wanted.items() if not (directory / name).exists()}


def _known_digests(
    directory: Path, parameters: Parameters, names: Iterable[str]
) -> Mapping[str, str] | None:
    """Return the digests in the manifest, after checking the existing files against them.

    None for a folder without files of the subset.
    """
    subset = parameters.subset
    # list files before reading the manifest: a writing process uses the opposite order
    paths = [directory / file_name(kind, subset) for kind in FILE_KINDS]
    existing = [path for path in paths if path.exists()]
    manifest = read_manifest(directory, subset)
    if manifest is None:
        if existing:
            raise DataError(
                f"{existing[0]}: was not made by `rul simulate` (there is no "
                f"{manifest_path(directory, subset).name} beside it); use another folder"
            )
        return None
    _check_parameters(directory, parameters, manifest["parameters"])
    digests: dict[str, str] = manifest["files"]
    for path in existing:
        if path.name in names and provenance(path).sha256 != digests.get(path.name):
            raise DataError(
                f"{path}: was altered after `rul simulate` made it; remove it, and it is made "
                "again, or use another folder"
            )
    return digests


def _check_parameters(directory: Path, wanted: Parameters, found: Any) -> None:
    found = found if isinstance(found, dict) else {}
    differences = [
        f"{name} {found.get(name)}, not {value}"
        for name, value in asdict(wanted).items()
        if found.get(name) != value
    ]
    if differences:
        raise DataError(
            f"{directory}: has a simulated {wanted.subset} made with {', '.join(differences)}; "
            "use another folder, or the same parameters"
        )


def _write(
    directory: Path,
    parameters: Parameters,
    missing: Mapping[FileKind, str],
    known: Mapping[str, str] | None,
) -> None:
    """Write the missing files; all of them take their final names at the end, or none."""
    with contextlib.ExitStack() as stack:
        streams = {
            kind: stack.enter_context(atomic_file(directory / name))
            for kind, name in missing.items()
        }
        digests = _generate(parameters, streams)
        if known is None:
            # before the files, which without a manifest would not be marked as simulated
            manifest = {
                "simulated": True,
                "note": "simulated by `rul simulate` in C-MAPSS's format; not NASA's data",
                "format_version": 1,
                "subset": parameters.subset,
                "parameters": asdict(parameters),
                "files": digests,
            }
            path = manifest_path(directory, parameters.subset)
            write_atomic(path, json.dumps(manifest, indent=2) + "\n")
        for name in missing.values():
            if known is not None and known.get(name) != digests[name]:
                raise DataError(
                    f"{directory / name}: cannot be made again as it was, because this version "
                    "of numpy or of the package draws other random numbers; remove the "
                    f"{parameters.subset} files and the manifest of this folder"
                )


def _generate(parameters: Parameters, streams: Mapping[FileKind, BinaryIO]) -> dict[str, str]:
    """Generate all three files, write those with a stream, and return all digests."""
    # all three, even if only one is missing: the manifest lists all digests
    hashes = {kind: hashlib.sha256() for kind in FILE_KINDS}

    def write(kind: FileKind, text: bytes) -> None:
        hashes[kind].update(text)
        if kind in streams:
            streams[kind].write(text)

    p = parameters
    for rows in failure_records(p.seed, p.engines, p.conditions, p.faults):
        write("train", fixed_point(rows, DECIMALS, _ROW_END))
    for rows, rul in truncated_records(p.seed, p.engines, p.conditions, p.faults):
        write("test", fixed_point(rows, DECIMALS, _ROW_END))
        write("RUL", fixed_point(rul[:, None].astype(float), [0]))
    return {file_name(kind, p.subset): hashes[kind].hexdigest() for kind in FILE_KINDS}


def fixed_point(values: NDArray[np.float64], decimals: Sequence[int], end: bytes = b"\n") -> bytes:
    r"""Format a table as text, a space after each number and `end` after each row.

    Vectorised over rows: number by number, 10,000 engines would take minutes, not seconds.

    Args:
        values: [row, column], finite, at most 2**53 after multiplication by 10**decimals.
        decimals: [column], decimal places.
        end: end of each row.

    >>> fixed_point(np.array([[1.0, -0.25], [30.0, 641.826]]), [0, 2])
    b'1 -0.25 \n30 641.83 \n'
    """
    if not len(values):
        return b""
    columns = [_format_column(values[:, i], places) for i, places in enumerate(decimals)]
    ends = np.broadcast_to(np.frombuffer(end, np.uint8), (len(values), len(end)))
    characters = np.concatenate([*columns, ends], axis=1).ravel()
    return bytes(characters[characters != _PADDING])


def _format_column(values: NDArray[np.float64], decimals: int) -> NDArray[np.uint8]:
    """Format a column as characters, [row, width], with `_PADDING` beside shorter numbers."""
    scaled = np.rint(values * 10**decimals).astype(np.int64)
    rest = np.abs(scaled)
    digits = max(len(str(rest.max())), decimals + 1)
    width = 1 + digits + (decimals > 0) + 1
    characters = np.full((len(values), width), _PADDING, dtype=np.uint8)
    characters[:, -1] = _SPACE
    place = width - 2
    for digit in range(digits):
        if digit == decimals and decimals > 0:
            characters[:, place] = _POINT
            place -= 1
        # omit leading zeros, except the digit before the point
        written = rest > 0 if digit > decimals else np.True_
        rest, units = np.divmod(rest, 10)
        characters[:, place] = np.where(written, units + _ZERO, _PADDING)
        place -= 1
    characters[:, 0] = np.where(scaled < 0, _MINUS, _PADDING)
    return characters
