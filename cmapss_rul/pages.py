"""The pages of the repository that hold figures made from data, and what they should say."""

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cmapss_rul.bench import kept
from cmapss_rul.display.markdown import replaced
from cmapss_rul.experiments import ledger
from cmapss_rul.experiments.identity import config_digest
from cmapss_rul.experiments.ledger_table import as_markdown as ledger_table
from cmapss_rul.experiments.table import spread
from cmapss_rul.metrics.published import as_markdown as published_table
from cmapss_rul.system.files import write_whole
from cmapss_rul.training.config import RunConfig, load_config

LEDGER = Path("configs/ledger.json")
_MEASURED = re.compile(r"^# Measured .*\n(?:# .*\n)*", re.MULTILINE)
"""The lines of a configuration's opening comment that hold its figures."""


def pages(root: Path) -> dict[Path, str]:
    """Return the wanted text of each page that holds a table, and of each configuration.

    A table whose data are missing is left as it is, and so is the comment of a configuration
    that the ledger lacks.

    Args:
        root: of the repository.

    Raises:
        UsageError: the ledger is none, or a page has no place for a table.
    """
    readme, published = root / "README.md", root / "configs" / "published-figures.md"
    tables = [(published, "published figures", published_table())]
    wanted = {}
    if (root / LEDGER).exists():
        found = ledger.read(root / LEDGER)
        tables.append((readme, "ledger", ledger_table(found)))
        wanted = _configurations(root, found)
    if benchmarks := kept.read(root):
        tables.append((readme, "bench", kept.as_markdown(benchmarks)))
    for page, name, table in tables:
        text = wanted.get(page) or page.read_text(encoding="utf-8")
        wanted[page] = replaced(text, name, table)
    return wanted


def _configurations(root: Path, found: Mapping[str, Any]) -> dict[Path, str]:
    """Shipped configurations, the figures in their opening comments brought up to date."""
    cells = {
        config_digest(RunConfig.model_validate(cell["configuration"])): cell
        for cell in found["cells"]
        if not cell["settings"]
    }
    wanted = {}
    for path in sorted((root / "configs").glob("*.yaml")):
        cell = cells.get(config_digest(load_config(path)))
        if cell is not None:
            text = path.read_text(encoding="utf-8")
            wanted[path] = _MEASURED.sub(_measured(cell), text, count=1)
    return wanted


def _measured(cell: Mapping[str, Any]) -> str:
    """The figures of a cell, as lines of a comment."""
    seconds = cell["seconds"]["mean"]
    text = (
        f"Measured over {cell['n_seeds']} seeds: RMSE {spread(cell['rmse'], 2)} and NASA score "
        f"{spread(cell['nasa'], 0)} on the last window of each test engine, capped labels; "
        f"{seconds:.0f} s a run on one thread, {seconds / 60:.1f} minutes (configs/ledger.json)."
    )
    return textwrap.indent(textwrap.fill(text, 98), "# ") + "\n"


def write(root: Path) -> list[Path]:
    """Bring every page up to date, and return those that changed."""
    changed = {path: text for path, text in pages(root).items() if path.read_text("utf-8") != text}
    for path, text in changed.items():
        write_whole(path, text)
    return list(changed)
