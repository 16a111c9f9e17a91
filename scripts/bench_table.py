"""The table of speed and memory, generated from the committed results of `rul bench`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmapss_rul.bench.table import Row, describe_machine, remarks, rows, splits_table
from cmapss_rul.display.table import Code, Table, to_markdown

BENCHMARKS = tuple(Path(f"configs/bench-fd00{number}.json") for number in (1, 2, 3, 4))
"""Written by `rul bench --subset … --output …`, one file a subset; any of them may be missing."""

SPLITS = Path("configs/bench-splits.json")
"""Written by `rul bench --splits 5 --seeds 3 --output …`."""


def read_benchmarks(root: Path) -> list[dict[str, Any]]:
    """Read the committed benchmarks.

    Args:
        root: of the repository.
    """
    paths = [root / path for path in BENCHMARKS]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def bench_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Lay out results side by side in Markdown, one column per subset; mark missed limits.

    Args:
        results: at least one, each of another subset.
    """
    columns = [{row.key: row for row in rows(result)} for result in results]
    # rows of the first subset; a result of an older version may lack some, whose cells stay empty.
    # The time to the target accuracy is that of one split, and has a table over splits of its own.
    lines = [
        [Code(key), *(_cell(column.get(key)) for column in columns), row.requirement]
        for key, row in columns[0].items()
        if not key.startswith("accuracy.")
    ]
    head = ["median ± spread", *(str(result["subset"]) for result in results), "required"]
    notes = [
        f"{result['subset']}: {note}."
        for result in results
        for note in (_conditions(result), *remarks(result))
    ]
    return to_markdown(Table("", head, lines, notes=notes))


def accuracy_table(path: Path) -> str:
    """Lay out the time to the target accuracy over splits and seeds in Markdown."""
    return to_markdown(splits_table(json.loads(path.read_text(encoding="utf-8"))))


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    # None: there is no limit, or no value to compare with it
    return f"{row.value}, missed" if row.met is False else row.value


def _conditions(result: Mapping[str, Any]) -> str:
    """Data, threads, duration, date and machine of a benchmark."""
    return (
        f"{result['files']}, {result['threads']} threads per process, "
        f"{result['minutes']:.0f} minutes, {result['started'][:10]}; "
        f"{describe_machine(result['machine'])}"
    )
