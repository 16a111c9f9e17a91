"""`rul runs`: what lies in the folder of runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmapss_rul.cli.options import AsJson

if TYPE_CHECKING:
    from cmapss_rul.training.listing import Listed


def runs(
    directory: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Folder of the runs.")
    ] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List the run folders, each with its state and figures.

    A run is finished, unfinished (it may be training right now), interrupted (`rul train
    --resume` goes on with it), damaged, or without a checkpoint. val RMSE is over every cycle
    of the validation engines; test RMSE over the last windows of the test engines, where
    `rul evaluate` was run; both on capped labels, in cycles.

    \b
    Example:
      rul runs
      rul runs --dir experiments --json
    """
    from dataclasses import asdict

    from cmapss_rul.display.text import json_text, printable
    from cmapss_rul.system.errors import UsageError
    from cmapss_rul.training.listing import list_runs
    from cmapss_rul.training.runs import ROOT

    if not directory.is_dir() and directory != ROOT:
        raise UsageError(f"--dir: there is no folder {printable(directory)}")
    found = list_runs(directory)
    if as_json:
        plain = [
            {**asdict(run), "when": run.when.isoformat() if run.when else None} for run in found
        ]
        typer.echo(json_text(plain))
    elif not found:
        typer.echo(f"no runs in {printable(directory)}; rul train --config fd001 makes one")
    else:
        for line in _table(found):
            typer.echo(line)


_HEADER = ("run", "state", "subset", "balancer", "seed", "val RMSE", "test RMSE", "when")
_NUMBERS = {"seed", "val RMSE", "test RMSE"}


def _table(found: "Sequence[Listed]") -> list[str]:
    """Lines of a table as wide as its contents, the notes under it."""
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


def _cells(run: "Listed") -> tuple[str, ...]:
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
