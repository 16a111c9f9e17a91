"""Where the files come from, and how they get into the data folder.

    source --> members --> digest and strict reader --> all good? --> files, whole, at once

The order is `--source`, else `RUL_DATA_SOURCE`, else the public sources in turn. From a public
source only official files are taken. From the user's own source others pass too, if the strict
reader takes them, and are marked 'not the official file' from then on.
"""

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast, get_args

from cmapss_rul.data.archive import INNER_ARCHIVE, Member, open_archive
from cmapss_rul.data.columns import (
    CONDITIONS,
    FAULTS,
    SUBSETS,
    FileKind,
    SubsetName,
    file_name,
    subset_of,
)
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.simulate import simulate
from cmapss_rul.data.verification import (
    FolderCheck,
    Provenance,
    manifest_path,
    path_exists,
    provenance,
    verify_folder,
    verify_source,
)
from cmapss_rul.display.text import by_nearness, nearest, one_line, printable
from cmapss_rul.system.errors import DataError, UsageError
from cmapss_rul.system.files import sweep, whole_file
from cmapss_rul.system.locks import in_turn

VARIABLE = "RUL_DATA_SOURCE"
PUBLIC_SOURCES: tuple[str, ...] = (
    "https://data.nasa.gov/docs/legacy/CMAPSSData.zip",
    "https://phm-datasets.s3.amazonaws.com/NASA/"
    "6.+Turbofan+Engine+Degradation+Simulation+Data+Set.zip",
    "https://zenodo.org/records/15346912/files/CMAPSSData.zip?download=1",
)
OFFLINE = (
    "without a network, get CMAPSSData.zip on another machine and run: "
    "rul download-data --source PATH"
)
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True)
class FetchResult:
    """What `fetch` did.

    Attributes:
        directory: the data folder.
        source: what served the written files; None where nothing had to be fetched.
        written: the files that were written.
        unchanged: the files that were there and good.
        refused: what was wrong with files in place that were replaced.
        answers: what sources answered that were tried before the one that served.
    """

    directory: Path
    source: str | None = None
    written: tuple[Provenance, ...] = ()
    unchanged: tuple[Provenance, ...] = ()
    refused: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Source:
    address: str
    label: str
    public: bool


def displayed_url(url: str) -> str:
    """Show a URL without the password or token that it may carry.

    >>> displayed_url("https://me:secret@example.org/a.zip")
    'https://***@example.org/a.zip'
    """
    return printable(re.sub(r"(?<=//)[^/@?#]*@", "***@", url))


def parse_subsets(text: str) -> tuple[SubsetName, ...]:
    """Read a list of subsets with commas between them.

    >>> parse_subsets("FD003, fd001")
    ('FD001', 'FD003')

    Raises:
        UsageError: a name that is no subset.
    """
    wanted = [part.strip().upper() for part in text.split(",") if part.strip()]
    for name in wanted:
        if name not in SUBSETS:
            first = nearest(name, SUBSETS)
            hint = f"; perhaps {first} was meant" if first else ""
            raise UsageError(
                f"subset '{printable(name)}' is unknown{hint}; there are "
                f"{', '.join(by_nearness(name, SUBSETS))}"
            )
    if not wanted:
        raise UsageError(f"no subset was named; there are {', '.join(SUBSETS)}")
    return tuple(name for name in SUBSETS if name in wanted)


def file_names(subsets: Iterable[SubsetName]) -> tuple[str, ...]:
    """Return the names of the three files of each subset."""
    kinds: tuple[FileKind, ...] = get_args(FileKind)
    return tuple(file_name(kind, subset) for subset in subsets for kind in kinds)


def ensure_files(
    config: DataConfig, kinds: Sequence[FileKind], *, progress: bool = True
) -> dict[FileKind, Path]:
    """Return the paths of the files; what is missing of a subset's is fetched or simulated.

    Training asks for train files alone: then no test or RUL file is opened, whatever lies
    in the folder.

    Args:
        config: says which subset, which folder, and whether its files are official; or names a
            user's own files. Where these are no test file, the test records lie in `train`.
        kinds: the files wanted.
        progress: draw a progress bar while fetching, if standard error is a terminal.

    Raises:
        DataError: a file is missing and could not be had; says where it was looked for.
    """
    if config.own:
        return _own_files(config, kinds)
    directory = Path(config.dir)
    paths = {kind: directory / file_name(kind, config.subset) for kind in kinds}
    missing = [path.name for path in paths.values() if not path_exists(path)]
    if config.source == "simulated":
        _provide_simulated(config, directory, paths, missing)
    elif missing:
        fetch(missing, directory, progress=progress)
    return paths


