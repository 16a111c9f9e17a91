"""`rul simulate`: a run-to-failure fleet in C-MAPSS's own format, marked as simulated."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import CONDITIONS, FAULTS, SUBSETS, FileKind, SubsetName, file_name
from cmapss_rul.data.degradation import DECIMALS, failure_records, truncated_records
from cmapss_rul.data.verification import manifest_path, provenance
from cmapss_rul.display.text import one_line, printable
from cmapss_rul.system.errors import DataError, UsageError
from cmapss_rul.system.files import sweep, whole_file, write_whole
from cmapss_rul.system.locks import in_turn

KINDS: tuple[FileKind, ...] = ("train", "test", "RUL")
MOST_ENGINES = 1_000_000
_ROW_END = b" \n"  # C-MAPSS ends a row with two spaces


@dataclass(frozen=True)
class Parameters:
    """What a simulated fleet is made from; the same parameters give the same bytes.

    Attributes:
        engines: number of training engines, and of test engines.
        conditions: operating conditions, 1 or 6.
        faults: fault modes, 1 or 2.
        seed: of all draws.
    """

    engines: int = 100
    conditions: int = 1
    faults: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        bounds: dict[str, tuple[bool, str]] = {
            "engines": (1 <= self.engines <= MOST_ENGINES, f"1 to {MOST_ENGINES}"),
            "conditions": (self.conditions in (1, 6), "1 or 6"),
            "faults": (self.faults in (1, 2), "1 or 2"),
            "seed": (0 <= self.seed < 2**63, "a whole number from 0 to 2**63 - 1"),
        }
        for name, (good, expected) in bounds.items():
            if not good:
                raise UsageError(f"{name}: found {getattr(self, name)}, expected {expected}")

    @property
    def subset(self) -> SubsetName:
        """The subset that the fleet mimics.

        >>> Parameters(conditions=6, faults=2).subset
        'FD004'
        """
        kind = (self.conditions, self.faults)
        return next(name for name in SUBSETS if (CONDITIONS[name], FAULTS[name]) == kind)

    @property
    def command(self) -> str:
        """The options that make this fleet."""
        return " ".join(f"--{name} {value}" for name, value in asdict(self).items())


@dataclass(frozen=True)
class SimulationResult:
    """What `simulate` did.

    Attributes:
        directory: where the fleet lies.
        parameters: what it was made from.
        written: names of the files that were written.
        unchanged: names of those that were there and left as they are.
    """

    directory: Path
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
    kinds: Sequence[FileKind] = KINDS,
) -> SimulationResult:
    """Write a simulated fleet and its manifest, or leave an equal one as it is.

    Args:
        directory: folder of the files; made where it is missing.
        engines: number of training engines, and of test engines.
        conditions: operating conditions, 1 or 6.
        faults: fault modes, 1 or 2.
        seed: of all draws; the same seed gives the same bytes.
        kinds: the files wanted; no other file is written, opened or looked into.

    Returns:
        What was written and what was there.

    Raises:
        UsageError: a parameter out of its range.
        DataError: the folder holds files of the subset that were not made this way, or cannot
            be written.
    """
    parameters = Parameters(engines, conditions, faults, seed)
    wanted = {kind: file_name(kind, parameters.subset) for kind in kinds}
    written: tuple[str, ...] = ()
    try:
        known, missing = _standing(directory, parameters, wanted)
        if missing or known is None:
            with in_turn(directory):
                # again: whoever had the turn before may have made them
                known, missing = _standing(directory, parameters, wanted)
                if missing or known is None:
                    sweep(directory)
                    _write(directory, parameters, missing, known)
                    written = tuple(missing.values())
    except OSError as error:
        reason = one_line(error.strerror or error)
        raise DataError(f"{printable(directory)}: cannot be written: {reason}") from error
    unchanged = tuple(name for name in wanted.values() if name not in written)
    return SimulationResult(directory, parameters, written, unchanged)


def read_manifest(directory: Path, subset: SubsetName) -> dict[str, Any] | None:
    """Read the manifest of a simulated subset; None where there is none.

    Raises:
        DataError: a file of that name that `rul simulate` did not write.
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
        f"{printable(path)}: found no manifest of `rul simulate`; remove the {subset} files of "
        "this folder, or take another folder"
    )


def _standing(
    directory: Path, parameters: Parameters, wanted: Mapping[FileKind, str]
) -> tuple[Mapping[str, str] | None, dict[FileKind, str]]:
    """Digests that an earlier call noted, and the files that are not there."""
    known = _known_digests(directory, parameters, wanted.values())
    return known, {k: name for k, name in wanted.items() if not (directory / name).exists()}


def _known_digests(
    directory: Path, parameters: Parameters, names: Iterable[str]
) -> Mapping[str, str] | None:
    """Digests that an earlier call noted, after a check that the folder is its work.

    Returns None for a folder without files of the subset.
    """
    subset = parameters.subset
    # files first, manifest second: a process beside this one writes them the other way round
    standing = [file_name(k, subset) for k in KINDS if (directory / file_name(k, subset)).exists()]
    manifest = read_manifest(directory, subset)
    if manifest is None:
        if standing:
            raise DataError(
                f"{printable(directory / standing[0])}: was not made by `rul simulate` (there is "
                f"no {manifest_path(directory, subset).name} beside it); take another folder"
            )
        return None
    _refuse_other_parameters(directory, parameters, manifest["parameters"])
    digests: dict[str, str] = manifest["files"]
    for name in names:
        if name in standing and provenance(directory / name).sha256 != digests.get(name):
            raise DataError(
                f"{printable(directory / name)}: was altered after `rul simulate` made it; "
                "remove it, and it is made again, or take another folder"
            )
    return digests


