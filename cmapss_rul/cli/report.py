"""`rul report`: a run or a comparison as a page."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.completion import runs
from cmapss_rul.cli.options import Data, Device


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN-OR-GRID",
            help="A run folder, or the folder of rul compare.",
            autocompletion=runs,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The page; by default report.html in the folder."),
    ] = None,
    device: Device = "auto",
    data: Data = None,
) -> None:
    """Write a page with figures, pictures and protocol.

    The page is one HTML file that needs nothing else; each picture is also saved as PNG and SVG in
    a folder beside it, report-figures. A run's best epoch is evaluated on its test engines, which
    saves evaluation.json and predictions.csv as `rul evaluate` does, and gets a MODEL_CARD.md in
    its folder. A comparison is shown as rul compare saved it.

    \b
    Example:
      rul report runs/fd001-s0
      rul report comparisons/3f2a9c41 --output comparison.html
    """
    from cmapss_rul.display.text import printable
    from cmapss_rul.reports.target import report as write_report

    page, *others = write_report(folder, output, device=device, data_dir=data)
    for path in others:
        if path.suffix == ".md":
            typer.echo(f"saved {printable(path)}")
    typer.echo(f"saved {printable(page)}, and its pictures beside it")
