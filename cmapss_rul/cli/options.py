"""Arguments and options shared by several commands, with their shell completion.

Completion imports nothing heavy. If nothing matches, bash and zsh complete file names, so paths
need no completion here.
"""

import contextlib
import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.config.shipped import shipped_configs

DATA_FOLDER = Path("data/raw")
"""Data folder of the shipped configurations for official files."""

_BALANCERS = Path(__file__).resolve().parents[1] / "balancers"
_NAME = re.compile(r'name: Literal\["([^"]+)"\]')


def complete_config(incomplete: str) -> list[str]:
    """Complete the name of a shipped configuration."""
    return _with_prefix(incomplete, shipped_configs())


def complete_configs(incomplete: str) -> list[str]:
    """Complete the last name of a comma-separated list of shipped configurations."""
    return _complete_last(incomplete, shipped_configs())


def complete_balancers(incomplete: str) -> list[str]:
    """Complete the last name of a comma-separated list of balancers.

    The names are parsed from the source files: importing these would import torch, which takes
    seconds.
    """
    files = sorted(_BALANCERS.glob("*.py"))
    names = [name for file in files for name in _NAME.findall(file.read_text(encoding="utf-8"))]
    return _complete_last(incomplete, names)


def complete_loggers(incomplete: str) -> list[str]:
    """Complete the last name of a comma-separated list of trackers."""
    from cmapss_rul.training.trackers import NAMES

    return _complete_last(incomplete, NAMES)


def complete_run(incomplete: str) -> list[str]:
    """Complete the name of a folder in `runs/`."""
    return _with_prefix(incomplete, _run_folders())


def complete_resume(incomplete: str) -> list[str]:
    """Complete `auto`, or the name of a folder in `runs/`."""
    return _with_prefix(incomplete, ["auto", *_run_folders()])


def _run_folders() -> list[str]:
    names: list[str] = []
    with contextlib.suppress(OSError):  # no runs yet: nothing to complete
        names = sorted(path.as_posix() for path in Path("runs").iterdir() if path.is_dir())
    return [name for name in names if name.isprintable()]  # a shell prints them unescaped


def _complete_last(incomplete: str, names: Iterable[str]) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _with_prefix(last, names)]


def _with_prefix(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


ConfigName = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="NAME-OR-PATH",
        help="YAML file, or name of a shipped configuration; required unless --resume names a run.",
        autocompletion=complete_config,
    ),
]
ConfigNames = Annotated[
    str,
    typer.Option(
        "--config",
        "-c",
        metavar="LIST",
        help="YAML files or names of shipped configurations, comma-separated.",
        autocompletion=complete_configs,
    ),
]
Balancers = Annotated[
    str | None,
    typer.Option(
        "--balancer",
        metavar="LIST",
        help="Balancers, comma-separated; by default each configuration's own.",
        autocompletion=complete_balancers,
    ),
]
Seeds = Annotated[
    str,
    typer.Option(
        metavar="N|LIST",
        help="Number of seeds, starting at 0; or a list of seeds: '3,7', or '7,' for one.",
    ),
]
Axes = Annotated[
    list[str] | None,
    typer.Option(
        "--grid",
        metavar="KEY=V1,V2",
        help="Vary one configuration key; the values are parsed as YAML. A key that only some "
        "balancers have is varied for these only. Repeatable.",
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=1024,
        metavar="N",
        help="Worker processes with one thread each; by default the number of cores.",
    ),
]
Executor = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="local: processes on this machine; ray: tasks on a Ray cluster."
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Address of the Ray cluster, or 'auto' on one of its machines; by default "
        "$RAY_ADDRESS, else Ray is started on this machine.",
    ),
]
Gpus = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=64,
        metavar="N",
        help="GPUs per run with --executor ray, such as 0.25; by default 1 with --device cuda.",
    ),
]
Resume = Annotated[
    str | None,
    typer.Option(
        metavar="auto|PATH",
        help="Resume a run exactly where it stopped: a run folder or its last.pt, or 'auto' for "
        "the newest unfinished run under runs/ with this configuration and seed.",
        autocompletion=complete_resume,
    ),
]
Records = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="C-MAPSS text, or CSV, Parquet or Excel with column names; - reads standard input.",
    ),
]
Checkpoint = Annotated[
    Path,
    typer.Argument(
        metavar="CHECKPOINT-OR-RUN",
        help="Checkpoint file, or run folder, whose best.pt is used.",
        autocompletion=complete_run,
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override one configuration key, for example train.epochs=1; the value is parsed as "
        "YAML. Repeatable.",
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(
        min=2,
        max=100,
        metavar="K",
        help="Divide the training engines into K folds and train an ensemble of K networks, each "
        "validated on another fold; the prediction is their mean (split.folds).",
    ),
]


def overrides_of(sets: Iterable[str] | None, folds: int | None) -> list[str]:
    """Return the overrides of --set and --folds.

    >>> overrides_of(None, 5)
    ['split.folds=5']
    """
    return [*(sets or ()), *([] if folds is None else [f"split.folds={folds}"])]


Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Data folder; by default that of the configuration (data.dir).",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        help="auto, cpu or cuda; auto uses a CUDA GPU if there is one. mps and xpu are accepted "
        "if PyTorch has them, but untested.",
    ),
]
Loggers = Annotated[
    list[str] | None,
    typer.Option(
        "--logger",
        metavar="LIST",
        help="Also log the run to these trackers, comma-separated: csv, mlflow, tensorboard, "
        "trackio, wandb. All but csv need an extra, such as pip install 'cmapss_rul[mlflow]'.",
        autocompletion=complete_loggers,
    ),
]
Level = Annotated[
    float | None,
    typer.Option(
        metavar="LEVEL",
        help="Coverage level of the intervals, one of those calibrated; by default the level "
        "nearest to 0.9.",
    ),
]


class EstimateName(StrEnum):
    """Values of `--estimate`."""

    rmse = "rmse"
    nasa = "nasa"


Estimate = Annotated[
    EstimateName,
    typer.Option(
        "--estimate",
        help="rmse: RUL of the network. nasa: a lower RUL, which minimises the expected NASA score "
        "given the residuals of the calibration engines. The intervals are the same for both.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


EngineColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of the engine column, if it is not a known alias."),
]
CycleColumn = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of the cycle column, if it is not a known alias."),
]
CycleFromOrder = Annotated[
    bool,
    typer.Option(
        "--cycle-from-order",
        help="The cycle column has times: number the rows of each engine in file order instead.",
    ),
]
