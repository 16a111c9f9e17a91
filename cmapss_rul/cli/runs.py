"""`rul runs`: list the run folders."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmapss_rul.cli.options import AsJson
from cmapss_rul.cli.output import print_line

if TYPE_CHECKING:
    from cmapss_rul.training.listing import ListedRun


def runs(
    directory: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Folder that holds the run folders.")
    ] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List the runs with their state and metrics.

    A run is finished, unfinished (it may be training now), interrupted (`rul train --resume`
    resumes it), damaged, or has no checkpoint. val RMSE: over all cycles of the validation
    engines. test RMSE: over the last windows of the test engines, after `rul evaluate`. Both on
    capped labels, in cycles.

    \b
    Example:
      rul runs
      rul runs --dir experiments --json
    """
    from dataclasses import asdict

    from cmapss_rul.display.text import json_text
    from cmapss_rul.system.errors import UsageError
    from cmapss_rul.training.listing import list_runs
    from cmapss_rul.training.runs import ROOT

    if not directory.is_dir() and directory != ROOT:
        raise UsageError(f"--dir: there is no folder {directory}")
    found = list_runs(directory)
    if as_json:
        plain = [
            {**asdict(run), "when": run.when.isoformat() if run.when else None} for run in found
        ]
        typer.echo(json_text(plain))
    elif not found:
        print_line(f"no runs in {directory}; rul train --config fd001 starts one")
    else:
        for line in _table(found):
            print_line(line)


_HEADER = ("run", "state", "subset", "balancer", "seed", "val RMSE", "test RMSE", "when")
_NUMBERS = {"seed", "val RMSE", "test RMSE"}


def _table(found: "Sequence[ListedRun]") -> list[str]:
    """Format the lines of the table, and the notes under it.

    As wide as its content, never wrapped, so that each run stays on one line for grep and awk.
    """
    rows = [_HEADER, *(_cells(run) for run in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
            for cell, width, name in zip(row, widths, _HEADER, strict=True)
        ).rstrip()
        for row in rows
    ]
    notes = [f"{run.name}: {run.note}" for run in found if run.note]
    return [*lines, *([""] if notes else []), *notes]


def _cells(run: "ListedRun") -> tuple[str, ...]:
    return (
        run.name,
        run.state,
        run.subset or "",
        run.balancer or "",
        "" if run.seed is None else str(run.seed),
        "" if run.val_rmse is None else f"{run.val_rmse:.2f}",
        "" if run.test_rmse is None else f"{run.test_rmse:.2f}",
        f"{run.when.astimezone():%Y-%m-%d %H:%M}" if run.when else "",
    )
