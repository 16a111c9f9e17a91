"""Acquisition of the data files: existing ones are used, missing ones fetched or simulated.

    source → members → digests and strict reader → all valid? → all files written together

The source is `--source`, else `RUL_DATA_SOURCE`, else the public sources in order. A public
source must serve the official files. The user's source may serve other files that the strict
reader accepts; all results from them are marked 'not the official files'.
"""

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from cmapss_rul.data.archive import Member, open_archive, open_folder, open_text_file
from cmapss_rul.data.columns import CONDITIONS, FAULTS, SUBSETS, FileKind, file_name, subset_of
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
from cmapss_rul.system.errors import DataError, UsageError, printable
from cmapss_rul.system.files import atomic_file, remove_partial_files
from cmapss_rul.system.locks import wait_for_folder

VARIABLE = "RUL_DATA_SOURCE"
# tried in this order; the old address ti.arc.nasa.gov/c/6/ answers with an HTML page
PUBLIC_SOURCES: tuple[str, ...] = (
    "https://data.nasa.gov/docs/legacy/CMAPSSData.zip",
    "https://phm-datasets.s3.amazonaws.com/NASA/"
    "6.+Turbofan+Engine+Degradation+Simulation+Data+Set.zip",
    "https://zenodo.org/records/15346912/files/CMAPSSData.zip?download=1",
)
OFFLINE_HINT = (
    "without a network, get CMAPSSData.zip on another machine and run: "
    "rul download-data --source PATH"
)
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


@dataclass(frozen=True)
class FetchResult:
    """Result of `fetch`.

    Attributes:
        source: label of the source of the written files; None if nothing had to be fetched.
        unchanged: the existing, valid files.
        refused: errors of the files that were replaced.
        answers: errors of the sources tried before.
    """

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
    """Return a URL without the password or token that it may contain.

    >>> displayed_url("https://me:secret@example.org/a.zip")
    'https://***@example.org/a.zip'
    """
    return printable(re.sub(r"(?<=//)[^/@?#]*@", "***@", url))


def ensure_files(
    config: DataConfig, kinds: Sequence[FileKind], *, progress: bool = True
) -> dict[FileKind, Path]:
    """Return the paths of data files; missing ones of a subset are fetched or simulated.

    Training requests training files only, and then no test or RUL file is opened.

    Args:
        config: names the subset, the folder and the source, or the user's own files. If these
            include no test file, the test records are in `train`.
        kinds: the required files.
        progress: show a progress bar while fetching, if standard error is a terminal.

    Raises:
        DataError: a file is missing and cannot be fetched; the message names its expected path.
    """
    if config.own:
        return _own_files(config, kinds)
    directory = Path(config.dir)
    if config.flights is not None:
        path = directory / config.flights.file
        if not path_exists(path):
            raise DataError(
                f"{path}: there is no such file; put it there, or run: rul download-data "
                f"--subset {config.subset}"
            )
        return dict.fromkeys(kinds, path)
    assert config.subset in SUBSETS
    paths = {kind: directory / file_name(kind, config.subset) for kind in kinds}
    missing = [path.name for path in paths.values() if not path_exists(path)]
    if config.source == "official":
        if missing:
            fetch(missing, directory, progress=progress)
        return paths
    if missing:
        faults = FAULTS[config.subset]
        simulate(directory, conditions=CONDITIONS[config.subset], faults=faults, kinds=kinds)
        return paths
    for path in paths.values():
        # a run marked 'simulated' must not use real files
        if not provenance(path).simulated:
            raise DataError(
                f"{path}: data.source is 'simulated', but `rul simulate` did not make this file; "
                "set data.source to official, or data.dir to another folder"
            )
    return paths


def _own_files(config: DataConfig, kinds: Sequence[FileKind]) -> dict[FileKind, Path]:
    test_key = "train" if config.test is None else "test"
    keys: dict[FileKind, str] = {"train": "train", "test": test_key, "RUL": "rul_file"}
    named = {kind: getattr(config, keys[kind]) for kind in kinds}
    paths = {kind: Path(name) for kind, name in named.items() if name is not None}
    for kind, path in paths.items():
        if not path_exists(path):
            raise DataError(
                f"{path}: there is no such file, but data.{keys[kind]} names it; relative paths "
                "start at the working folder"
            )
        if not path.is_file():
            raise DataError(f"{path}: found no regular file, expected a table")
    return paths


def fetch(
    names: Sequence[str],
    directory: Path,
    source: str | None = None,
    *,
    force: bool = False,
    progress: bool = True,
) -> FetchResult:
    """Fetch files into the data folder, unless valid ones exist.

    Args:
        names: names of the required files; no other file is opened.
        directory: the data folder; created if missing.
        source: archive, folder or URL; None for `RUL_DATA_SOURCE` or the public sources.
        force: also replace existing files.
        progress: show a progress bar, if standard error is a terminal.

    Returns:
        The written and the unchanged files, and the errors of rejected files and sources.

    Raises:
        DataError: no source has served valid files; nothing was written.
    """
    if path_exists(directory) and not directory.is_dir():
        raise DataError(f"{directory}: found a file, expected a folder")
    # before the lock, which needs a writable folder: usually all files exist
    valid = {} if force else verify_folder(names, directory).valid
    if valid.keys() >= set(names):
        return FetchResult(unchanged=tuple(valid[name] for name in names))
    with wait_for_folder(directory):
        return _fetch(names, directory, source, force=force, progress=progress)


