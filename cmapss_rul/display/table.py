"""A table of text, and its rendering for the terminal, as HTML and as Markdown.

Only the renderers escape: a table is built from raw names, which may contain markup or control
characters.
"""

import html
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmapss_rul.system.errors import printable

if TYPE_CHECKING:  # rich takes a tenth of a second to import
    from rich.console import RenderableType
    from rich.text import Text

_LONG_NAME = 20
"""Characters above which the first column of an HTML table may wrap."""


class Bold(str):
    """A cell in bold type."""

    __slots__ = ()


class Code(str):
    """A cell in monospaced type, where the output has one."""

    __slots__ = ()


@dataclass(frozen=True)
class Table:
    """A table of text cells.

    Attributes:
        head: [column], the column headings.
        rows: [row][column], plain text, `Bold` or `Code`; the first cell names the row. A row may
            be shorter than the head: a single `Bold` cell is the heading of the rows below it.
        align: one letter per column, l for left and r for right; by default the first column is
            left-aligned, and all others, numbers, are right-aligned.
        notes: lines below the table.
        strong: indices of the rows that are highlighted.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    align: str = ""
    notes: Sequence[str] = ()
    strong: Collection[int] = ()

    def __post_init__(self) -> None:
        if not self.align:
            object.__setattr__(self, "align", "l" + "r" * (len(self.head) - 1))
        if len(self.align) != len(self.head):
            raise ValueError(f"expected {len(self.head)} letters in align, found {self.align!r}")
        if any(len(row) > len(self.head) for row in self.rows):
            raise ValueError(f"expected at most {len(self.head)} cells in each row, found more")

    def full_rows(self) -> Iterator[list[str]]:
        """Yield the rows, short ones padded with empty cells."""
        for row in self.rows:
            yield [*row, *[""] * (len(self.head) - len(row))]


def to_terminal(table: Table) -> "RenderableType":
    """Render a table with rich: columns of numbers never wrap, columns of text do.

    Every text is a `rich.text.Text` of printable characters, so that neither rich's markup nor a
    control character in an untrusted name is interpreted.
    """
    from rich import box, console
    from rich import table as rich_table

    drawn = rich_table.Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name, align in zip(table.head, table.align, strict=True):
        if align == "r":
            drawn.add_column(terminal_text(name), justify="right", no_wrap=True)
        else:
            drawn.add_column(terminal_text(name), overflow="fold")
    for index, row in enumerate(table.full_rows()):
        drawn.add_row(*map(terminal_text, row), style="bold" if index in table.strong else "")
    above = [terminal_text(table.title)] if table.title else []
    below = [terminal_text(note) for note in (*table.notes, "")] if table.notes else []
    return console.Group(*above, drawn, *below)


def terminal_text(text: str) -> "Text":
    """Return an untrusted text for rich, verbatim; bold if it is `Bold`."""
    from rich.text import Text

    return Text(printable(text), style="bold" if isinstance(text, Bold) else "")


def to_html(table: Table) -> str:
    """Render a table as HTML; one wider than the page has its own scroll bar."""
    title = _escape_html(table.title)
    heads = (
        f'<th scope="col"{_html_class(align)}>{_html_cell(name)}</th>'
        for name, align in zip(table.head, table.align, strict=True)
    )
    long = any(len(row[0]) > _LONG_NAME for row in table.rows)
    numbers = "numbers long" if long else "numbers"
    return "\n".join(
        [
            f'<p class="caption">{title}</p>',
            # tabindex: only a focused element can be scrolled by keyboard
            f'<div class="scroll" role="region" tabindex="0" aria-label="{title}">',
            f'<table class="{numbers if "r" in table.align else "texts"}" aria-label="{title}">',
            f"<thead><tr>{''.join(heads)}</tr></thead>",
            "<tbody>",
            *_html_rows(table),
            "</tbody>",
            "</table>",
            "</div>",
            *(f"<p>{_escape_html(note)}</p>" for note in table.notes),
        ]
    )


def _html_rows(table: Table) -> Iterator[str]:
    for index, (name, *cells) in enumerate(table.full_rows()):
        row = "".join(
            f"<td{_html_class(align)}>{_html_cell(cell)}</td>"
            for cell, align in zip(cells, table.align[1:], strict=True)
        )
        strong = ' class="strong"' if index in table.strong else ""
        # th: a screen reader announces the name of the row with each cell
        yield f'<tr{strong}><th scope="row">{_html_cell(name)}</th>{row}</tr>'


def _html_class(align: str) -> str:
    return ' class="r"' if align == "r" else ""


def _html_cell(text: str) -> str:
    shown = _escape_html(text)
    if isinstance(text, Bold):
        return f"<b>{shown}</b>"
    return f"<code>{shown}</code>" if isinstance(text, Code) else shown


def _escape_html(text: str) -> str:
    return html.escape(printable(text))


def to_markdown(table: Table) -> str:
    r"""Render a table as Markdown.

    >>> print(to_markdown(Table("", ["cell", "RMSE"], [[Code("a|b"), Bold("12")], ["*", "9"]])))
    | cell | RMSE |
    |---|--:|
    | `a\|b` | **12** |
    | \* | 9 |
    """
    rule = ["--:" if align == "r" else "---" for align in table.align]
    rows = [
        [Bold(cell) if index in table.strong and cell else cell for cell in row]
        for index, row in enumerate(table.full_rows())
    ]
    lines = [_markdown_row(table.head), f"|{'|'.join(rule)}|", *map(_markdown_row, rows)]
    above = [f"{escape_markdown(table.title)}:", ""] if table.title else []
    below = [line for note in table.notes for line in ("", escape_markdown(note))]
    return "\n".join([*above, *lines, *below])


def _markdown_row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(_markdown_cell, cells))} |"


def _markdown_cell(text: str) -> str:
    if isinstance(text, Code) and "`" not in text:  # no backslash escapes a backtick in code
        # Markdown splits a row at | even inside code
        return f"`{printable(text)}`".replace("|", r"\|")
    shown = escape_markdown(text).replace("|", r"\|")
    return f"**{shown}**" if isinstance(text, Bold) else shown


def escape_markdown(text: object) -> str:
    r"""Escape an untrusted text, so that Markdown renders it verbatim.

    >>> print(escape_markdown("<b>*a*_b"))
    \<b\>\*a\*\_b
    """
    # not |, which needs escaping in table cells only
    return re.sub(r"([\\`*_{}\[\]<>#&~])", r"\\\1", printable(text))
