import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.data.lines import (
    NUMBER,
    Tail,
    foreign_format,
    line_blocks,
    non_text_byte,
    quote_token,
)
from cmapss_rul.system.errors import DataError


@given(st.text("0123456789+-.eE_xn", max_size=8))
def test_numbers_are_pythons_with_plain_digits(text):
    try:
        float(text)
        plain = "_" not in text and "n" not in text
    except ValueError:
        plain = False
    assert bool(NUMBER.fullmatch(text.encode())) is plain


@given(st.text("1 \r\n", max_size=60), st.integers(1, 9))
def test_blocks_end_where_lines_end(text, size):
    found = list(line_blocks(io.BytesIO(text.encode()), "x", size))
    assert b"".join(found) == text.encode()
    assert all(block.endswith((b"\n", b"\r")) for block in found[:-1])
    # no CRLF is split
    lines = [line for block in found for line in block.splitlines()]
    assert lines == text.encode().splitlines()


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        (b"", False),
        (b"1 2.50\n1 2.50\n", False),
        (b"1 2.50\n1 2.50 ", False),
        (b"1 2.50\n1 2.50", False),
        (b"1 2.50\n1 2.5", True),
        (b"1 2.50\n1 2", True),
        (b"1 2.50  \n1 2.50", True),
        (b"1 2.50", True),
        (b"112\n98", False),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_tail(text, cut, size):
    tail = Tail()
    for start in range(0, len(text), size):
        tail.add(text[start : start + size])
    assert tail.looks_truncated is cut


def test_tail_keeps_little():
    tail = Tail()
    for _ in range(50):
        tail.add(b"1 2.5\n" * 10_000)
    tail.add(b"1 2.5")
    assert not tail.looks_truncated


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\n <html>", "an HTML or XML page"),
        (b"PK\x03\x04", "a zip archive"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (b"\xff\xfe1\0", "a UTF-16 text"),
        (b"1 2 3\n", None),
        (b"", None),
    ],
)
def test_other_formats(start, kind):
    assert foreign_format(start) == kind


def test_bytes_and_tokens_are_escaped():
    assert non_text_byte(b"1 2\t3\r\n") is None
    assert non_text_byte(b"1 \x7f") == "the byte 0x7f"
    assert quote_token(b"abc") == "'abc'"
    assert str(DataError(quote_token(b"\xff\x1b"))) == r"'\xff\x1b'"
    assert re.fullmatch(r"'x{24}…'", quote_token(b"x" * 25))
