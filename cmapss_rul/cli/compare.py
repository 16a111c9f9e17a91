"""`rul compare`: many runs under one protocol."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.completion import balancer_lists, configuration_lists
from cmapss_rul.cli.options import AsJson, Device, Sets
from cmapss_rul.cli.terminal import show


def compare(
    config: Annotated[
        str,
        typer.Option(
            "--config",
            "-c",
            metavar="LIST",
            help="YAML files or shipped names.",
            autocompletion=configuration_lists,
        ),
    ],
    balancer: Annotated[
        str | None,
        typer.Option(
            metavar="LIST",
            help="Balancers; each configuration's own by default.",
            autocompletion=balancer_lists,
        ),
    ] = None,
    seeds: Annotated[
        str,
        typer.Option(metavar="N|LIST", help="How many, from 0 on; or which: '3,7', or '7,'."),
    ] = "5",
    grid: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=V1,V2",
            help="Vary one key; the values are YAML. A key that only some balancers have varies "
            "in those alone. Repeatable.",
        ),
    ] = None,
    sets: Sets = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1024,
            metavar="N",
            help="Processes, of one thread each; the cores by default.",
        ),
    ] = None,
    engine: Annotated[
        str,
        typer.Option(metavar="NAME", help="local: processes of this machine; ray: tasks of Ray."),
    ] = "local",
    address: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Of a Ray cluster, or 'auto' on one of its machines; by default a Ray of this "
            "machine is started. RAY_ADDRESS says the same.",
        ),
    ] = None,
    gpus: Annotated[
        float | None,
        typer.Option(
            min=0, max=64, help="GPUs that Ray gives each run, 0.25 say; 1 for --device cuda."
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="By default comparisons/<digest of the grid>."),
    ] = None,
    device: Device = "auto",
    as_json: AsJson = False,
    allow_failed: Annotated[
        bool,
        typer.Option("--allow-failed", help="Look at the test files without the runs that failed."),
    ] = False,
    oracle: Annotated[
        bool,
        typer.Option(
            "--oracle",
            help="Also note each run's best TEST epoch, to show what choosing by it feigns.",
        ),
    ] = False,
    ledger: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Merge the cells into this JSON as well.")
    ] = None,
) -> None:
    """Compare configurations and balancers over the same seeds.

    Lists have commas. Runs go to DIR/runs, as `rul train` makes them; the same command goes on
    where it stopped. The test files are opened once, when every run has ended well. Out come
    tables, sentences, comparison.json, comparison.csv and figures.

    \b
    Examples:
      rul compare --config fd001 --balancer fixed,amnl,gradnorm --seeds 5
      rul compare --config fd001,fd003 --grid train.learning_rate=1e-3,2e-3 --seeds 3,7 --jobs 2
      rul compare --config fd001 --seeds 20 --engine ray --address 10.0.0.1:6379
    """
    from cmapss_rul.experiments import words

    named = words.names("--config", config)
    balancers = None if balancer is None else words.names("--balancer", balancer)
    chosen, axes = words.seeds(seeds), words.axes(grid or ())

    from cmapss_rul.cli.grid_progress import GridProgress
    from cmapss_rul.display.text import printable
    from cmapss_rul.experiments.compare import Options, RunsFailed
    from cmapss_rul.experiments.compare import compare as run_comparison
    from cmapss_rul.experiments.grid import make_grid

    made = make_grid(
        named, balancers=balancers, seeds=chosen, axes=axes, sets=sets or (), oracle=oracle
    )
    progress = GridProgress(quiet_stdout=as_json)
    options = Options(jobs, device, allow_failed, ledger, engine, address, gpus)
    try:
        comparison = run_comparison(made, output, options, progress)
    finally:
        progress.close()
    if as_json:
        typer.echo(comparison.as_json(), nl=False)
    else:
        from cmapss_rul.experiments.table import render

        show(render(comparison))
        typer.echo(f"saved in {printable(comparison.folder)}")
    if comparison.missing:
        raise RunsFailed(comparison.missing, len(made.runs))
