import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.data import lines
from cmapss_rul.data.columns import COLUMNS, SUBSETS
from cmapss_rul.data.reader import parse_fleet, parse_rul, read_fleet, read_rul
from cmapss_rul.system.errors import DataError
from tests.data._texts import fleet_text, row

GOOD = fleet_text(3, 2, 1)
LINES = GOOD.splitlines(keepends=True)


def parse(text: str | bytes, name: str = "train_FD001.txt"):
    return parse_fleet(io.BytesIO(text if isinstance(text, bytes) else text.encode()), name)


def rul(text: str | bytes, engines: int | None = 3):
    content = text if isinstance(text, bytes) else text.encode()
    return parse_rul(io.BytesIO(content), "RUL_FD001.txt", engines)


def with_line(number: int, text: str) -> str:
    return "".join([*LINES[: number - 1], text, *LINES[number:]])


def test_reads_engines_cycles_and_values(tmp_path):
    values = " ".join(str(i) for i in range(24))
    path = tmp_path / "train_FD001.txt"
    path.write_text(f"1 1 {values}\n1 2 {values}\n2 1 {values}\n")
    fleet = read_fleet(path)
    assert fleet.engine.tolist() == [1, 1, 2]
    assert fleet.cycle.tolist() == [1, 2, 1]
    assert fleet.starts.tolist() == [0, 2]
    assert fleet.lengths.tolist() == [2, 1]
    assert fleet.values.shape == (3, len(COLUMNS))
    assert fleet.values[1].tolist() == list(range(24))
    assert fleet.engine.dtype == fleet.cycle.dtype == np.int64


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: text.replace(" ", "\t"),
        lambda text: text.replace(" ", " \v\f "),
        lambda text: "  " + text.replace("\n", "\n   "),
        lambda text: "\n".join(line.rstrip() for line in text.splitlines()),
        lambda text: text.rstrip("\n"),
        lambda text: text + "\n \n\n",
        lambda text: text.replace("1.5", "+1.5E0"),
        lambda text: re.sub(r"(?<!\.)\b(\d) ", r"\1.000e+00 ", text),
    ],
    ids=["CRLF", "CR", "tabs", "VT", "leading", "stripped", "spaces", "blank", "exp", "floats"],
)
def test_white_space_and_number_formats(change):
    expected, found = parse(GOOD), parse(change(GOOD))
    assert np.array_equal(found.values, expected.values)
    assert np.array_equal(found.engine, expected.engine)
    assert np.array_equal(found.cycle, expected.cycle)


NO_NUMBERS = [
    "NaN", "nan", "inf", "-Infinity", "1e999", "text", "1_0", "0x1f", '"1"', "1e", "1.2.3", "1,5",
    "--1", "NA", "null", "#N/A", "1-2", ".", "e5", "1+1", "1d3",
]  # fmt: skip


