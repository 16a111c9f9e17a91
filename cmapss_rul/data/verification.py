"""Whether files are good: their digest, and the strict reader, for a source and for a folder."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cmapss_rul.data.archive import Member
from cmapss_rul.data.columns import subset_of
from cmapss_rul.data.digests import DIGESTS, Provenance, digest, provenance, stands
from cmapss_rul.data.reader import parse_fleet, parse_rul
from cmapss_rul.display.text import printable
from cmapss_rul.system.errors import DataError


@dataclass
class Standing:
    """The needed files as they lie in the data folder.

    Attributes:
        good: by name.
        refused: what is wrong with each of the others.
    """

    good: dict[str, Provenance] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)


def examine(
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


def examine_folder(names: Sequence[str], directory: Path) -> Standing:
    """Examine those of the needed files that lie in the data folder."""
    standing = Standing()
    engines: dict[str, int | None] = {}
    for name in sorted(names, key=_test_before_rul):
        path = directory / name
        if not stands(path):
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
