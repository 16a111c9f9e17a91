"""Tables in Markdown, and the marked places of pages in which they are kept up to date."""

import re
from collections.abc import Collection, Sequence

from cmapss_rul.display.text import printable
from cmapss_rul.system.errors import UsageError


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> str:
    r"""Lay out a table; texts are shown as they are, whatever stands in them.

    Args:
        head: [column].
        rows: [row][column].
        right: columns that are aligned to the right.

    >>> print(table(["cell", "RMSE"], [["a|b", "12"]], right={1}))
    | cell | RMSE |
    |---|--:|
    | a\|b | 12 |
    """
    rule = ["--:" if column in right else "---" for column in range(len(head))]
    lines = [_row(head), f"|{'|'.join(rule)}|", *map(_row, rows)]
    return "\n".join(lines)


def escaped(text: object) -> str:
    r"""Show a foreign text as it is, where Markdown would read markup.

    >>> print(escaped("<b>*a*_b"))
    \<b\>\*a\*\_b
    """
    return re.sub(r"([\\`*_{}\[\]<>#&~])", r"\\\1", printable(text))


def _row(texts: Sequence[str]) -> str:
    shown = (printable(text).replace("|", r"\|") for text in texts)
    return f"| {' | '.join(shown)} |"


def folded(summary: str, content: str) -> str:
    """Hide a long part behind a line that opens it, where the reader of the page knows how."""
    return f"<details>\n<summary>{summary}</summary>\n\n{content}\n\n</details>"


def _marks(name: str) -> tuple[str, str]:
    return (
        f"<!-- {name}: written by scripts/write-tables, never by hand -->",
        f"<!-- end of {name} -->",
    )


def marked(page: str, name: str) -> str:
    """Return what stands between the two marks of a place in a page.

    Raises:
        UsageError: the page has not exactly one such place.
    """
    return _split(page, name)[1]


def replaced(page: str, name: str, content: str) -> str:
    """Return the page with other content between the two marks of a place.

    Args:
        page: Markdown with both marks, each on a line of its own.
        name: of the place.
        content: without empty lines around it.

    Raises:
        UsageError: the page has not exactly one such place.
    """
    before, _, after = _split(page, name)
    return f"{before}\n{content}\n{after}"


def _split(page: str, name: str) -> tuple[str, str, str]:
    first, last = _marks(name)
    start, end = page.find(f"{first}\n"), page.find(f"\n{last}")
    if (page.count(first), page.count(last)) != (1, 1) or not 0 <= start < end:
        raise UsageError(
            f"the page has no place for '{printable(name)}': expected the line {first} once, and "
            f"the line {last} once, below it"
        )
    return page[: start + len(first)], page[start + len(first) + 1 : end], page[end + 1 :]
