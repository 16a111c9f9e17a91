"""Which configuration, in which folder: what the words of `rul train` mean."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cmapss_rul.config.load import from_mapping
from cmapss_rul.config.shipped import find_config, shipped_configs
from cmapss_rul.display.text import printable
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training import checkpoint
from cmapss_rul.training.config import RunConfig, load_config
from cmapss_rul.training.runs import ROOT, RunFolder, newest, next_folder, to_resume


@dataclass(frozen=True)
class Choice:
    """A run to start or to go on with.

    Attributes:
        config: of the run.
        folder: of the run.
        note: what the user should know about the choice, or nothing.
    """

    config: RunConfig
    folder: Path
    note: str = ""


def choose(
    name: str | None,
    *,
    output: Path | None = None,
    seed: int | None = None,
    sets: Sequence[str] = (),
    data: Path | None = None,
    resume: str | None = None,
    root: Path = ROOT,
) -> Choice:
    """Find configuration and folder.

    Args:
        name: a YAML file or the name of a shipped configuration; may be left out when an
            existing run is named.
        output: the run's folder.
        seed: goes before that of the configuration and of `sets`.
        sets: overrides such as `train.epochs=1`.
        data: folder of the data files, goes before that of the configuration.
        resume: 'auto', a run folder, or its `last.pt`; None starts a run.
        root: folder of the run folders.

    Raises:
        UsageError: with what is missing or contradicts.
    """
    if seed is not None:  # one more override, so that its range is checked as any other's
        sets = [*sets, f"seed={seed}"]
    named = _named_run(resume, output)
    if name is None:
        if named is None:
            raise UsageError(
                "--config is missing; name a YAML file or one of: "
                f"{', '.join(sorted(shipped_configs()))}"
            )
        return Choice(_with_data(_config_of(named, sets), data), named.path)
    run_name, file = find_config(name)
    config = _with_data(load_config(file, sets), data)
    if resume is None:
        return Choice(config, output or next_folder(run_name, config.seed, root).path)
    if named is not None:
        note = "" if named.path.exists() else f"there is no run {named} yet: starting it"
        return Choice(config, named.path, note)
    return _automatic(run_name, config, root)


def _automatic(name: str, config: RunConfig, root: Path) -> Choice:
    run = to_resume(name, config.seed, root)
    if run is None:
        folder = next_folder(name, config.seed, root)
        note = f"there is no run of {printable(name)} with seed {config.seed}: starting one"
        return Choice(config, folder.path, note)
    return Choice(config, run.path)


def _named_run(resume: str | None, output: Path | None) -> RunFolder | None:
    """The run that the user named by a path."""
    if resume is None:
        return None
    if resume == "auto":
        return RunFolder(output) if output is not None else None
    path = Path(resume)
    run = RunFolder(path if path.is_dir() else path.parent)
    if not path.exists() or (path.is_file() and path.name != run.last.name):
        raise UsageError(
            f"--resume {printable(resume)}: expected 'auto', the folder of a run, or its last.pt"
        )
    if output is not None and output.resolve() != run.path.resolve():
        raise UsageError(
            f"--resume names the run {run}, --output names {printable(output)}; leave one out"
        )
    return run


def _config_of(run: RunFolder, sets: Sequence[str]) -> RunConfig:
    """Configuration of an existing run, with overrides."""
    if run.saved:
        config = checkpoint.config_of(newest(run)[0], run.last)
        return from_mapping(RunConfig, config.model_dump(mode="json"), sets, printable(run.last))
    if run.config.exists():
        return load_config(run.config, sets)
    raise UsageError(
        f"{run} holds neither last.pt nor config.yaml, so it is no run to go on with; "
        "name its configuration with --config to start one there"
    )


def _with_data(config: RunConfig, folder: Path | None) -> RunConfig:
    if folder is None:
        return config
    return config.model_copy(update={"data": config.data.moved_to(folder)})
