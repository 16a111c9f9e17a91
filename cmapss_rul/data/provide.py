"""The files that a verb needs: found, fetched or simulated, and no others touched."""

from collections.abc import Sequence
from pathlib import Path

from cmapss_rul.data.columns import CONDITIONS, FAULTS, FileKind, file_name
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.digests import provenance, stands
from cmapss_rul.data.simulate import simulate
from cmapss_rul.display.text import printable
from cmapss_rul.system.errors import DataError


def provide(
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
        return _own(config, kinds)
    directory = Path(config.dir)
    paths = {kind: directory / file_name(kind, config.subset) for kind in kinds}
    missing = [path.name for path in paths.values() if not stands(path)]
    if config.source == "simulated":
        _provide_simulated(config, directory, paths, missing)
    elif missing:
        # imported here: httpx is needed only when a file is missing
        from cmapss_rul.data.sources import fetch

        fetch(missing, directory, progress=progress)
    return paths


def _own(config: DataConfig, kinds: Sequence[FileKind]) -> dict[FileKind, Path]:
    keys: dict[FileKind, str] = {"train": "train", "test": "test", "RUL": "rul_file"}
    if config.test is None:
        keys["test"] = "train"
    named = {kind: (keys[kind], getattr(config, keys[kind])) for kind in kinds}
    paths = {kind: Path(path) for kind, (_, path) in named.items() if path is not None}
    for kind, path in paths.items():
        if not stands(path):
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
