"""`rul train`: train a configuration, or go on with a run."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.completion import configurations, runs_to_resume
from cmapss_rul.cli.options import Data, Device, Sets


class Logger(StrEnum):
    """What `--logger` takes."""

    tensorboard = "tensorboard"


def train(
    config: Annotated[
        str | None,
        typer.Option(
            "--config",
            "-c",
            metavar="NAME-OR-PATH",
            help="A YAML file or a shipped configuration.",
            autocompletion=configurations,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder of the run; by default runs/<config>-s<seed>, then -2, -3."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Seed of the run, before that of the configuration."),
    ] = None,
    sets: Sets = None,
    data: Data = None,
    device: Device = "auto",
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="auto|PATH",
            help="Go on exactly where a run stopped: 'auto' takes the newest unfinished one of "
            "this configuration and seed; or name a run folder or its last.pt.",
            autocompletion=runs_to_resume,
        ),
    ] = None,
    logger: Annotated[
        Logger | None,
        typer.Option(
            help="Also write the figures of each epoch into the run folder for TensorBoard, "
            "which is the extra [tensorboard]."
        ),
    ] = None,
) -> None:
    """Train a model; only train files are opened.

    The run folder holds config.yaml, metrics.csv, train.log, best.pt and last.pt. Stopped by
    Ctrl-C or SIGTERM, a run saves and says how to go on.

    \b
    Examples:
      rul train --config fd001
      rul train --config fd002 --seed 3 --set balancer.name=gradnorm --set train.epochs=5
      rul train --config fd001 --resume auto
      rul train --config fd001 --logger tensorboard
      torchrun --nproc-per-node 2 --no-python rul train --config fd001
    """
    from contextlib import ExitStack

    from cmapss_rul.config.shipped import find_config

    if config is not None and os.environ.get("WORLD_SIZE", "1") == "1":  # ranks say it once, later
        find_config(config)  # a wrong name is refused before anything heavy is imported

    from cmapss_rul.cli.progress import Progress
    from cmapss_rul.display.text import shell_word
    from cmapss_rul.training.loggers import Reporter, TensorBoard
    from cmapss_rul.training.ranks import joined
    from cmapss_rul.training.run_selection import choose
    from cmapss_rul.training.runs import RunFolder
    from cmapss_rul.training.train import train as run_training

    with ExitStack() as closing:
        ranks = closing.enter_context(joined(device))
        chosen = ranks.of_first(
            lambda: choose(
                config, output=output, seed=seed, sets=sets or [], data=data, resume=resume
            )
        )
        progress = Progress(chosen.config.train.epochs)
        closing.callback(progress.close)
        reporters: list[Reporter] = [progress]
        if logger is not None and ranks.first:
            metrics = RunFolder(chosen.folder).metrics
            reporters.insert(0, closing.enter_context(TensorBoard(metrics)))
        if chosen.note and ranks.first:
            progress.note(chosen.note)
        run = run_training(
            chosen.config,
            chosen.folder,
            resume=resume is not None,
            device=device,
            reporters=reporters,
            ranks=ranks,
        )
        if ranks.first:
            typer.echo(f"rul evaluate {shell_word(run.best)}")
