"""The pages of the repository that hold tables made from data, and what they should say."""

from collections.abc import Callable
from pathlib import Path

from cmapss_rul.experiments import ledger
from cmapss_rul.experiments.ledger_table import as_markdown as ledger_table
from cmapss_rul.files import write_whole
from cmapss_rul.markdown import replaced
from cmapss_rul.metrics.published import as_markdown as published_table

LEDGER = Path("configs/ledger.json")


def pages(root: Path) -> dict[Path, str]:
    """Return the wanted text of each page that holds a table.

    A table whose data are missing is left as it is.

    Args:
        root: of the repository.

    Raises:
        UsageError: the ledger is none, or a page has no place for its table.
    """
    places: dict[str, tuple[str, Callable[[], str]]] = {
        "configs/published-figures.md": ("published figures", published_table)
    }
    if (root / LEDGER).exists():
        places["README.md"] = ("ledger", lambda: ledger_table(ledger.read(root / LEDGER)))
    return {
        root / page: replaced((root / page).read_text(encoding="utf-8"), name, table())
        for page, (name, table) in places.items()
    }


def write(root: Path) -> list[Path]:
    """Bring every page up to date, and return those that changed."""
    changed = {path: text for path, text in pages(root).items() if path.read_text("utf-8") != text}
    for path, text in changed.items():
        write_whole(path, text)
    return list(changed)
