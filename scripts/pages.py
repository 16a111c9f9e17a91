"""Generated tables in the pages of the repository.

A generated table is between two comments, `<!-- NAME: written by …` and `<!-- end of NAME -->`,
by which its page is found: to move a table to another page, move the two comments.

    python -m scripts.pages     update all pages (scripts/write-tables)
"""

import os
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from cmapss_rul.display.table import Table, to_markdown
from cmapss_rul.experiments.identity import config_digest
from cmapss_rul.experiments.ledger import read_ledger
from cmapss_rul.experiments.results import Ledger
from cmapss_rul.experiments.summaries import CellSummary
from cmapss_rul.experiments.table import show_spread
from cmapss_rul.metrics.published import (
    FLIGHT_SUBSETS,
    HONEST_BAND,
    PUBLISHED,
    SUBSETS,
    TRUST,
    PublishedResult,
)
from cmapss_rul.system.errors import UsageError
from cmapss_rul.system.files import write_atomic
from cmapss_rul.training.config import RunConfig, load_config
from cmapss_rul.training.gradient_boosting import GRADIENT_BOOSTING
from scripts.bench_table import SPLITS, accuracy_table, bench_table, read_benchmarks
from scripts.censored_study import censored_table, read_study
from scripts.coverage_study import coverage_study_table, read_coverage_study
from scripts.ledger_table import ledger_table, summary_table

LEDGER = Path("configs/ledger.json")
PAGES = ("README.md", "docs/*.md", "configs/*.md")
"""Glob patterns of the pages that may have generated tables."""

_MEASURED = re.compile(r"^# Measured .*\n(?:# .*\n)*", re.MULTILINE)
"""Lines of the header comment of a configuration that state its results."""


# ---- marked places ---------------------------------------------------------------------------


def _marks(name: str) -> tuple[str, str]:
    return (
        f"<!-- {name}: written by scripts/write-tables, never by hand -->",
        f"<!-- end of {name} -->",
    )


def marked_content(page: str, name: str) -> str:
    """Return the content between the two marks of a table in a page.

    Raises:
        UsageError: the page does not have these marks exactly once.
    """
    return _split_at_marks(page, name)[1]


def replace_marked(page: str, name: str, content: str) -> str:
    """Return the page with other content between the two marks of a table.

    Args:
        page: Markdown with both marks, each on its own line.
        name: name of the table.
        content: Markdown without empty lines around it.

    Raises:
        UsageError: the page does not have these marks exactly once.
    """
    before, _, after = _split_at_marks(page, name)
    return f"{before}\n{content}\n{after}"


def _split_at_marks(page: str, name: str) -> tuple[str, str, str]:
    first, last = _marks(name)
    start, end = page.find(f"{first}\n"), page.find(f"\n{last}")
    # an ambiguous place is an error: a guess could overwrite hand-written text
    if (page.count(first), page.count(last)) != (1, 1) or not 0 <= start < end:
        raise UsageError(
            f"the page has no place for '{name}': expected the line {first} once, and "
            f"below it the line {last} once"
        )
    return page[: start + len(first)], page[start + len(first) + 1 : end], page[end + 1 :]


def page_of(root: Path, name: str) -> Path:
    """Find the page that has the marks of a table.

    Raises:
        UsageError: no page has them, or several do.
    """
    first, _ = _marks(name)
    candidates = (path for pattern in PAGES for path in sorted(root.glob(pattern)))
    found = [path for path in candidates if first in path.read_text(encoding="utf-8")]
    if len(found) != 1:
        names = ", ".join(str(path.relative_to(root)) for path in found) or "no page"
        raise UsageError(
            f"no place for '{name}': found the line {first} in {names}; expected it in one page "
            f"of {', '.join(PAGES)}"
        )
    return found[0]


# ---- expected content ------------------------------------------------------------------------


def expected_pages(root: Path) -> dict[Path, str]:
    """Return the expected text of each page with a generated table and of each configuration.

    Tables without data and comments of configurations that are not in the ledger are unchanged.

    Args:
        root: root of the repository.

    Raises:
        UsageError: the ledger is not readable, or no page has a place for a table.
    """
    expected: dict[Path, str] = {}
    if (root / LEDGER).exists():
        expected = _configurations(root, read_ledger(root / LEDGER))
    for name, table in _tables(root):
        page = page_of(root, name)
        # a page with several tables may have been changed already
        text = expected.get(page) or page.read_text(encoding="utf-8")
        expected[page] = replace_marked(text, name, table)
    return expected