def _own_files(config: DataConfig, kinds: Sequence[FileKind]) -> dict[FileKind, Path]:
    keys: dict[FileKind, str] = {"train": "train", "test": "test", "RUL": "rul_file"}
    if config.test is None:
        keys["test"] = "train"
    named = {kind: (keys[kind], getattr(config, keys[kind])) for kind in kinds}
    paths = {kind: Path(path) for kind, (_, path) in named.items() if path is not None}
    for kind, path in paths.items():
        if not path_exists(path):
            raise DataError(
                f"{printable(path)}: there is no such file, but data.{named[kind][0]} names it; "
                "files are looked for from the working folder on"
            )
        if not path.is_file():
            raise DataError(f"{printable(path)}: found no regular file, expected a table")
    return paths


def _provide_simulated(
    config: DataConfig, directory: Path, paths: dict[FileKind, Path], missing: Sequence[str]
) -> None:
    if missing:
        simulate(
            directory,
            conditions=CONDITIONS[config.subset],
            faults=FAULTS[config.subset],
            kinds=tuple(paths),
        )
        return
    for path in paths.values():
        if not provenance(path).simulated:
            raise DataError(
                f"{printable(path)}: data.source is 'simulated', but `rul simulate` did not make "
                "this file; set data.source to official, or data.dir to another folder"
            )


def fetch(
    names: Sequence[str],
    directory: Path,
    source: str | None = None,
    *,
    force: bool = False,
    progress: bool = True,
) -> FetchResult:
    """Lay files into the data folder, unless good ones are there.

    Args:
        names: of the files needed; no other file is opened.
        directory: the data folder; made where it is missing.
        source: archive, folder or URL; None for `RUL_DATA_SOURCE` or the public sources.
        force: fetch and replace files that are there, too.
        progress: draw a progress bar, if standard error is a terminal.

    Returns:
        What was written, what was unchanged, and why.

    Raises:
        DataError: no source has served good files; nothing was written.
    """
    if path_exists(directory) and not directory.is_dir():
        raise DataError(f"{printable(directory)}: found a file, expected a folder")
    good = {} if force else verify_folder(names, directory).good
    if good.keys() >= set(names):
        return FetchResult(directory, unchanged=tuple(good[name] for name in names))
    with in_turn(directory):
        return _fetch(names, directory, source, force=force, progress=progress)


def _fetch(
    names: Sequence[str], directory: Path, source: str | None, *, force: bool, progress: bool
) -> FetchResult:
    """Fetch what is still missing: whoever had the turn before may have fetched it."""
    standing = FolderCheck() if force else verify_folder(names, directory)
    needed = [name for name in names if name not in standing.good]
    unchanged = tuple(standing.good[name] for name in names if name in standing.good)
    if not needed:
        return FetchResult(directory, unchanged=unchanged)
    _refuse_simulated(directory, needed)
    answers: list[str] = []
    sources = _sources(source)
    for candidate in sources:
        try:
            with contextlib.ExitStack() as stack:
                members = _open_source(candidate, needed, stack, progress=progress)
                found = verify_source(
                    members, needed, directory, candidate.label, official=candidate.public
                )
                _write(members, found, directory)
        except _WriteError:
            raise
        except DataError as error:
            answers.append(str(error))
            continue
        refused, earlier = tuple(standing.refused), tuple(answers)
        return FetchResult(directory, candidate.label, found, unchanged, refused, earlier)
    raise DataError(_failure(needed, directory, standing, sources, answers))


class _WriteError(DataError):
    """The data folder cannot be written: no other source would help."""


