"""`rul train`: train a model, or resume a run."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import ConfigName, Data, Device, Folds, Resume, Sets
from cmapss_rul.cli.output import print_line


class Logger(StrEnum):
    """Values of `--logger`."""

    tensorboard = "tensorboard"


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
    logger: Annotated[
        Logger | None,
        typer.Option(
            help="Also write the metrics of each epoch as TensorBoard events into the run folder; "
            "needs pip install 'cmapss_rul[tensorboard]'."
        ),
    ] = None,
) -> None:
    """Train a model.

    Only training files are opened, never test files. The run folder holds config.yaml,
    metrics.csv, train.log, best.pt (best epoch on the validation engines), last.pt and
    previous.pt (the checkpoint before it). With --folds it holds config.yaml, a run folder for
    each fold, and best.pt with all networks, which every command takes like any other. On Ctrl-C
    or SIGTERM the run saves a checkpoint and prints how to resume.

    \b
    Examples:
      rul train --config fd001
      rul train --config fd002 --seed 3 --set balancer.name=gradnorm --set train.epochs=5
      rul train --config fd001 --folds 5
      rul train --config fd001 --resume auto
      rul train --config fd001 --logger tensorboard
      torchrun --nproc-per-node 2 --no-python rul train --config fd001
    """
    from contextlib import ExitStack

    from cmapss_rul.config.shipped import find_config

    # refuse a wrong name before torch is imported; of several ranks one reports it later
    if config is not None and os.environ.get("WORLD_SIZE", "1") == "1":
        find_config(config)

    from cmapss_rul.cli.progress import Progress
    from cmapss_rul.display.text import shell_word
    from cmapss_rul.system.errors import UsageError
    from cmapss_rul.training.loggers import Reporter, TensorBoard
    from cmapss_rul.training.ranks import join_process_group
    from cmapss_rul.training.runs import select_run
    from cmapss_rul.training.train import train as run_training

    sets = [*(sets or []), *([f"split.folds={folds}"] if folds is not None else [])]
    with ExitStack() as closing:
        group = closing.enter_context(join_process_group(device))
        # one rank for all: each by itself would find another name for the new folder
        selection = group.on_first_rank(
            select_run, config, output=output, seed=seed, sets=sets, data=data, resume=resume
        )
        progress = Progress(selection.config.train.epochs)
        closing.callback(progress.close)
        reporters: list[Reporter] = [progress]
        if logger is not None and selection.config.split.is_ensemble:
            raise UsageError(
                "--logger: writes one run, and --folds trains several; leave it out, or train one "
                "with --set split.fold=0"
            )
        if logger is not None and group.first:
            reporters.insert(0, closing.enter_context(TensorBoard(selection.run.metrics)))
        if selection.note and group.first:
            progress.note(selection.note)
        run = run_training(
            selection.config,
            selection.run,
            resume=resume is not None,
            device=device,
            reporters=reporters,
            group=group,
        )
        if group.first:
            progress.close()  # the bar would overwrite the lines below
            print_line(f"saved in {run}")
            print_line("next:")  # the last line is the command alone, for a script to take
            print_line(f"rul evaluate {shell_word(run.best)}")
