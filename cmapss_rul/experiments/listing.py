"""Listing of the comparisons in a folder and their states, for `rul runs`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

ROOT = Path("comparisons")
IDENTITY = "grid.json"
RESULT = "comparison.json"  # written last: its presence means the comparison is complete


@dataclass(frozen=True)
class ListedComparison:
    """An entry of `rul runs`.

    Attributes:
        state: 'unfinished' until all runs are evaluated; 'damaged' if its grid cannot be read.
        runs: number of runs in the grid, cells × seeds.
    """

    name: str
    state: Literal["finished", "unfinished", "damaged"]
    cells: Sequence[str]
    runs: int
    when: datetime


def list_comparisons(roots: Sequence[Path]) -> list[ListedComparison]:
    """List the comparisons in folders, which may be missing, sorted by path."""
    paths = {path for root in roots for path in root.glob(f"*/{IDENTITY}")}
    return [_describe(path.parent) for path in sorted(paths)]


def _describe(folder: Path) -> ListedComparison:
    result = folder / RESULT
    finished = result.is_file()
    # not the time of the folder, which changes with every lock
    written = (result if finished else folder / IDENTITY).stat().st_mtime
    when = datetime.fromtimestamp(written, UTC)
    try:
        identity = json.loads((folder / IDENTITY).read_bytes())
        cells, seeds = list(identity["cells"]), len(identity["seeds"])
    except (OSError, LookupError, TypeError, ValueError):
        return ListedComparison(str(folder), "damaged", [], 0, when)
    state: Literal["finished", "unfinished"] = "finished" if finished else "unfinished"
    return ListedComparison(str(folder), state, cells, len(cells) * seeds, when)
