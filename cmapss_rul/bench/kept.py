"""The table of speed and memory, made from the benchmarks that the repository keeps."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmapss_rul.bench.machine import sentence
from cmapss_rul.bench.requirements import Row, remarks, rows
from cmapss_rul.display.markdown import table

KEPT = tuple(Path(f"configs/bench-fd00{number}.json") for number in (1, 2, 3, 4))
"""What `rul bench --subset … --output …` wrote, one file a subset; those that are there count."""


def read(root: Path) -> list[dict[str, Any]]:
    """Read the benchmarks that are there.

    Args:
        root: of the repository.
    """
    paths = [root / path for path in KEPT]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def as_markdown(results: Sequence[Mapping[str, Any]]) -> str:
    """Lay results out side by side, a column a subset; what falls short of its demand is marked.

    Args:
        results: at least one, each of another subset.
    """
    sides = [{row.key: row for row in rows(result)} for result in results]
    lines = [
        [f"`{key}`", *(_cell(side.get(key)) for side in sides), row.demand]
        for key, row in sides[0].items()
    ]
    head = ["figure, median ± spread", *(str(result["subset"]) for result in results), "must reach"]
    notes = [
        f"{result['subset']}: {note}."
        for result in results
        for note in (_made_on(result), *remarks(result))
    ]
    return "\n\n".join([table(head, lines, right=range(1, len(head))), *notes])


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    return f"{row.value}, missed" if row.met is False else row.value


def _made_on(result: Mapping[str, Any]) -> str:
    return (
        f"{result['files']}, {result['threads']} threads a side, {result['minutes']:.0f} minutes, "
        f"{result['started'][:10]}; {sentence(dict(result['machine']))}"
    )