@pytest.mark.parametrize("token", NO_NUMBERS)
@pytest.mark.parametrize("separator", [" ", "\v"], ids=["fast", "slow"])
def test_invalid_numbers(token, separator):
    text = with_line(5, row(2, 2).replace("1.5", token, 1)).replace(" ", separator)
    message = f"train_FD001.txt, line 5: found '{token}' in column 3, expected a finite number"
    with pytest.raises(DataError, match=re.escape(message)):
        parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (with_line(4, LINES[3].strip() + " 3\n"), "line 4: found 27 column(s), expected 26"),
        (GOOD.replace("  \n", " 3 4\n"), "line 1: found 28 column(s), expected 26"),
        (with_line(6, LINES[5].replace(" 1.5", "", 1)), "line 6: found 25 column(s), expected 26"),
        ("".join(f"{line.strip()} {line}" for line in LINES), "line 1: found 52 column(s)"),
        (with_line(5, row(2, 3)), "line 5: found cycle 3 of unit 2 after cycle 1 (a gap)"),
        (with_line(5, row(2, 1)), "line 5: found cycle 1 of unit 2 after cycle 1 (a repeat)"),
        (with_line(3, row(1, 1)), "line 3: found cycle 1 of unit 1 after cycle 2 (a jump back)"),
        (with_line(4, row(3, 1)), "line 4: found unit 3 after unit 1, expected units 1, 2, …"),
        (with_line(6, row(1, 4)), "line 6: found unit 1 after unit 2, expected units 1, 2, …"),
        (with_line(4, row(2, 2)), "line 4: found cycle 2 at the start of unit 2, expected 1"),
        (with_line(1, row(1, 2)), "line 1: found cycle 2 at the start of unit 1, expected 1"),
        (with_line(1, row(0, 1)), "line 1: found unit 0, expected the first unit to be 1"),
        (with_line(1, row(2, 1)), "line 1: found unit 2, expected the first unit to be 1"),
        (with_line(5, row("1.5", 2)), "line 5: found unit 1.5 after unit 2"),
        ("unit cycle s1\n" + GOOD, "line 1: found a header ('unit' …)"),
        (GOOD.replace(" ", ","), "line 1: found '1,1,1.5"),
        (with_line(3, "\n" + LINES[2]), "line 3: found a blank line"),
        ("\n" + GOOD, "line 1: found a blank line"),
        (" <!DOCTYPE html>\n<html></html>", "line 1: found an HTML or XML page"),
        (b"PK\x03\x04" + bytes(99), "line 1: found a zip archive"),
        (b"\xef\xbb\xbf" + GOOD.encode(), "line 1: found a text that begins with a byte order"),
        (GOOD.encode("utf-16"), "line 1: found a UTF-16 text"),
        (with_line(5, row(2, 2, "é")), "line 5: found the byte 0xc3, expected plain text"),
        (with_line(2, row(1, 2, "1\0")), "line 2: found the byte 0x00, expected plain text"),
        (with_line(2, row(1, 2, "\x1b[31m")), "line 2: found the byte 0x1b"),
        (bytes(5000), "line 1: found the byte 0x00"),
        ("", "train_FD001.txt: the file is empty"),
        ("\r\n", "train_FD001.txt: the file is empty"),
    ],
)
def test_refused_by_file_and_line(text, message):
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        parse(text)
    assert str(caught.value).startswith("train_FD001.txt")
    assert "\n" not in str(caught.value)


WHOLE_ROWS = {"".join(LINES[:count]).rstrip() for count in range(1, len(LINES) + 1)}


@pytest.mark.parametrize("end", range(1, len(GOOD)))
def test_a_truncated_row_is_refused(end):
    """Only truncation right after a row leaves a readable table."""
    text = GOOD[:end]
    if text[-1].isspace() and text.rstrip() in WHOLE_ROWS:
        assert parse(text).rows == len(text.splitlines())
    else:
        with pytest.raises(DataError, match=r"truncated|without a line end|the file is empty"):
            parse(text)


def test_last_number_without_line_end():
    stripped = "\n".join(line.rstrip() for line in LINES)
    assert parse(stripped).rows == 6
    with pytest.raises(DataError, match="line 6: the file ends without a line end"):
        parse(stripped[:-1] + "25")  # 1.25 has two decimals, the row before one
    with pytest.raises(DataError, match="line 1: the file ends without a line end"):
        parse(LINES[0].rstrip())


def test_a_line_without_end_is_refused_before_memory_fills(monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 1000)
    with pytest.raises(DataError, match=r"found a line of more than 1 MiB"):
        parse("1 " * 600)
    with pytest.raises(DataError, match="found an HTML or XML page"):
        parse("<html>" * 600)


@pytest.mark.parametrize("size", [1, 7, 50, 64, 1000])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_block_boundaries_do_not_matter(size, line_end):
    text = GOOD.replace("\n", line_end).encode()
    found = list(lines.line_blocks(io.BytesIO(text), "x", size))
    assert b"".join(found) == text
    assert all(len(block.splitlines()) >= 1 for block in found)
    joined = [line for block in found for line in block.splitlines()]
    assert joined == text.splitlines()


def test_small_blocks_give_the_same_fleet_and_the_same_line(monkeypatch):
    monkeypatch.setattr(lines.line_blocks, "__defaults__", (100,))
    assert np.array_equal(parse(GOOD).cycle, [1, 2, 3, 1, 2, 1])
    with pytest.raises(DataError, match="line 5: found cycle 4"):
        parse(with_line(5, row(2, 4)))
    with pytest.raises(DataError, match="line 4: found a blank line"):
        parse(with_line(4, "\n" * 300 + LINES[3]))


number = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-10_000, 10_000, places=4).map(str),
    st.integers(-(10**20), 10**20).map(str),
)