def _refuse_other_parameters(directory: Path, wanted: Parameters, found: Any) -> None:
    expected = asdict(wanted)
    found = found if isinstance(found, dict) else {}
    differences = [
        f"{name} {printable(found.get(name))}, not {value}"
        for name, value in expected.items()
        if found.get(name) != value
    ]
    if differences:
        raise DataError(
            f"{printable(directory)}: holds a simulated {wanted.subset} made with "
            f"{', '.join(differences)}; take another folder, or the same parameters"
        )


def _write(
    directory: Path,
    parameters: Parameters,
    missing: Mapping[FileKind, str],
    known: Mapping[str, str] | None,
) -> None:
    """Write the missing files; all of them take their names at the end, or none does."""
    with contextlib.ExitStack() as stack:
        streams = {
            kind: stack.enter_context(whole_file(directory / name))
            for kind, name in missing.items()
        }
        digests = _generate(parameters, streams)
        if known is None:
            # before the files: a file without a manifest would count as foreign
            write_whole(manifest_path(directory, parameters.subset), _manifest(parameters, digests))
        for name in missing.values():
            if known is not None and known.get(name) != digests[name]:
                raise DataError(
                    f"{printable(directory / name)}: cannot be made again as it was, because "
                    "this version of numpy or of the package draws otherwise; remove the "
                    f"{parameters.subset} files and the manifest of this folder"
                )


def _manifest(parameters: Parameters, digests: Mapping[str, str]) -> str:
    manifest = {
        "simulated": True,
        "note": "simulated by `rul simulate` in C-MAPSS's format; not NASA's data",
        "format_version": 1,
        "subset": parameters.subset,
        "parameters": asdict(parameters),
        "files": dict(digests),
    }
    return json.dumps(manifest, indent=2) + "\n"


def _generate(parameters: Parameters, streams: Mapping[FileKind, BinaryIO]) -> dict[str, str]:
    """Make all three files, write those that have a stream, and digest each."""
    hashes = {kind: hashlib.sha256() for kind in KINDS}

    def put(kind: FileKind, text: bytes) -> None:
        hashes[kind].update(text)
        if kind in streams:
            streams[kind].write(text)

    _fill(parameters, put)
    return {file_name(kind, parameters.subset): hashes[kind].hexdigest() for kind in KINDS}


def _fill(parameters: Parameters, put: Callable[[FileKind, bytes], None]) -> None:
    p = parameters
    for rows in failure_records(p.seed, p.engines, p.conditions, p.faults):
        put("train", fixed_point(rows, DECIMALS, _ROW_END))
    for rows, rul in truncated_records(p.seed, p.engines, p.conditions, p.faults):
        put("test", fixed_point(rows, DECIMALS, _ROW_END))
        put("RUL", fixed_point(rul[:, None].astype(float), [0]))


_SPACE, _POINT, _MINUS, _ZERO = b" .-0"
_NOTHING = 0


def fixed_point(values: NDArray[np.float64], decimals: Sequence[int], end: bytes = b"\n") -> bytes:
    r"""Write a table as text, a space behind each number and `end` behind each row.

    Args:
        values: [row, column], finite, at most 2**53 after multiplication by 10**decimals.
        decimals: [column], digits behind the point.
        end: what closes a row.

    >>> fixed_point(np.array([[1.0, -0.25], [30.0, 641.826]]), [0, 2])
    b'1 -0.25 \n30 641.83 \n'
    """
    if not len(values):
        return b""
    columns = [_column(values[:, i], places) for i, places in enumerate(decimals)]
    ends = np.broadcast_to(np.frombuffer(end, np.uint8), (len(values), len(end)))
    characters = np.concatenate([*columns, ends], axis=1).ravel()
    return bytes(characters[characters != _NOTHING])


def _column(values: NDArray[np.float64], decimals: int) -> NDArray[np.uint8]:
    """Characters of one column, [row, width]; `_NOTHING` stands where a row is shorter."""
    scaled = np.rint(values * 10**decimals).astype(np.int64)
    rest = np.abs(scaled)
    digits = max(len(str(rest.max())), decimals + 1)
    width = 1 + digits + (decimals > 0) + 1
    characters = np.full((len(values), width), _NOTHING, dtype=np.uint8)
    characters[:, -1] = _SPACE
    place = width - 2
    for digit in range(digits):
        if digit == decimals and decimals > 0:
            characters[:, place] = _POINT
            place -= 1
        # a digit in front of the point is written unless it would be a leading zero
        written = rest > 0 if digit > decimals else np.True_
        rest, units = np.divmod(rest, 10)
        characters[:, place] = np.where(written, units + _ZERO, _NOTHING)
        place -= 1
    characters[:, 0] = np.where(scaled < 0, _MINUS, _NOTHING)
    return characters
