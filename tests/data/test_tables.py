import io
import sys

import numpy as np
import pandas as pd
import pytest

from cmapss_rul.data.columns import COLUMNS, ColumnRequest
from cmapss_rul.data.reader import parse_fleet
from cmapss_rul.data.tables import parse_table
from cmapss_rul.system.errors import DataError
from tests.data._texts import fleet_text, row

CSV = b"unit,cycle,sensor_2,sensor_3\n1,1,5,6\n1,2,7,8\n"


def parse(content, needed=("sensor_2",), optional=(), name="f"):
    content = content.encode() if isinstance(content, str) else content
    return parse_table(content, name, ColumnRequest(list(needed), list(optional)))


def refused(content, **options):
    with pytest.raises(DataError) as caught:
        parse(content, **options)
    message = str(caught.value)
    assert message.startswith("f")
    assert message.isprintable()
    return message


def parquet(frame, **options):
    pytest.importorskip("pyarrow")
    file = io.BytesIO()
    frame.to_parquet(file, **options)
    return file.getvalue()


def test_text_without_a_header_has_the_columns_of_the_files():
    table = parse(fleet_text(2, 1, value="1.5"), needed=COLUMNS)
    assert table.engine.tolist() == ["1", "1", "2"]
    assert table.columns == ("cycle", *COLUMNS)
    assert table.numbers[:, 0].tolist() == [1, 2, 1]
    assert (table.numbers[:, 1:] == 1.5).all()
    assert table.row_numbers.tolist() == [1, 2, 3]


def test_text_gives_the_numbers_that_the_strict_reader_gives():
    values = np.random.default_rng(0).normal(500, 100, (9, 24))
    text = "".join(
        f"1 {i} " + " ".join(f"{v:.7g}" for v in line) + "  \n" for i, line in enumerate(values, 1)
    )
    strict = parse_fleet(io.BytesIO(text.encode()), "f")
    assert (parse(text, needed=COLUMNS).numbers[:, 1:] == strict.values).all()


@pytest.mark.parametrize("separator", [",", ";", "\t", " "])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_separators_line_ends_and_blank_lines(separator, end):
    text = CSV.decode().replace(",", separator).replace("\n", end)
    for content in (text, "\ufeff" + text, end + text + end + end, text.rstrip()):
        table = parse(content)
        assert table.columns == ("cycle", "sensor_2")
        assert table.numbers.tolist() == [[1, 5], [2, 7]]


def test_columns_come_in_any_order_and_others_are_ignored():
    text = "note;sensor_2;Engine;RUL;time\n'x;5;a 7;;1\n;6;b;-;2\n"
    table = parse(text)
    assert table.engine.tolist() == ["a 7", "b"]
    assert table.numbers.tolist() == [[1, 5], [2, 6]]


def test_optional_columns_are_read_where_they_are():
    assert parse(CSV, optional=["sensor_3", "setting_1"]).columns == (
        "cycle",
        "sensor_2",
        "sensor_3",
    )


def test_quotes_and_bytes_other_than_utf_8():
    text = b'unit,cycle,"a, b",sensor_2\n"1","1","\xff\n","5"\n2,1,x,6\n'
    table = parse(text)
    assert table.numbers.tolist() == [[1, 5], [1, 6]]
    assert table.row_numbers.tolist() == [3, 4]


