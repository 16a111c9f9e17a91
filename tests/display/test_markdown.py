"""Tables and marked places of pages."""

import pytest

from cmapss_rul.display.markdown import escaped, folded, marked, replaced, table
from cmapss_rul.system.errors import UsageError

FIRST = "<!-- figures: written by scripts/write-tables, never by hand -->"
LAST = "<!-- end of figures -->"
PAGE = f"# Title\n\n{FIRST}\nold\n\nolder\n{LAST}\nafter\n"


def test_a_table_is_aligned_where_asked():
    assert table(["a", "b", "c"], [["1", "2", "3"], ["4", "5", "6"]], right={1, 2}) == (
        "| a | b | c |\n|---|--:|--:|\n| 1 | 2 | 3 |\n| 4 | 5 | 6 |"
    )


def test_no_text_leaves_its_field():
    made = table(["a"], [["x | y\nz\x1b[31m"]])
    assert made.splitlines()[2] == r"| x \| y\nz\x1b[31m |"


def test_a_folded_part_keeps_its_empty_lines_or_a_table_in_it_is_none():
    assert folded("more", "| a |") == ("<details>\n<summary>more</summary>\n\n| a |\n\n</details>")


def test_a_place_is_read_and_replaced_and_nothing_else_moves():
    assert marked(PAGE, "figures") == "old\n\nolder"
    new = replaced(PAGE, "figures", "new")
    assert new == f"# Title\n\n{FIRST}\nnew\n{LAST}\nafter\n"
    assert replaced(new, "figures", "old\n\nolder") == PAGE


def test_an_empty_place_can_be_filled():
    empty = f"{FIRST}\n{LAST}\n"
    assert marked(empty, "figures") == ""
    assert replaced(empty, "figures", "new") == f"{FIRST}\nnew\n{LAST}\n"


@pytest.mark.parametrize(
    "page",
    [
        "",
        f"{FIRST}\nx\n",
        f"x\n{LAST}\n",
        f"{LAST}\nx\n{FIRST}\n",
        PAGE + PAGE,
        f"{FIRST}\n{FIRST}\nx\n{LAST}\n",
        f"{FIRST} x\n{LAST}\n",
        PAGE.replace("figures", "others"),
    ],
)
def test_a_page_without_one_whole_place_is_refused(page):
    for call in (lambda: marked(page, "figures"), lambda: replaced(page, "figures", "x")):
        with pytest.raises(UsageError, match="no place for 'figures': expected the line <!-- fig"):
            call()


def test_a_foreign_text_is_no_markup():
    assert escaped("<b> *x* [a](b) `c` #1\n") == r"\<b\> \*x\* \[a\](b) \`c\` \#1\\n"
    assert escaped("Predicted RUL, 12.5") == "Predicted RUL, 12.5"
