"""`rul runs`: list run folders and comparisons."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cmapss_rul.cli.options import AsJson
from cmapss_rul.cli.output import print_json, print_line
from cmapss_rul.system.errors import printable

if TYPE_CHECKING:
    from datetime import datetime

    from cmapss_rul.experiments.listing import ListedComparison
    from cmapss_rul.training.listing import ListedRun


def runs(
    directory: Annotated[
        Path, typer.Option("--dir", metavar="DIR", help="Parent folder of the run folders.")
    ] = Path("runs"),
    as_json: AsJson = False,
) -> None:
    """List the runs and comparisons with their state and metrics.

    A run is finished, unfinished (it may be training now), interrupted (resume it with
    `rul train --resume`), damaged, or has no checkpoint. val RMSE: over all cycles of the
    validation engines. test RMSE: over the last windows of the test engines, after
    `rul evaluate`. Both on capped labels, in cycles. Comparisons in DIR are also listed, by
    default those in comparisons/. The JSON also has the mean weights of the two losses in the last
    epoch.

    \b
    Examples:
      rul runs
      rul runs --dir experiments --json
    """
    from dataclasses import asdict

    from cmapss_rul.experiments.listing import ROOT as COMPARISONS
    from cmapss_rul.experiments.listing import list_comparisons
    from cmapss_rul.system.errors import UsageError
    from cmapss_rul.training.listing import list_runs
    from cmapss_rul.training.runs import ROOT

    # the default folder may be missing: nothing has been trained yet
    if not directory.is_dir() and directory != ROOT:
        raise UsageError(f"--dir: there is no folder {directory}")
    found = list_runs(directory)
    comparisons = list_comparisons([directory, *([COMPARISONS] if directory == ROOT else [])])
    if as_json:
        plain = [
            {**asdict(entry), "kind": kind, "when": entry.when.isoformat() if entry.when else None}
            for kind, entries in (("run", found), ("comparison", comparisons))
            for entry in entries
        ]
        print_json(plain)
    elif not (found or comparisons):
        print_line(f"no runs in {directory}; start one with: rul train --config fd001")
    else:
        lines = _table(found) if found else []
        if comparisons:
            lines += [*([""] if lines else []), *_table_of_comparisons(comparisons)]
        for line in lines:
            print_line(line)


_HEADER = ("run", "state", "subset", "balancer", "seed", "val RMSE", "test RMSE", "when")
_NUMBERS = {"seed", "runs", "val RMSE", "test RMSE"}


def _table(found: "Sequence[ListedRun]") -> list[str]:
    """Format the table of runs and its notes as lines."""
    lines = _aligned([_HEADER, *(_entries(run) for run in found)])
    notes = [f"{run.name}: {run.note}" for run in found if run.note]
    return [*lines, *([""] if notes else []), *notes]


def _table_of_comparisons(found: "Sequence[ListedComparison]") -> list[str]:
    rows = [
        (entry.name, entry.state, str(entry.runs), _time(entry.when), ", ".join(entry.cells))
        for entry in found
    ]
    # before the columns are aligned, because escaping lengthens a name
    texts = [tuple(map(printable, row)) for row in rows]
    return _aligned([("comparison", "state", "runs", "when", "of"), *texts])


def _aligned(rows: "Sequence[tuple[str, ...]]") -> list[str]:
    """Align the cells of rows; the first row has the headings.

    Columns are as wide as their content and never wrap: grep and awk need one line per run.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if name in _NUMBERS else cell.ljust(width)
            for cell, width, name in zip(row, widths, rows[0], strict=True)
        ).rstrip()
        for row in rows
    ]


def _time(when: "datetime | None") -> str:
    return f"{when.astimezone():%Y-%m-%d %H:%M}" if when else ""


def _entries(run: "ListedRun") -> tuple[str, ...]:
    return (
        run.name,
        run.state,
        run.subset or "",
        run.balancer or "",
        "" if run.seed is None else str(run.seed),
        "" if run.val_rmse is None else f"{run.val_rmse:.2f}",
        "" if run.test_rmse is None else f"{run.test_rmse:.2f}",
        _time(run.when),
    )