def _fetch(
    names: Sequence[str], directory: Path, source: str | None, *, force: bool, progress: bool
) -> FetchResult:
    """Fetch the missing files; check again first, since another process may have fetched them."""
    check = FolderCheck() if force else verify_folder(names, directory)
    needed = [name for name in names if name not in check.valid]
    unchanged = tuple(check.valid[name] for name in names if name in check.valid)
    if not needed:
        return FetchResult(unchanged=unchanged)
    # before any download, since the folder would be refused anyway
    _refuse_simulated(directory, needed)
    answers: list[str] = []
    sources = _list_sources(source)
    for candidate in sources:
        try:
            with contextlib.ExitStack() as stack:
                members = _open_source(candidate, needed, stack, progress=progress)
                # all files are verified before the first is written
                found = verify_source(
                    members, needed, directory, candidate.label, official=candidate.public
                )
                _write(members, found, directory)
        except _WriteError:  # no other source would help
            raise
        except DataError as error:
            answers.append(str(error))
            continue
        refused, earlier = tuple(check.rejected), tuple(answers)
        return FetchResult(candidate.label, found, unchanged, refused, earlier)
    raise DataError(_describe_failure(needed, directory, check, sources, answers))


class _WriteError(DataError):
    """The data folder cannot be written."""


def _describe_failure(
    needed: Sequence[str],
    directory: Path,
    check: FolderCheck,
    sources: Sequence[_Source],
    answers: Sequence[str],
) -> str:
    files = ", ".join(needed) if len(needed) <= 3 else f"{len(needed)} files"
    rejected = [f"{text} (it is left as it is)" for text in check.rejected]
    text = "; ".join([*rejected, f"{files} could not be fetched into {directory}"])
    text += f": {_join_answers(sources, answers)}"
    if not sources[0].public and sources[0].label.startswith(VARIABLE):
        text += f"; the public sources are not tried while {VARIABLE} is set"
    return f"{text}; {OFFLINE_HINT}"


def _join_answers(sources: Sequence[_Source], answers: Sequence[str]) -> str:
    """Join the errors of all sources; a common one, such as no network, is stated once."""
    pairs = zip(sources, answers, strict=True)
    reasons = {answer.removeprefix(f"{source.label}: ") for source, answer in pairs}
    if len(answers) == 1 or len(reasons) > 1:
        return "; ".join(answers)
    hosts = ", ".join(str(urlsplit(source.address).hostname) for source in sources)
    return f"{hosts}: {reasons.pop()}"


def _list_sources(source: str | None) -> list[_Source]:
    if source is not None:
        return [_own_source(source, f"--source {displayed_url(source)}")]
    if address := os.environ.get(VARIABLE):
        return [_own_source(address, f"{VARIABLE}={displayed_url(address)}")]
    return [_Source(url, displayed_url(url), public=True) for url in PUBLIC_SOURCES]


def _own_source(address: str, label: str) -> _Source:
    scheme = SCHEME.match(address)
    if not address.strip() or (scheme and scheme[1].lower() not in ("http", "https")):
        raise UsageError(f"{label}: expected a zip archive, a folder, or an http or https URL")
    return _Source(address, label, public=False)


def _open_source(
    source: _Source, names: Collection[str], stack: contextlib.ExitStack, *, progress: bool
) -> dict[str, Member]:
    if SCHEME.match(source.address):
        return _open_url(source, names, stack, progress=progress)
    path = Path(source.address)
    try:
        # shells expand ~ in arguments, but not in the value of the environment variable
        path = path.expanduser()
        if path.is_dir():
            return open_folder(path, source.label, names, stack)
        if not path.is_file():
            raise DataError(f"{source.label}: there is no such file or folder")
        if path.suffix == ".txt":
            return open_text_file(path, source.label, names)
        archive = stack.enter_context(path.open("rb"))
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{source.label}: cannot be opened: {reason}") from error
    return open_archive(archive, source.label, names, stack)


def _open_url(
    source: _Source, names: Collection[str], stack: contextlib.ExitStack, *, progress: bool
) -> dict[str, Member]:
    from cmapss_rul.data.download import download  # here: few commands need httpx, a slow import

    body = cast(BinaryIO, stack.enter_context(tempfile.TemporaryFile()))  # noqa: SIM115  the stack closes it
    try:
        download(source.address, body, progress=progress)
    except (DataError, OSError) as error:
        raise DataError(f"{source.label}: {error}") from error
    return open_archive(body, source.label, names, stack)


def _refuse_simulated(directory: Path, needed: Sequence[str]) -> None:
    """Refuse to download into a folder whose manifest would mark the files as simulated."""
    for name in needed:
        manifest = manifest_path(directory, subset_of(name))
        if path_exists(manifest):
            raise DataError(
                f"{directory}: contains a simulated {subset_of(name)}, and {name} is not fetched "
                "into it; use another folder, or make the fleet again with `rul simulate` and the "
                f"parameters in {manifest.name}"
            )


def _write(members: dict[str, Member], found: Sequence[Provenance], directory: Path) -> None:
    """Write all files under temporary names, then rename them together."""
    try:
        # of killed processes; the lock excludes one that is still writing
        remove_partial_files(directory)
        with contextlib.ExitStack() as stack:
            for source in found:
                member = members[source.name]
                target = stack.enter_context(atomic_file(directory / source.name))
                _copy(member, target, source)
    except OSError as error:
        raise _WriteError(f"{directory}: cannot be written: {error.strerror or error}") from error


def _copy(member: Member, target: BinaryIO, verified: Provenance) -> None:
    """Copy a verified member, and check that its bytes have not changed."""
    digest = hashlib.sha256()
    with member.reading() as stream:
        while piece := stream.read(1 << 20):
            digest.update(piece)
            try:
                target.write(piece)
            except OSError as error:  # of writing, not of reading: no other source would help
                reason = error.strerror or error
                raise _WriteError(f"{target.name}: cannot be written: {reason}") from error
    if digest.hexdigest() != verified.sha256:
        raise DataError(f"{member.label}: changed while it was read; run the command again")
