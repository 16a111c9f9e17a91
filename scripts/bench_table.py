"""Markdown tables of speed and memory, generated from the committed results of `rul bench`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmapss_rul.bench.table import Row, describe_machine, remarks, rows, splits_table
from cmapss_rul.display.table import Code, Table, to_markdown

BENCHMARKS = tuple(Path(f"configs/bench-fd00{number}.json") for number in (1, 2, 3, 4))
"""Results of `rul bench --subset … --output …`, one file per subset; any may be missing."""

SPLITS = Path("configs/bench-splits.json")
"""Results of `rul bench --splits 5 --seeds 3 --output …`."""


def read_benchmarks(root: Path) -> list[dict[str, Any]]:
    """Read the committed benchmarks.

    Args:
        root: root of the repository.
    """
    paths = [root / path for path in BENCHMARKS]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def bench_table(results: Sequence[Mapping[str, Any]]) -> str:
    """Tabulate results in Markdown, one column per subset, and mark missed requirements.

    Args:
        results: one result per subset, at least one.
    """
    columns = [{row.key: row for row in rows(result)} for result in results]
    # the rows of the first subset; those missing in a result of an older version stay empty. The
    # time to the target accuracy depends on the split and has its own table over splits.
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
    """Tabulate the time to the target accuracy over splits and seeds in Markdown."""
    return to_markdown(splits_table(json.loads(path.read_text(encoding="utf-8"))))


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    # None: no requirement, or no value
    return f"{row.value}, missed" if row.met is False else row.value


def _conditions(result: Mapping[str, Any]) -> str:
    """Data, threads, duration, date and machine of a benchmark."""
    return (
        f"{result['files']}, {result['threads']} threads per process, "
        f"{result['minutes']:.0f} minutes, {result['started'][:10]}; "
        f"{describe_machine(result['machine'])}"
    )
