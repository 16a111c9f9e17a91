"""Tables in Markdown."""

from cmapss_rul.display.markdown import escaped, table


def test_a_table_is_aligned_where_asked():
    assert table(["a", "b", "c"], [["1", "2", "3"], ["4", "5", "6"]], right={1, 2}) == (
        "| a | b | c |\n|---|--:|--:|\n| 1 | 2 | 3 |\n| 4 | 5 | 6 |"
    )


def test_no_text_leaves_its_field():
    made = table(["a"], [["x | y\nz\x1b[31m"]])
    assert made.splitlines()[2] == r"| x \| y\nz\x1b[31m |"


def test_a_foreign_text_is_no_markup():
    assert escaped("<b> *x* [a](b) `c` #1\n") == r"\<b\> \*x\* \[a\](b) \`c\` \#1\\n"
    assert escaped("Predicted RUL, 12.5") == "Predicted RUL, 12.5"