def _tables(root: Path) -> Iterator[tuple[str, str]]:
    """Yield name and Markdown of each table whose data are available."""
    yield "published results", published_table()
    if (root / LEDGER).exists():
        found = read_ledger(root / LEDGER)
        yield "results", summary_table(found)
        # relative to the page, so that it also works in a checkout
        link = os.path.relpath(root / LEDGER, page_of(root, "ledger").parent)
        yield "ledger", ledger_table(found, Path(link).as_posix())
    if benchmarks := read_benchmarks(root):
        yield "bench", bench_table(benchmarks)
    if (root / SPLITS).exists():
        yield "splits", accuracy_table(root / SPLITS)
    if (study := read_study(root)) is not None:
        yield "censored", censored_table(study)
    if (coverage := read_coverage_study(root)) is not None:
        yield "coverage", coverage_study_table(coverage)


def published_table() -> str:
    """Return all published results as a Markdown table, with the meaning of each trust level."""
    rows = [
        [
            entry.method,
            *(_published_cell(entry.results.get(name)) for name in (*SUBSETS, *FLIGHT_SUBSETS)),
            *map(_stated, (s.trained_on, s.window, s.cap, s.cycle_count, s.selection, s.seeds)),
            entry.trust + (f": {entry.note}" if entry.note else ""),
        ]
        for entry in PUBLISHED
        for s in [entry.setup]  # a short name for the line above
    ]
    band = [f"{low:g}–{high:g}" for low, high in (HONEST_BAND[name] for name in SUBSETS)]
    rows.append(["range of honest protocols", *band])
    setup = ["trained on", "window", "cap", "cycle count", "epoch chosen by", "seeds"]
    head = ["method", *SUBSETS, *(f"{name}, flights" for name in FLIGHT_SUBSETS), *setup, "trust"]
    table = Table("", head, rows, align="lrrrrrlrrllrl")
    meanings = [f"- *{name}*: {meaning}." for name, meaning in TRUST.items()]
    return "\n".join([to_markdown(table), "", *meanings])


def _stated(value: str | int | None) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not stated" if value is None else str(value)


def _published_cell(result: PublishedResult | None) -> str:
    """Format RMSE, spread and NASA score: '6.74 ± 0.91', or '12.61 / 274'."""
    if result is None:
        return ""
    spread = "" if result.sd is None else f" ± {result.sd:.2f}"
    score = "" if result.nasa is None else f" / {result.nasa:,.0f}"
    return f"{result.rmse:.2f}{spread}{score}"


def _configurations(root: Path, found: Ledger) -> dict[Path, str]:
    """Return the shipped configurations with current results in their header comments."""
    # RunConfig adds keys of later versions with their defaults; a cell with settings is a variant,
    # not the configuration as shipped
    cells = {
        config_digest(RunConfig.model_validate(cell.configuration)): cell
        for cell in found.cells
        if not cell.settings and cell.balancer != GRADIENT_BOOSTING
    }
    expected = {}
    for path in sorted((root / "configs").glob("*.yaml")):
        cell = cells.get(config_digest(load_config(path)))
        if cell is not None:
            text = path.read_text(encoding="utf-8")
            expected[path] = _MEASURED.sub(_comment(cell), text, count=1)
    return expected


def _comment(cell: CellSummary) -> str:
    """Format the results of a cell as comment lines of a configuration."""
    text = (
        f"Measured over {cell.n_seeds} seeds: RMSE {show_spread(cell.rmse, 2)} and NASA score "
        f"{show_spread(cell.nasa, 0)} on the last window of each test engine, capped labels "
        "(configs/ledger.json); a run takes less than a minute of one core."
    )
    return textwrap.indent(textwrap.fill(text, 98), "# ") + "\n"


def update_pages(root: Path) -> list[Path]:
    """Write every page that is out of date; return their paths."""
    expected = expected_pages(root)
    changed = [path for path, text in expected.items() if path.read_text("utf-8") != text]
    for path in changed:  # only after all tables have been rendered
        write_atomic(path, expected[path])
    return changed


if __name__ == "__main__":
    print("\n".join(f"{path}: written" for path in sorted(update_pages(Path()))) or "up to date")
