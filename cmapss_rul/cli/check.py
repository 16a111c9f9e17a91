"""`rul check`: detect drift of a file from the training data of a model."""

from pathlib import Path
from typing import Annotated

import typer

from cmapss_rul.cli.options import AsJson, Checkpoint
from cmapss_rul.cli.output import print_json, print_table

DRIFTED = 3
"""Exit code if a limit is exceeded."""


def check(
    checkpoint: Checkpoint,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Records as for rul predict; - reads stdin.")
    ],
    rul: Annotated[
        Path | None,
        typer.Option(
            "--rul",
            metavar="FILE",
            help="True RUL at the end of each record, once known: also checks the intervals.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare a file with the training data of a model.

    Prints the distance of each sensor from the training data at the same age and operating
    condition (Wasserstein distance, in standard deviations of the training data; at most 0.5, or
    2 ÷ √engines if the file has fewer than 16), the share of rows with an unknown operating
    condition (at most 1 %), the share of records shorter than the window (at most 50 %), the
    records that end with a stuck sensor, whose value no longer changes (none), and, with --rul,
    the share of intervals that contain the true RUL. Exits with 3 if a limit is exceeded, so that
    a scheduler can stop.

    \b
    Examples:
      rul check runs/fd001-s0 data/raw/test_FD001.txt
      rul check runs/my-s0 today.csv --json && rul predict runs/my-s0 today.csv -o rul.csv
    """
    import sys

    from cmapss_rul.evaluation.check import check as check_file
    from cmapss_rul.evaluation.check import to_table
    from cmapss_rul.training.trained_model import restore

    source = sys.stdin.buffer.read() if file == "-" else file
    name = "standard input" if file == "-" else None
    found = check_file(restore(checkpoint), source, rul=rul, name=name)
    if as_json:
        print_json(found.as_dict())
    else:
        print_table(to_table(found))
    if not found.ok:
        raise typer.Exit(DRIFTED)
