"""`rul train`: train a model, or resume a run."""

import os
from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import (
    ConfigName,
    Data,
    Device,
    Folds,
    Loggers,
    Resume,
    Sets,
    overrides_of,
)
from cmapss_rul.cli.output import print_line


def train(
    config: ConfigName = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Run folder; by default runs/<config>-s<seed>, with -2, -3, … if it exists.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Random seed, instead of that of the configuration."),
    ] = None,
    folds: Folds = None,
    sets: Sets = None,
    data: Data = None,
    device: Device = "auto",
    resume: Resume = None,
    logger: Loggers = None,
) -> None:
    """Train a model.

    Only training files are opened, never test files. The run folder holds config.yaml,
    metrics.csv, train.log, best.pt (best epoch on the validation engines), last.pt and
    previous.pt (the checkpoint before it). With --folds it holds config.yaml, a run folder for
    each fold, and best.pt with all networks, which every command takes like any other. On Ctrl-C
    or SIGTERM the run saves a checkpoint and prints how to resume. Trackers receive the
    configuration, the metrics of each epoch and the checkpoint, and later the results of rul
    evaluate and rul report; if one fails, a line says so and training continues.

    \b
    Examples:
      rul train --config fd001
      rul train --config fd002 --seed 3 --set balancer.name=gradnorm --set train.epochs=5
      rul train --config fd001 --folds 5
      rul train --config fd001 --resume auto
      rul train --config fd001 --logger tensorboard,mlflow
      torchrun --nproc-per-node 2 --no-python rul train --config fd001
    """
    from contextlib import ExitStack

    from cmapss_rul.config.shipped import find_config

    # refuse a wrong name before torch is imported; of several ranks one reports it later
    if config is not None and os.environ.get("WORLD_SIZE", "1") == "1":
        find_config(config)

    from cmapss_rul.training.trackers import parse_names

    loggers = parse_names(logger or ())

    from cmapss_rul.cli.progress import Progress
    from cmapss_rul.display.text import shell_word
    from cmapss_rul.training.ranks import join_process_group
    from cmapss_rul.training.run_selection import select_run
    from cmapss_rul.training.trackers.tracker_reporter import Tracking
    from cmapss_rul.training.train import train as run_training

    with ExitStack() as closing:
        group = closing.enter_context(join_process_group(device))
        # one rank for all: each by itself would find another name for the new folder
        selection = group.on_first_rank(
            select_run,
            config,
            output=output,
            seed=seed,
            sets=overrides_of(sets, folds),
            data=data,
            resume=resume,
        )
        progress = Progress(selection.config.train.epochs)
        closing.callback(progress.close)
        if selection.note and group.first:
            progress.note(selection.note)
        run = run_training(
            selection.config,
            selection.run,
            resume=resume is not None,
            device=device,
            reporters=[progress],
            group=group,
            tracking=Tracking(loggers),
        )
        if group.first:
            progress.close()  # the bar would overwrite the lines below
            print_line(f"saved in {run}")
            print_line("next:")  # the last line is the command alone, for a script to take
            print_line(f"rul evaluate {shell_word(run.best)}")
