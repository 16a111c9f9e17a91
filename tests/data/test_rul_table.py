"""A user's RUL files: joined by position if unambiguous, otherwise by engine name."""

import numpy as np
import pytest

from cmapss_rul.data.testset import read_own_rul
from cmapss_rul.system.errors import DataError


def read(tmp_path, text, names=(1, 2, 10), engine=None):
    path = tmp_path / "rul.txt"
    path.write_bytes(text.encode())
    return read_own_rul(path, list(names), engine)


@pytest.mark.parametrize(
    "names", [(1, 2, 10), ("P1", "P2", "P10"), ("007", "08", "x"), ("a", "b", "c"), (-3, 0, 2)]
)
@pytest.mark.parametrize("header", ["", "RUL\n", "true rul\r\n"])
def test_one_column_follows_ascending_engines(tmp_path, names, header):
    found = read(tmp_path, f"{header}5\n60\n7\n", names)
    assert (found.tolist(), found.dtype) == ([5, 60, 7], np.int64)


@pytest.mark.parametrize(
    ("names", "first", "second"),
    [((1, 10, 2), 2, 10), (("P1", "P10", "P2"), "P2", "P10"), (("b", "a", "c"), "a", "b")],
)
def test_one_column_is_refused_for_other_orders(tmp_path, names, first, second):
    with pytest.raises(DataError) as caught:
        read(tmp_path, "5\n60\n7\n", names)
    assert str(caught.value) == (
        f"{tmp_path}/rul.txt: found no names of engines, but engine {first} follows {second} "
        "in the test file, so the order of the RUL is not known for certain; give the RUL file two "
        "columns, the engine's name and its RUL, or sort the test file by engine"
    )


TABLES = {
    "commas": "10,7\n1,5\n2,60\n",
    "semicolons": "10;7\r\n1;5\r\n2;60\r\n",
    "tabs": "10\t7\n1\t5\n2\t60\n",
    "spaces": "10  7 \n 1  5\n2 60",
    "a header": "unit,RUL\n10,7\n1,5\n2,60\n",
    "a header in the other order": "RUL;engine_id\n7;10\n5;1\n60;2\n",
    "a header with one known name": "pump;RUL\n10;7\n1;5\n2;60\n",
    "a header with the other known name": "life left;id\n7;10\n5;1\n60;2\n",
    "an index": ",unit,RUL\n0,10,7\n1,1,5\n2,2,60\n",
    "floats": "10,7.0\n1,5.0\n2,6e1\n",
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
@pytest.mark.parametrize("names", [(1, 2, 10), (10, 1, 2), ("2", "10", "1")])
def test_two_columns_are_joined_by_name(tmp_path, text, names):
    rul = {1: 5, 2: 60, 10: 7}
    assert read(tmp_path, text, names).tolist() == [rul[int(name)] for name in names]


def test_the_users_own_name_of_the_engine_column(tmp_path):
    text = "asset,id,RUL\n1,9,5\n2,9,60\n10,9,7\n"
    assert read(tmp_path, text, engine="asset").tolist() == [5, 60, 7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": the file is empty"),
        ("1,5\n2,60\n", ": found no RUL of engine 10, expected one for each engine of the test"),
        ("1,5\n", ": found no RUL of engine 2 and 1 more, expected"),
        ("1,5\n2,60\n10,7\n1,5\n", ", line 4: found engine '1', a second RUL"),
        ("1,5\n2,60\n10,7\n11,5\n", ", line 4: found engine '11', no such engine in the test file"),
        ("01,5\n2,60\n10,7\n", ", line 1: found engine '01', no such engine in the test file"),
        ("1,5\n2,-1\n10,7\n", ", line 2: found '-1', expected a RUL: a whole number of cycles"),
        ("1,5\n2,1.5\n10,7\n", ", line 2: found '1.5', expected a RUL"),
        ("1,5\n2\n10,7\n", ", line 2: found 1 column(s), expected 2"),
        ("1,5,0\n2,60,0\n", ", line 1: found 3 columns without a header"),
        ("what,when\n1,5\n", ", line 1: found the columns 'what', 'when', expected one of engines"),
        ("unit,RUL,ttf\n1,5,5\n", ", line 1: found the columns 'unit', 'RUL', 'ttf', expected one"),
        ("5\n60\n", ", line 2: found 2 row(s) in the file, expected 3"),
        ("RUL\n5\n60\n", ": found 2 row(s) under the header, expected 3"),
        ("RUL\n5\nx\n7\n", ", line 3: found 'x', expected a RUL"),
        ("x\n", ": found 0 row(s) under the header, expected 3"),
        ("PK\x03\x04", ": found a zip archive"),
    ],
)
def test_mismatches_are_refused(tmp_path, text, message):
    with pytest.raises(DataError) as caught:
        read(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/rul.txt{message}")
