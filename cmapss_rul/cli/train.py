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

    Only training files are opened, never test files. The run folder contains config.yaml,
    metrics.csv, train.log, best.pt (best epoch on the validation engines), last.pt and
    previous.pt (the checkpoint before last.pt). With --folds it contains config.yaml, a run folder
    per fold, and best.pt with all networks, which every command accepts. On Ctrl-C or SIGTERM a
    checkpoint is saved and the command to resume is printed. Trackers receive the configuration,
    the metrics of each epoch and the checkpoint, and later the results of rul evaluate and rul
    report; if a tracker fails, a warning is printed and training continues.

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

    # report a wrong name before torch is imported; with several ranks the first reports it later
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
        # on one rank: each would pick another name for the new folder
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
            print_line("next:")  # the last line is only the command, so that a script can read it
            print_line(f"rul evaluate {shell_word(run.best)}")
