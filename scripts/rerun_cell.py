"""`scripts/rerun-cell`: a cell of the ledger made again, and held against it."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli import main
from cmapss_rul.cli.terminal import show

NAME = "scripts/rerun-cell"
app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
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
            min=0, metavar="N", help="Of the run; the ledger's first by default. Repeatable."
        ),
    ] = None,
    ledger: Annotated[
        Path | None, typer.Option(metavar="FILE", help="By default that of the shipped ones.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the data files.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the runs there, and go on where they stopped."),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            metavar="N",
            help="Processes, of one thread each; the cores by default.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the verdicts as JSON to stdout, nothing else.")
    ] = False,
) -> None:
    """Make a cell of the ledger again and say whether it falls inside the ledger's spread.

    Trains and evaluates the configuration as `rul compare` does, and judges each figure:

    \b
    the same  the run repeats the ledger's run of that seed, every figure of it.
              Expected on an equal machine with equal versions, and there alone:
              other processors round otherwise, and training makes much of it.
    inside    else: the figure lies in mean ± t(n−1) · sd · √(1 + 1/n) of the
              ledger's n seeds, the range in which one more run is expected at
              95 %; with 5 seeds, mean ± 3.0 sd. Mean ± 2 sd would take the sd
              of a few seeds for the true one.
    outside   neither; exit 1. Of the figures of a new seed one in twenty is
              outside by chance.

    Refused: a configuration that is no longer the ledger's, and other data files.

    \b
    Example:
      scripts/rerun-cell fd001 amnl
      scripts/rerun-cell fd003 gradnorm --seed 0 --seed 7 --output reruns
    """
    from cmapss_rul.experiments import rerun
    from cmapss_rul.experiments.compare import Options, RunsFailed, compare
    from cmapss_rul.experiments.ledger import read

    found = read(ledger or rerun.shipped_ledger())
    known = rerun.find(found, config, cell)
    seeds = list(dict.fromkeys(seed or [known["runs"][0]["seed"]]))
    grid = rerun.grid_of(known, config, seeds, data)

    from cmapss_rul.cli.grid_progress import GridProgress

    progress = GridProgress(quiet_stdout=as_json)
    with tempfile.TemporaryDirectory(prefix="rerun-cell-") as spare:
        try:
            made = compare(grid, output or Path(spare, "grid"), Options(jobs, device), progress)
        finally:
            progress.close()
    if made.missing:
        raise RunsFailed(made.missing, len(grid.runs))
    verdicts = rerun.judge(known, made)
    if as_json:
        typer.echo(rerun.as_json(verdicts), nl=False)
    else:
        show(rerun.render(verdicts, known, made))
    if not all(verdict.inside for verdict in verdicts):
        raise rerun.OutsideSpread(verdicts)


if __name__ == "__main__":
    main(application=app, name=NAME)
