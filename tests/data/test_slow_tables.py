"""The slow reader of tables against hand-worked cases."""

import pytest

from tests.data._slow_tables import slow_table
from tests.data._texts import fleet_text

HEADER = b"a,x,note\n"


def slow(content, columns=("x",)):
    return slow_table(content, "a", list(columns), ["a", "x", *map(str, range(24))])


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (HEADER + b"p,1.5,\nq,-0,z\n", [(2, "p", [1.5]), (3, "q", [-0.0])]),
        (b"x;a\r\n1e3; p \r\n\r\n2;q", [(2, "p", [1000.0]), (4, "q", [2.0])]),
        (b"x\ta\r1\tp\r", [(2, "p", [1.0])]),
        (b"x a\n 1   p\n", [(2, "p", [1.0])]),
        (b"\xef\xbb\xbfx,a\n1,\xff\n", [(2, "\\xff", [1.0])]),
        (HEADER + b'"p,""1""\n",2,"\n"\n', [(4, 'p,"1"', [2.0])]),
        (HEADER + b'p"1",2,z\n', [(2, 'p"1"', [2.0])]),
        (b"a,x\np,1e30\n", [(2, "p", [1e30])]),
        (b"sep=;\na;x\np,1;-0,5\n", [(3, "p,1", [-0.5])]),
        (b"a;x\np;0,125\nq;1,234\n", [(2, "p", [0.125]), (3, "q", [1.234])]),
    ],
)
def test_rows_by_hand(content, rows):
    assert repr([tuple(row) for row in slow(content)]) == repr(rows)


def test_text_without_a_header():
    assert [tuple(row) for row in slow(fleet_text(2, value="3").encode(), ["x", "0"])] == [
        (1, "1", [1.0, 3.0]),
        (2, "1", [2.0, 3.0]),
    ]


@pytest.mark.parametrize(
    "content",
    [
        *[b"", b" \n", b",,\n", b"<a,x>\n", b"PAR1", b"PK\x03\x04", HEADER, b"a,y\np,1\n"],
        *[HEADER + b"p,1\n", HEADER + b"p,1,2,3\n", b"a,x,x\np,1,1\n", b"1,2\n3,4\n"],
        *[b"a,x\np," + word + b"\n" for word in (b"", b"nan", b"1e31", b"1_0", b"\xd9\xa1")],
        b"1e999,1,a,x\n1,1,p,1\n",
        b"1 1 1.5\n",
        HEADER + b'p,2,"z"y\n',
        HEADER + b'p,2,"z\n',
        b"a,x\np\0,1\n",
        b"a;x\np;1,5\nq;1.5\n",
        b"a;x\np;1,234\nq;999\n",
        b"a;x\np;1,2,3\n",
        b'a,x\np,"1,5"\n',
        "a;x\np;1\n".encode("utf-16-le"),
        b"sep=;\n",
    ],
)
def test_what_is_no_table(content):
    assert slow(content) is None