def _failure(
    needed: Sequence[str],
    directory: Path,
    standing: FolderCheck,
    sources: Sequence[_Source],
    answers: Sequence[str],
) -> str:
    what = ", ".join(needed) if len(needed) <= 3 else f"{len(needed)} files"
    bad = [f"{text} (it stays as it is)" for text in standing.refused]
    text = "; ".join([*bad, f"{what} could not be fetched into {printable(directory)}"])
    text += f": {'; '.join(answers)}"
    if not sources[0].public and sources[0].label.startswith(VARIABLE):
        text += f"; the public sources are not tried while {VARIABLE} is set"
    return f"{text}; {OFFLINE}"


def _sources(source: str | None) -> list[_Source]:
    if source is not None:
        return [_own(source, f"--source {displayed_url(source)}")]
    if address := os.environ.get(VARIABLE):
        return [_own(address, f"{VARIABLE}={displayed_url(address)}")]
    return [_Source(url, displayed_url(url), public=True) for url in PUBLIC_SOURCES]


def _own(address: str, label: str) -> _Source:
    scheme = _SCHEME.match(address)
    if not address.strip() or (scheme and scheme[1].lower() not in ("http", "https")):
        raise UsageError(f"{label}: expected a zip archive, a folder, or an http or https URL")
    return _Source(address, label, public=False)


def _open_source(
    source: _Source, names: Collection[str], stack: contextlib.ExitStack, *, progress: bool
) -> dict[str, Member]:
    if _SCHEME.match(source.address):
        body = cast(BinaryIO, stack.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115  the stack closes it
        from cmapss_rul.data.transfer import download  # here: httpx takes long to import

        try:
            download(source.address, body, progress=progress)
        except (DataError, OSError) as error:
            raise DataError(f"{source.label}: {one_line(error)}") from error
        return open_archive(body, source.label, names, stack)
    path = Path(source.address)
    try:
        path = path.expanduser()
        if path.is_dir():
            return _open_folder(path, source.label, names, stack)
        if not path.is_file():
            raise DataError(f"{source.label}: there is no such file or folder")
        archive = stack.enter_context(path.open("rb"))
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{source.label}: cannot be opened: {one_line(reason)}") from error
    return open_archive(archive, source.label, names, stack)


def _open_folder(
    folder: Path, label: str, names: Collection[str], stack: contextlib.ExitStack
) -> dict[str, Member]:
    """Find the files in a folder, or in the archive that was saved there."""
    found = {name: folder / name for name in names if (folder / name).is_file()}
    if not found and (folder / INNER_ARCHIVE).is_file():
        archive = stack.enter_context((folder / INNER_ARCHIVE).open("rb"))
        return open_archive(archive, f"{label}, {INNER_ARCHIVE}", names, stack)
    return {name: Member.at(path, f"{label}, {name}") for name, path in found.items()}


def _refuse_simulated(directory: Path, needed: Sequence[str]) -> None:
    """Keep downloaded files out of a folder whose manifest calls them simulated."""
    for name in needed:
        subset = subset_of(name)
        if path_exists(manifest_path(directory, subset)):
            raise DataError(
                f"{printable(directory)}: holds a simulated {subset}, and {name} is not fetched "
                "into it; take another folder, or make the fleet again with `rul simulate` as "
                f"{manifest_path(directory, subset).name} says"
            )


def _write(members: dict[str, Member], found: Sequence[Provenance], directory: Path) -> None:
    """Write all files beside their places, then let them take their names."""
    try:
        sweep(directory)
        with contextlib.ExitStack() as stack:
            for origin in found:
                member = members[origin.name]
                target = stack.enter_context(whole_file(directory / origin.name))
                _copy(member, target, origin)
    except OSError as error:
        reason = one_line(error.strerror or error)
        raise _WriteError(f"{printable(directory)}: cannot be written: {reason}") from error


def _copy(member: Member, target: BinaryIO, checked: Provenance) -> None:
    """Copy a member that was checked before, and check that it is still the same."""
    plain = hashlib.sha256()
    with member.opened() as stream:
        while piece := stream.read(1 << 20):
            plain.update(piece)
            try:
                target.write(piece)
            except OSError as error:  # apart from errors of reading: no other source would help
                reason = one_line(error.strerror or error)
                raise _WriteError(f"{target.name}: cannot be written: {reason}") from error
    if plain.hexdigest() != checked.sha256:
        raise DataError(f"{member.where}: changed while it was read; run the command again")
