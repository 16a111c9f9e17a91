"""`scripts/rerun-cell`: repeat a cell of the ledger and compare the results."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli import main
from cmapss_rul.cli.options import AsJson, Data, Device, Jobs
from cmapss_rul.cli.output import print_table

NAME = "scripts/rerun-cell"
app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,  # not installed as a command
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def rerun_cell(
    config: Annotated[str, typer.Argument(metavar="CONFIG", help="YAML file or shipped name.")],
    cell: Annotated[
        str,
        typer.Argument(
            metavar="CELL",
            help="Balancer, then settings of the grid as KEY=VALUE.",
        ),
    ],
    seed: Annotated[
        list[int] | None,
        typer.Option(
            min=0, metavar="N", help="Seed of the run; the ledger's first by default. Repeatable."
        ),
    ] = None,
    ledger: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Ledger; by default that of the shipped configurations."),
    ] = None,
    data: Data = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder for the runs; existing runs are resumed."),
    ] = None,
    jobs: Jobs = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Repeat a cell of the ledger and check whether its results are inside the ledger's spread.

    Trains and evaluates the configuration like `rul compare`, with a verdict on each metric:

    \b
    identical  every metric equals that of the ledger's run of the same seed.
               Expected only on an equal machine with equal versions: other
               processors round differently, and training amplifies that.
    inside     otherwise: the metric is in mean ± t(n−1) · sd · √(1 + 1/n) of
               the ledger's n seeds, the 95 % prediction interval for one more
               run; with 5 seeds, mean ± 3.0 sd. Mean ± 2 sd would ignore the
               uncertainty of an sd from a few seeds.
    outside    neither; exit 1. With a new seed, one metric in twenty is outside
               by chance.

    A configuration that differs from the ledger's, or other data files, are an error.

    \b
    Examples:
      scripts/rerun-cell fd001 amnl
      scripts/rerun-cell fd003 gradnorm --seed 0 --seed 7 --output reruns
    """
    from cmapss_rul.experiments.compare import RunsFailed, compare
    from cmapss_rul.experiments.executors import Options
    from cmapss_rul.experiments.ledger import read_ledger
    from scripts import rerun

    known = rerun.find_cell(read_ledger(ledger or rerun.shipped_ledger()), config, cell)
    # a seed of the ledger by default: identical results on an equal machine
    seeds = list(dict.fromkeys(seed or [known.runs[0].seed]))
    grid = rerun.grid_of_cell(known, config, seeds, data)

    from cmapss_rul.cli.progress import GridProgress

    progress = GridProgress(quiet_stdout=as_json)
    with tempfile.TemporaryDirectory(prefix="rerun-cell-") as temporary:
        try:
            made = compare(grid, output or Path(temporary, "grid"), Options(jobs, device), progress)
        finally:
            progress.close()
    if made.missing:
        raise RunsFailed(made.errors, len(grid.runs))
    verdicts = rerun.judge(known, made)
    if as_json:
        typer.echo(rerun.as_json(verdicts), nl=False)
    else:
        print_table(rerun.verdict_table(verdicts, known, made))
    # after the table: the exit code is for scripts
    if not all(verdict.inside for verdict in verdicts):
        raise rerun.OutsideSpread(verdicts)


if __name__ == "__main__":
    main(application=app, name=NAME)