@given(st.lists(st.lists(number, min_size=24, max_size=24), min_size=1, max_size=5))
def test_values_equal_those_of_python_exactly(rows):
    text = "".join(f"1 {i} {' '.join(values)}\n" for i, values in enumerate(rows, 1))
    expected = [[float(value) for value in values] for values in rows]
    assert parse(text).values.tolist() == expected


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_in_one_line(content):
    with pytest.raises(DataError) as caught:  # 26 columns do not occur by chance
        parse(content)
    assert str(caught.value).isprintable()


ALPHABET = st.sampled_from([b"1", b"2", b" ", b"\n", b".", b"-", b"e", b"\r", b"x", b"\t"])


@given(st.integers(0, len(GOOD) - 1), ALPHABET)
def test_one_changed_byte_is_read_as_python_reads_it_or_refused(place, byte):
    """An independent slow reader agrees with every table that is accepted."""
    content = GOOD.encode()[:place] + byte + GOOD.encode()[place + 1 :]
    try:
        fleet = parse(content)
    except DataError:
        return
    expected = [[float(t) for t in line.split()] for line in content.splitlines() if line.split()]
    found = np.column_stack([fleet.engine, fleet.cycle, fleet.values])
    assert found.tolist() == expected


def test_rul(tmp_path):
    path = tmp_path / "RUL_FD001.txt"
    path.write_bytes(b"112 \n98 \n0 \n")
    assert read_rul(path, 3).tolist() == [112, 98, 0]
    assert read_rul(path, 3).dtype == np.int64
    assert rul("112\r\n98\r\n69").tolist() == [112, 98, 69]
    assert rul("1.12e2\n98.0\n\n", engines=None).tolist() == [112, 98]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n2\n", "line 2: found 2 row(s) in the file, expected 3"),
        ("1\n2\n3\n4\n5\n", "line 4: found 5 row(s) in the file, expected 3"),
        ("1\nx\n3\n", "line 2: found 'x', expected a RUL: a whole number of cycles"),
        ("1\n-2\n3\n", "line 2: found '-2', expected a RUL: a whole number of cycles, 0 or more"),
        ("1\n2.5\n3\n", "line 2: found '2.5'"),
        ("1\n2 3\n3\n", "line 2: found 2 columns, expected one RUL a row"),
        ("1\nnan\n3\n", "line 2: found 'nan'"),
        ("1\n1e30\n3\n", "line 2: found '1e30'"),
        ("1\n1e999\n3\n", "line 2: found '1e999'"),
        ("1\n\n3\n4\n", "line 2: found a blank line"),
        ("112 \n98 \n6", "line 3: the file ends without a line end"),
        ("<html>", "line 1: found an HTML or XML page"),
        (b"1\n\xff\n3\n", "line 2: found the byte 0xff"),
        ("", "RUL_FD001.txt: the file is empty"),
    ],
)
def test_rul_refused(text, message):
    with pytest.raises(DataError, match=re.escape(message)):
        rul(text)


def test_paths_other_than_files(tmp_path):
    with pytest.raises(DataError, match="found a folder, expected a text file"):
        read_fleet(tmp_path)
    with pytest.raises(DataError, match="cannot be opened: No such file"):
        read_rul(tmp_path / "RUL\n.txt", 3)


@pytest.mark.needs_data
def test_official_files_have_the_published_sizes(official):
    sizes = {}
    for subset in SUBSETS:
        train = read_fleet(official / f"train_{subset}.txt")
        test = read_fleet(official / f"test_{subset}.txt")
        values = read_rul(official / f"RUL_{subset}.txt", len(test.starts))
        sizes[subset] = (
            len(train.starts), train.rows, train.lengths.min(), train.lengths.max(),
            len(test.starts), test.rows, test.lengths.min(), test.lengths.max(),
            values.min(), values.max(), (values > 125).sum(),
        )  # fmt: skip
    assert sizes == {
        "FD001": (100, 20_631, 128, 362, 100, 13_096, 31, 303, 7, 145, 11),
        "FD002": (260, 53_759, 128, 378, 259, 33_991, 21, 367, 6, 194, 57),
        "FD003": (100, 24_720, 145, 525, 100, 16_596, 38, 475, 6, 145, 15),
        "FD004": (249, 61_249, 128, 543, 248, 41_214, 19, 486, 6, 195, 67),
    }
