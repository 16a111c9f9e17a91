"""Selection of the configuration and folder of the run that `rul train` starts or resumes."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cmapss_rul.config.load import from_mapping
from cmapss_rul.config.shipped import find_config, shipped_configs
from cmapss_rul.config.yaml import read_yaml
from cmapss_rul.system.errors import RulError, UsageError, printable
from cmapss_rul.training.config import RunConfig, flatten, load_config
from cmapss_rul.training.runs import (
    MAY_CHANGE,
    ROOT,
    RunFolder,
    folder_to_resume,
    newest_runs,
    newest_unfinished,
    next_folder,
    numbered_folders,
)


@dataclass(frozen=True)
class RunSelection:
    """A run to start or to resume.

    Attributes:
        run: folder of the run, which caches its checkpoints.
        note: message for the user about the selection; usually empty.
    """

    config: RunConfig
    run: RunFolder
    note: str = ""


def select_run(
    name: str | None,
    *,
    output: Path | None = None,
    seed: int | None = None,
    sets: Sequence[str] = (),
    data: Path | None = None,
    resume: str | None = None,
    root: Path = ROOT,
) -> RunSelection:
    """Select configuration and folder of the run to start or resume.

    Args:
        name: a YAML file or shipped configuration; None for that of an existing run.
        output: folder of the run.
        seed: overrides the seed of the configuration and of `sets`.
        sets: overrides such as `train.epochs=1`.
        data: overrides the data folder of the configuration.
        resume: 'auto', a run folder, or its `last.pt`; None for a new run.
        root: parent folder of the runs.

    Raises:
        UsageError: an argument is missing, or arguments contradict each other.
        CheckpointError: the checkpoint to resume from is invalid.
    """
    if seed is not None:  # as an override, so that its range is validated
        sets = [*sets, f"seed={seed}"]
    named = _named_run(resume, output)
    if name is None:
        if named is None:
            raise UsageError(
                "--config is missing; name a YAML file or one of: "
                f"{', '.join(sorted(shipped_configs()))}"
            )
        return RunSelection(_config_of(named, sets).with_data_dir(data), named)
    run_name, file = find_config(name)
    config = load_config(file, sets).with_data_dir(data)
    if config.split.is_ensemble:
        run_name += f"-{config.split.folds}folds"
    if resume is None:
        new = RunFolder(output) if output else next_folder(run_name, config.seed, root)
        return RunSelection(config, new)
    if named is not None:
        note = "" if named.path.exists() else f"there is no run {named} yet: starting it"
        return RunSelection(config, named, note)
    return _newest_run(run_name, config, root)


def _newest_run(name: str, config: RunConfig, root: Path) -> RunSelection:
    """Select the run for `--resume auto` by configuration and seed, not by the folder's name.

    Without one, a folder named after the same configuration and seed is selected, so that
    `check_same_run` reports the keys that changed.
    """
    found = f"run of this configuration with seed {config.seed} under {printable(root)}"
    same = _runs_of(name, config, root)
    if unfinished := newest_unfinished([run for run, differs in same if not differs]):
        return RunSelection(
            config, unfinished, f"resuming {unfinished}, the newest unfinished {found}"
        )
    finished = [run for run, _ in same if run.is_finished()]
    if finished:
        return RunSelection(config, finished[-1], f"there is no unfinished {found}")
    named = folder_to_resume(name, config.seed, root)
    if named is not None:
        return RunSelection(config, named)
    new = next_folder(name, config.seed, root)
    note = f"there is no {found}: starting {new}; --resume PATH resumes one elsewhere"
    return RunSelection(config, new, note)


def _runs_of(name: str, config: RunConfig, root: Path) -> list[tuple[RunFolder, set[str]]]:
    """List the runs of a configuration and seed, the newest last, each with the differing keys.

    The number of epochs may be smaller, because a finished run may be trained further. Empty
    folders with the configuration's name, stopped before writing any file, are included.
    """
    now = flatten(config.without_paths())
    found: list[tuple[RunFolder, set[str]]] = []
    for run in newest_runs(root):
        with contextlib.suppress(RulError, OSError):
            plain = read_yaml(run.config)
            if plain.get("seed") != config.seed:
                continue  # skips the validation, which is much slower than reading
            former = from_mapping(RunConfig, plain)
            then = flatten(former.without_paths())
            differs = {key for key in then.keys() | now.keys() if then.get(key) != now.get(key)}
            differs -= MAY_CHANGE
            if not differs or (
                differs == {"train.epochs"} and former.train.epochs < config.train.epochs
            ):
                found.append((run, differs))
    empty = [
        run
        for run in numbered_folders(name, config.seed, root)
        if not (run.config.exists() or run.metrics.exists() or run.resumable or run.folds)
    ]
    return [*found, *((run, set[str]()) for run in empty)]


def _named_run(resume: str | None, output: Path | None) -> RunFolder | None:
    """Return the run given by `--resume PATH` or `--output`, if any."""
    if resume is None:
        return None
    if resume == "auto":
        return RunFolder(output) if output is not None else None
    path = Path(resume)
    run = RunFolder(path if path.is_dir() else path.parent)
    if not path.exists() or (path.is_file() and path.name != run.last.name):
        raise UsageError(f"--resume {resume}: expected 'auto', the folder of a run, or its last.pt")
    if output is not None and output.resolve() != run.path.resolve():
        raise UsageError(f"--resume names the run {run}, --output names {output}; leave one out")
    return run


def _config_of(run: RunFolder, sets: Sequence[str]) -> RunConfig:
    """Return the configuration of an existing run, with overrides applied."""
    if run.resumable:
        config = run.newest()[0].run_config()
        return from_mapping(RunConfig, config.model_dump(mode="json"), sets, str(run.last))
    if run.config.exists():
        return load_config(run.config, sets)
    raise UsageError(
        f"{run} has neither last.pt nor config.yaml, so it is not a run to resume; "
        "name its configuration with --config to start one there"
    )
