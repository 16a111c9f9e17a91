"""One table drawn for the terminal, as HTML and as Markdown."""

from html.parser import HTMLParser

import pytest
from rich.console import Console

from cmapss_rul.display.table import (
    Bold,
    Code,
    Table,
    escape_markdown,
    to_html,
    to_markdown,
    to_terminal,
)

HOSTILE = "<b>[red]x[/red] | *a*_b` \x1b[31m\n&"


def on_terminal(table: Table, width: int = 80) -> str:
    console = Console(width=width, force_terminal=True, color_system=None)
    with console.capture() as shown:
        console.print(to_terminal(table))
    return shown.get()


class Text(HTMLParser):
    """The text of a page and its tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.tags = "", set()
        self.feed(page)

    def handle_starttag(self, tag, _attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


def test_a_hostile_text_is_shown_as_it_is_by_every_renderer():
    table = Table(HOSTILE, [HOSTILE, "n"], [[HOSTILE, HOSTILE]], notes=[HOSTILE])
    printed = "<b>[red]x[/red] | *a*_b` \\x1b[31m\\n&"
    terminal = on_terminal(table, 400)
    assert terminal.count(printed) == 5
    assert "\x1b" not in terminal
    page = Text(to_html(table))
    assert page.text.count(printed) == 5  # without the attributes
    assert page.tags == {"p", "div", "table", "thead", "tbody", "tr", "th", "td"}
    escaped = escape_markdown(HOSTILE)
    assert escaped == r"\<b\>\[red\]x\[/red\] | \*a\*\_b\` \\x1b\[31m\\n\&"
    lines = to_markdown(table).splitlines()
    assert lines[0] == f"{escaped}:"
    assert lines[4].count(r"x\[/red\] \| \*a\*\_b") == 2
    assert lines[-1] == escaped


def test_numbers_are_aligned_to_the_right_and_never_wrap():
    table = Table("", ["a name that is long", "x", "y"], [["the name of a row " * 3, "123.4", "5"]])
    shown = on_terminal(table, 40)
    assert max(map(len, shown.splitlines())) <= 40
    assert "123.4  5" in shown
    assert '<td class="r">123.4</td>' in to_html(table)
    assert to_markdown(table).splitlines()[1] == "|---|--:|--:|"


def test_texts_are_aligned_to_the_left():
    table = Table("", ["choice", "value"], [["cap", "125"]], align="ll")
    assert to_markdown(table).splitlines()[1] == "|---|---|"
    assert 'class="texts"' in to_html(table)
    assert 'class="r"' not in to_html(table)


def test_a_heading_between_rows_and_rows_that_stand_out():
    table = Table("", ["cell", "RMSE"], [[Bold("fd001")], [Code("amnl"), "12"], ["dwa", "13"]],
                  strong=[2])  # fmt: skip
    assert to_markdown(table).splitlines()[2:] == [
        "| **fd001** |  |", "| `amnl` | 12 |", "| **dwa** | **13** |"
    ]  # fmt: skip
    page = to_html(table)
    assert '<th scope="row"><b>fd001</b></th><td class="r"></td>' in page
    assert "<code>amnl</code>" in page
    assert '<tr class="strong"><th scope="row">dwa</th>' in page
    assert "amnl" in on_terminal(table)


def test_a_backtick_ends_no_code():
    assert to_markdown(Table("", ["a"], [[Code("x`|y")]])).splitlines()[-1] == r"| x\`\|y |"


def test_title_and_notes_stand_around_the_table():
    table = Table("RMSE", ["a"], [["1"]], notes=["last windows", "capped labels"])
    assert to_markdown(table) == "RMSE:\n\n| a |\n|---|\n| 1 |\n\nlast windows\n\ncapped labels"
    lines = [line.strip() for line in on_terminal(table).splitlines() if line.strip()]
    assert (lines[0], lines[-2:]) == ("RMSE", ["last windows", "capped labels"])


def test_a_malformed_table_is_refused():
    with pytest.raises(ValueError, match="expected 2 letters in align, found 'l'"):
        Table("", ["a", "b"], [], align="l")
    with pytest.raises(ValueError, match="at most 1 cells in each row"):
        Table("", ["a"], [["1", "2"]])


def test_numbers_are_aligned_to_the_right_in_markdown():
    table = Table("", ["a", "b", "c"], [["1", "2", "3"], ["4", "5", "6"]])
    assert to_markdown(table) == "| a | b | c |\n|---|--:|--:|\n| 1 | 2 | 3 |\n| 4 | 5 | 6 |"


def test_no_text_leaves_its_field():
    made = to_markdown(Table("", ["a"], [["x | y\nz\x1b[31m"]]))
    assert made.splitlines()[2] == r"| x \| y\\nz\\x1b\[31m |"


def test_a_foreign_text_is_no_markup():
    assert escape_markdown("<b> *x* [a](b) `c` #1\n") == r"\<b\> \*x\* \[a\](b) \`c\` \#1\\n"
    assert escape_markdown("Predicted RUL, 12.5") == "Predicted RUL, 12.5"
