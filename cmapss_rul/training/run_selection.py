"""The configuration and the folder that the options of `rul train` stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cmapss_rul.config.load import from_mapping
from cmapss_rul.config.shipped import find_config, shipped_configs
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.config import RunConfig, load_config
from cmapss_rul.training.runs import ROOT, RunFolder, folder_to_resume, next_folder


@dataclass(frozen=True)
class RunSelection:
    """A run to start or to resume.

    Attributes:
        config: of the run.
        run: its folder; what was read in it need not be read again.
        note: for the user, about the selection; mostly empty.
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
    """Find configuration and folder.

    Args:
        name: a YAML file or the name of a shipped configuration; may be left out when an
            existing run is named.
        output: the run's folder.
        seed: precedes that of the configuration and of `sets`.
        sets: overrides such as `train.epochs=1`.
        data: folder of the data files, precedes that of the configuration.
        resume: 'auto', a run folder, or its `last.pt`; None starts a run.
        root: folder of the run folders.

    Raises:
        UsageError: naming what is missing or contradictory.
        CheckpointError: the checkpoint to resume from cannot be used.
    """
    if seed is not None:  # one more override, so that its range is checked like any other
        sets = [*sets, f"seed={seed}"]
    named = _named_run(resume, output)
    if name is None:
        if named is None:
            raise UsageError(
                "--config is missing; name a YAML file or one of: "
                f"{', '.join(sorted(shipped_configs()))}"
            )
        return RunSelection(_with_data(_config_of(named, sets), data), named)
    run_name, file = find_config(name)
    config = _with_data(load_config(file, sets), data)
    if resume is None:
        new = RunFolder(output) if output else next_folder(run_name, config.seed, root)
        return RunSelection(config, new)
    if named is not None:
        note = "" if named.path.exists() else f"there is no run {named} yet: starting it"
        return RunSelection(config, named, note)
    unfinished = folder_to_resume(run_name, config.seed, root)
    if unfinished is not None:
        return RunSelection(config, unfinished)
    note = f"there is no run of {run_name} with seed {config.seed}: starting one"
    return RunSelection(config, next_folder(run_name, config.seed, root), note)


def _named_run(resume: str | None, output: Path | None) -> RunFolder | None:
    """Return the run that the user named by a path."""
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
    """Return the configuration of an existing run, with overrides."""
    if run.resumable:
        config = run.newest()[0].run_config()
        return from_mapping(RunConfig, config.model_dump(mode="json"), sets, str(run.last))
    if run.config.exists():
        return load_config(run.config, sets)
    raise UsageError(
        f"{run} has neither last.pt nor config.yaml, so it is no run to resume; "
        "name its configuration with --config to start one there"
    )


def _with_data(config: RunConfig, folder: Path | None) -> RunConfig:
    if folder is None:
        return config
    return config.model_copy(update={"data": config.data.moved_to(folder)})
