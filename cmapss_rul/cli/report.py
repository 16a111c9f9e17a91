"""`rul report`: write an HTML report of a run or of a comparison."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import Data, Device, complete_run
from cmapss_rul.cli.output import print_line


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="RUN-OR-COMPARISON",
            help="Run folder, or output folder of rul compare.",
            autocompletion=complete_run,
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="HTML file; by default report.html in the folder."),
    ] = None,
    device: Device = "auto",
    data: Data = None,
) -> None:
    """Write an HTML report with metrics, plots and protocol.

    The report is one self-contained HTML file; its plots are also saved as PNG and SVG in the
    folder report-figures beside it. For a run, the best checkpoint is evaluated on the test
    engines, evaluation.json and predictions.csv are saved as by `rul evaluate`, and MODEL_CARD.md
    is written. For a comparison, the results saved by rul compare are shown.

    \b
    Examples:
      rul report runs/fd001-s0
      rul report comparisons/3f2a9c41 --output comparison.html
    """
    from cmapss_rul.reports.report import report as write_report

    page, *others = write_report(
        folder, output, device=device, data_dir=data, warn=lambda text: print_line(text, err=True)
    )
    for path in others:  # plots are not listed one by one
        if path.suffix == ".md":
            print_line(f"saved {path}")
    print_line(f"saved {page}, and its plots beside it")
