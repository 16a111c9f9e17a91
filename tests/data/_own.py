"""A small own fleet: a CSV with its own column names, and its configuration."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LIVES = {"p-7": 14, "p-2": 9, "p-11": 12, "p-5": 16, "p-1": 11, "p-9": 13, "p-4": 10, "p-3": 15}
"""Engines in the order of the file, and cycles until the failure."""

KEYS: dict[str, Any] = {
    "engine": "asset",
    "cycle": "hour",
    "settings": ["load %"],
    "sensors": ["temp", "vib"],
    "conditions": {"name": "settings", "decimals": [0]},
    "cap": 10,
    "window": 4,
}
"""The `data` part of a configuration, but for the files."""

HEADER = "asset,hour,load %,temp,vib,site"


def own_rows(change: Callable[[str, int], float] | None = None) -> list[str]:
    """Rows of the fleet; `change` adds to the temperature of an engine at a cycle."""
    noise = np.random.default_rng(0).normal(0, 1, (sum(LIVES.values()), 2)).round(3).tolist()
    rows = []
    for engine, life in LIVES.items():
        for cycle in range(1, life + 1):
            load, (a, b) = 50.0 * (cycle % 2), noise[len(rows)]
            temp = 500 + load + 5 * cycle + a + (change(engine, cycle) if change else 0)
            rows.append(f"{engine},{cycle},{load + a / 100:.4f},{temp:.4f},{b:.4f},north")
    return rows


def write_own(path: Path, rows: list[str] | None = None, header: str = HEADER) -> Path:
    """Write the fleet, or other rows, as CSV."""
    path.write_text("\n".join([header, *(own_rows() if rows is None else rows)]) + "\n")
    return path