def test_more_rows_than_a_chunk_holds():
    text = "unit,cycle,sensor_2\n" + "".join(f"1,{i},{i}\n" for i in range(1, 20_001))
    table = parse(text)
    assert table.numbers[:, 1].tolist() == list(range(1, 20_001))
    assert "line 20002: found 'x'" in refused(text + "1,1,x\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "f: the file is empty, expected rows of numbers"),
        (" \n\n", "f: the file is empty"),
        ("unit,cycle,sensor_2\n", "f: found a header and no rows under it"),
        ("unit,cycle,sensor_2\n1,1,x\n", "f, line 2: found 'x' in column 3 (sensor_2), expected"),
        ("unit,cycle,sensor_2\n1,1,\n", "f, line 2: found nothing in column 3 (sensor_2)"),
        ("unit,cycle,sensor_2\n1,1,nan\n", "f, line 2: found 'nan' in column 3"),
        ("unit,cycle,sensor_2\n1,1,1e999\n", "f, line 2: found '1e999' in column 3"),
        ("unit,cycle,sensor_2\n1,1,-2e30\n", "f, line 2: found '-2e30' in column 3"),
        ("unit,cycle,sensor_2\n1,1,1_0\n", "f, line 2: found '1_0' in column 3"),
        ("unit,cycle,s2\n1,one,1\n", "f, line 2: found 'one' in column 2 (cycle)"),
        ("unit,cycle,s2\n1,1,1\n\n1,2\n", "f, line 4: found 2 column(s), expected 3"),
        ("unit,cycle,s2\n1,1,1,4\n", "f, line 2: found 4 column(s), expected 3"),
        (row("a", 1), "f, line 1: found 'a' in column 1 (unit)"),
        ("1,1,0.5\n", "f, line 1: found numbers, expected a header with the names"),
        ("\x1b[31m,cycle,s2\n1,1,1\n", "f: the column unit is missing"),
        ("1 1 0.5\n", "f, line 1: found 3 column(s), expected 26 (unit, cycle, 3 settings, 21"),
        (row(1, 1) + row("a", 1), "f, line 2: found 'a' in column 1 (unit)"),
        (row(1, 1) + row(1, 2, "\x1b"), "f, line 2: found '\\x1b' in column 7 (sensor_2)"),
        ("<html>", "f: found an HTML or XML page, expected C-MAPSS text, CSV or Parquet"),
        (b"PK\x03\x04", "f: found a zip archive"),
        (b"PAR1 and no more", "f: is not a complete Parquet file"),
        ("unit,cycle,s2\n1,1,\0\n", "f, line 2: found '\\x00' in column 3"),
        ('unit,cycle,s2\n"' + "9" * 200_000, "f, line 2: found an invalid row (field larger than"),
        ('unit,cycle,"' + "9" * 200_000, "f, line 1: found an invalid row (field larger than"),
        (
            'unit,cycle,s2,n\n1,1,1,"a\n1,2,1,b\n',
            "f, line 3: found an invalid row (unexpected end of data)",
        ),
        ('unit,cycle,s2\n1,1,"1"2\n', "f, line 2: found an invalid row (',' expected after '\"')"),
        (
            "unit,cycle,s2\np\0,1,1\n",
            "f, line 2: found a NUL character in the engine's name 'p\\x00'",
        ),
        ("\n,,,\n", "f, line 2: found only separators, expected a header with the names of"),
    ],
)
def test_errors_are_one_line_with_the_location(content, message):
    if content == b"PAR1 and no more":
        pytest.importorskip("pyarrow")
    assert refused(content).startswith(message)


FRAME = pd.DataFrame(
    {"unit": [3, 3], "time_cycles": [1, 2], "s_2": [0.1, 0.2], "other": ["a", "b"]}
)


def test_parquet_is_recognised_by_its_bytes():
    table = parse(parquet(FRAME))
    assert table.engine.tolist() == ["3", "3"]
    assert table.numbers.tolist() == [[1, 0.1], [2, 0.2]]
    assert (table.row_unit, table.row_numbers.tolist()) == ("row", [1, 2])


def test_the_index_of_a_parquet_file_counts_as_columns():
    assert parse(parquet(FRAME.set_index(["unit", "time_cycles"]))).numbers.tolist() == [
        [1, 0.1],
        [2, 0.2],
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"s_2": [0.1, None]}, "f, row 2: found 'nan' in column 3 (s_2), expected a finite"),
        ({"s_2": ["1.5", "x"]}, "f, row 2: found 'x' in column 3 (s_2)"),
        ({"s_2": [1.5, float("inf")]}, "f, row 2: found 'inf' in column 3 (s_2)"),
    ],
)
def test_errors_in_parquet(change, message):
    assert refused(parquet(FRAME.assign(**change))).startswith(message)


def test_parquet_without_rows_or_columns():
    assert refused(parquet(FRAME.iloc[:0])) == "f: found no rows, expected rows of numbers"
    assert "the column cycle is missing (as is sensor_2)" in refused(
        parquet(FRAME[["unit", "other"]])
    )


def test_without_pyarrow_the_error_names_the_package_to_install(monkeypatch):
    content = parquet(FRAME)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert "pip install 'cmapss_rul[parquet]'" in refused(content)
