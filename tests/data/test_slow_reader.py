"""The slow reader against hand-worked cases, and the strict reader against the slow one."""

import io

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cmapss_rul.data.reader import parse_fleet, parse_rul
from cmapss_rul.system.errors import DataError
from tests.data._slow_reader import slow_fleet, slow_number, slow_rul
from tests.data._texts import fleet_text, row


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (b"12", 12.0),
        (b"-.5", -0.5),
        (b"+5.", 5.0),
        (b"1.5e3", 1500.0),
        (b"2E-2", 0.02),
        (b"0.1", 0.1),
        (b"1e-999", 0.0),
        (b"0e999999", 0.0),
        (b"9007199254740993", 9007199254740992.0),
        *[(word, None) for word in (b"", b".", b"e5", b"1e", b"--1", b"1_0", b"nan", b"1e999")],
        *[(word, None) for word in (b"0x1", b"1.2.3", b"1e5.0", b"inf", b"+", b"1e9999999")],
    ],
)  # fmt: skip
def test_a_number_by_hand(word, value):
    assert slow_number(word) == value


def test_minus_zero_keeps_its_sign():
    assert repr(slow_number(b"-0.0")) == "-0.0"


def test_tables_by_hand():
    assert slow_rul(b"112 \r\n98\n69") == [112, 98, 69]
    assert slow_fleet(row(1, 1).encode()) == [[1, 1, *[1.5] * 24]]
    for bad in (b"", b"\n", b"1\n\n2\n", b"1 2\n", b"-1\n", b"1.5\n", b"1\x85\n", b"1000000001\n"):
        assert slow_rul(bad) is None
    for bad in (row(2, 1), row(1, 2), row(1, 1) + row(1, 3), row(1, 1) + row(3, 1), row("x", 1)):
        assert slow_fleet(bad.encode()) is None


white = st.sampled_from([" ", "\t", "  ", " \v", "\f "])
end = st.sampled_from(["\n", "\r\n", "\r", " \n", ""])
number = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-10_000, 10_000, places=4).map(str),
    st.integers(-(10**20), 10**20).map(str),
    st.from_regex(r"[+-]?(\d{1,20}\.?\d{0,20}|\.\d{1,20})([eE][+-]?\d{1,3})?", fullmatch=True),
    st.sampled_from(["nan", "inf", "1e999", "-1e400", "1e-400", "1_0", "0x1", "--1", "1,5", ""]),
).map(lambda text: text.encode("ascii", "replace").decode())


@st.composite
def tables(draw) -> bytes:
    """Mostly valid tables of a few engines, with arbitrary numbers here and there."""
    text, space = "", draw(white)
    for unit, life in enumerate(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)), 1):
        for cycle in range(1, life + 1):
            values = ["1.5"] * 24
            for place in draw(st.lists(st.integers(0, 23), max_size=3)):
                values[place] = draw(number)
            text += space.join([str(unit), str(cycle), *values]) + draw(end)
    return text.encode()


@given(tables())
@example(fleet_text(2, 1).encode() + b" \n")
def test_the_strict_reader_reads_a_table_as_the_slow_one_does(content):
    expected = slow_fleet(content)
    try:
        fleet = parse_fleet(io.BytesIO(content), "x")
    except DataError as error:
        assert expected is None or "ends without a line end" in str(error)  # noqa: PT017
        return
    found = np.column_stack([fleet.engine, fleet.cycle, fleet.values]).tolist()
    assert repr(found) == repr(expected)


@given(st.lists(st.tuples(number | st.integers(0, 300).map(str), end), max_size=6))
def test_the_strict_reader_reads_rul_as_the_slow_one_does(rows):
    content = "".join(value + stop for value, stop in rows).encode()
    expected = slow_rul(content)
    try:
        found = parse_rul(io.BytesIO(content), "x", None).tolist()
    except DataError as error:
        assert expected is None or "ends without a line end" in str(error)  # noqa: PT017
        return
    assert found == expected
