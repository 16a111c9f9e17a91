"""The table of speed and memory, generated from the committed results of `rul bench`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cmapss_rul.bench.machine import sentence
from cmapss_rul.bench.requirements import Row, remarks, rows
from cmapss_rul.display.markdown import table

BENCHMARKS = tuple(Path(f"configs/bench-fd00{number}.json") for number in (1, 2, 3, 4))
"""Written by `rul bench --subset … --output …`, one file a subset; any of them may be missing."""


def read_benchmarks(root: Path) -> list[dict[str, Any]]:
    """Read the committed benchmarks.

    Args:
        root: of the repository.
    """
    paths = [root / path for path in BENCHMARKS]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


