"""Tables in Markdown."""

import re
from collections.abc import Collection, Sequence

from cmapss_rul.system.text import printable


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
