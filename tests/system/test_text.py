import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.system.errors import one_line, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ½ σ", "plain ½ σ"),
        ("a\nb", r"a\nb"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\r\t\x00", r"\r\t\x00"),
        ("\u202egpj", r"\u202egpj"),
        ("caf\udce9", r"caf\udce9"),
        ("it's", "it's"),
        (3, "3"),
    ],
)
def test_control_characters_are_shown(text, shown):
    assert printable(text) == shown


@given(st.text())
def test_printable_text_is_printable_and_stays_so(text):
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown


@given(st.text())
def test_one_line_is_one_line(text):
    line = one_line(text)
    assert line.isprintable()
    assert line.splitlines() in ([], [line])
    assert one_line(line) == line


def test_white_space_is_folded():
    assert one_line("  a\n\n  b\tc ") == "a b c"
    assert one_line(ValueError("x\ny")) == "x y"
