"""Markdown table of the coverage of prediction intervals in the runs of a comparison.

    python -m scripts.coverage_table FOLDER...    folders of `rul compare`

Reads `evaluation.json` of every run. Per cell: coverage of last windows and of every window,
capped labels, mean ± sd over its runs, and mean width in cycles, at levels that all its runs have.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmapss_rul.display.table import Table, to_markdown
from cmapss_rul.experiments.summaries import Spread
from cmapss_rul.experiments.table import show_spread
from cmapss_rul.intervals.conformal import DEFAULT_LEVELS

WINDOWS = {"last": "last windows", "every": "every window"}


def read_evaluations(folders: Sequence[Path]) -> dict[str, list[dict[str, Any]]]:
    """Read evaluation.json of all evaluated runs below some folders, by cell.

    A cell is the name of a run without its seed.
    """
    cells = defaultdict(list)
    for folder in folders:
        for path in sorted(folder.rglob("evaluation.json")):
            name = path.parent.name.rpartition("-s")[0]
            cells[name].append(json.loads(path.read_text(encoding="utf-8")))
    return dict(cells)


def read_coverage(folders: Sequence[Path]) -> dict[str, list[dict[str, Any]]]:
    """Read the intervals of all evaluated runs below some folders, by cell."""
    cells = read_evaluations(folders)
    return {name: [run["intervals"] for run in runs] for name, runs in cells.items()}


def coverage_table(cells: Mapping[str, Sequence[Mapping[str, Any]]], windows: str) -> Table:
    """Tabulate coverage and mean width by cell and level; `windows` is 'last' or 'every'."""
    rows = []
    for name, runs in sorted(cells.items()):
        engines = sorted({run.get("engines", 0) for run in runs})
        cells_of_row = [_cell(runs, level, windows) for level in DEFAULT_LEVELS]
        rows.append([name, str(len(runs)), "–".join(map(str, engines)), *cells_of_row])
    head = [WINDOWS[windows], "runs", "engines", *(f"{level:g}" for level in DEFAULT_LEVELS)]
    return Table("", head, rows)


def _cell(runs: Sequence[Mapping[str, Any]], level: float, windows: str) -> str:
    found = [
        entry[windows]["capped"]
        for run in runs
        for entry in run.get("coverage", [])
        if entry["level"] == level
    ]
    if len(found) < len(runs):
        return "not offered"
    width = sum(entry["width"] for entry in found) / len(found)
    return f"{show_spread(Spread.of([entry['coverage'] for entry in found]), 2)}, {width:.0f}"


def main() -> None:
    """Print both tables."""
    cells = read_coverage([Path(name) for name in sys.argv[1:]])
    if not cells:
        sys.exit("found no evaluation.json; name a folder of rul compare")
    for windows in WINDOWS:
        print(to_markdown(coverage_table(cells, windows)), end="\n\n")


if __name__ == "__main__":
    main()
