"""The files that a verb needs: found, fetched or simulated, and no others touched."""

from collections.abc import Sequence
from pathlib import Path

from cmapss_rul.data.columns import CONDITIONS, FAULTS, FileKind, file_name
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.digests import provenance, stands
from cmapss_rul.data.simulate import simulate
from cmapss_rul.errors import DataError
from cmapss_rul.text import printable


def provide(
    config: DataConfig, kinds: Sequence[FileKind], *, progress: bool = True
) -> dict[FileKind, Path]:
    """Return the paths of a subset's files; what is missing is fetched or simulated.

    Training asks for train files alone: then no test or RUL file is opened, whatever lies
    in the folder.

    Args:
        config: says which subset, which folder, and whether its files are official.
        kinds: the files wanted.
        progress: draw a progress bar while fetching, if standard error is a terminal.

    Raises:
        DataError: a file is missing and could not be had; says where it was looked for.
    """
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
