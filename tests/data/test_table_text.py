"""Compression, encodings and decimal separators of users' tables."""

import gzip
import io
import pickle
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

from cmapss_rul.data import table_text
from cmapss_rul.data.column_inference import infer_columns
from cmapss_rul.data.columns import ColumnRequest
from cmapss_rul.data.tables import parse_table
from cmapss_rul.system.errors import DataError

FRAME = pd.DataFrame(
    {"unit": ["a"] * 12 + ["b"] * 8, "cycle": [*range(1, 13), *range(1, 9)],
     "s2": np.random.default_rng(0).normal(500, 100, 20).round(4)}
)  # fmt: skip
CSV = FRAME.to_csv(index=False).encode()


def parse(content, needed=("sensor_2",), **request):
    content = content.encode() if isinstance(content, str) else content
    return parse_table(content, "f", ColumnRequest(list(needed), **request))


def refused(content, **request):
    with pytest.raises(DataError) as caught:
        parse(content, **request)
    assert str(caught.value).isprintable()
    return str(caught.value)


def assert_same_table(content):
    table = parse(content)
    assert table.engine.tolist() == FRAME["unit"].tolist()
    assert table.numbers.tolist() == FRAME[["cycle", "s2"]].to_numpy(float).tolist()
    found = infer_columns(content, "f")
    assert [column.name for column in found.sensors] == ["s2"]
    assert (found.engines, found.left_out) == (2, [])


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "/"), content)
    return file.getvalue()


@pytest.mark.parametrize("separator", [";", "\t"])
def test_decimal_commas(separator):
    assert_same_table(FRAME.to_csv(index=False, sep=separator, decimal=",").encode())


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_sep_line_of_excel(line, end):
    text = FRAME.to_csv(index=False, sep=";", decimal=",", lineterminator=end)
    assert_same_table(f"{line}{end}{text}".encode())
    assert_same_table(f"\ufeff{line}{end}{text}".encode())
    assert parse(f"{line}{end}{text}").row_numbers[0] == 3
    assert parse("sep=,\nunit,cycle,s2\na;b,1,2\n").engine.tolist() == ["a;b"]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["1,5", "2.5"], "f: found '1,5' in line 2 and '2.5' in line 3, expected either decimal "
                         "commas or decimal points"),
        (["1,234", "567"], "f: found '1,234' in line 2 beside numbers without a comma, which may"),
        (["999", "1,000"], "f: found '1,000' in line 3 beside numbers without a comma, which may"),
        (["1.234,5", "2"], "f, line 2: found '1.234,5' in column 3 (s2), expected a finite number"),
        (["1,234,567", "2"], "f, line 2: found '1,234,567' in column 3 (s2), expected a finite"),
        (["1,5", "nan"], "f, line 3: found 'nan' in column 3 (s2), expected a finite number"),
        (["1,5", ""], "f, line 3: found nothing in column 3 (s2)"),
        (["1,5,", "2"], "f, line 2: found '1,5,' in column 3 (s2)"),
        ([",", "2"], "f, line 2: found ',' in column 3 (s2)"),
    ],
)  # fmt: skip
def test_ambiguous_commas_are_refused(cells, message):
    rows = "".join(f"1;{i};{cell}\n" for i, cell in enumerate(cells, 1))
    assert refused("unit;cycle;s2\n" + rows).startswith(message)


def test_commas_of_a_column_are_read_alike():
    text = "unit;cycle;s2\n1,5;1;0,125\n1,5;2;-1\n1,5;3;,5\n1,5;4;1,5e-3\n1,5;5;1,234\n"
    table = parse(text)
    assert table.engine.tolist() == ["1,5"] * 5  # a name is not changed
    assert table.numbers[:, 1].tolist() == [0.125, -1, 0.5, 0.0015, 1.234]
    many = "".join(f"1;{i};{i}\n" for i in range(1, 10_001)) + "1;10001;1,234\n"
    assert "'1,234' in line 10002 beside numbers" in refused("unit;cycle;s2\n" + many)


def test_a_comma_between_quotes_is_refused_by_name():
    text = 'unit,cycle,s2\n1,1,"1,5"\n'
    message = "f, line 2: found '1,5' in column 3 (s2), expected a finite number (of at most 1e+30)"
    message += "; decimal commas are read where ; or tabs separate the columns"
    assert refused(text) == message
    with pytest.raises(DataError, match="found '1,5' in column 3"):
        infer_columns(text.encode(), "f")


def test_gzip_and_zip():
    assert_same_table(gzip.compress(CSV))
    assert_same_table(
        zipped(**{"export_my.csv": CSV, "__MACOSX_._my.csv": b"x", "export_.DS": b"x"})
    )
    assert refused(zipped(a=CSV, b=CSV)).startswith("f: found a zip archive of 2 files, expected")
    assert refused(zipped()).startswith("f: found a zip archive")
    for broken in (gzip.compress(CSV)[:-20], b"\x1f\x8bxxxx", zipped(a=CSV)[:-30]):
        assert " archive that cannot be read (" in refused(broken)
    assert "found a gzip archive, expected" in refused(zipped(a=gzip.compress(CSV)))


def test_excessive_decompression_is_refused(monkeypatch):
    monkeypatch.setattr(table_text, "_MAX_BYTES", 1000)
    large = CSV + b"b,9,1\n" * 1000
    for content in (gzip.compress(large), zipped(a=large)):
        assert "f: unpacks to more than" in refused(content)


def workbook(**sheets):
    file = io.BytesIO()
    with pd.ExcelWriter(file, engine="openpyxl") as writer:
        for name, frame in sheets.items():
            frame.to_excel(writer, sheet_name=name, index=False)
    return file.getvalue()


def test_excel_workbooks():
    pytest.importorskip("openpyxl")
    assert_same_table(workbook(data=FRAME))
    assert_same_table(workbook(empty=FRAME.head(0), data=FRAME))
    assert "found a workbook of 2 sheets with rows" in refused(workbook(a=FRAME, b=FRAME))
    zeros = workbook(data=FRAME.assign(unit=["007"] * 12 + ["7"] * 8))
    assert set(parse(zeros).engine.tolist()) == {"007", "7"}


def test_a_workbook_without_openpyxl(monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    content = zipped(**{"xl_workbook.xml": b"<x/>"})
    assert "pip install 'cmapss_rul[excel]', or save the sheet as CSV" in refused(content)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (CSV.decode().encode("utf-16-le"), "a UTF-16 text"),
        (CSV.decode().encode("utf-16-be"), "a UTF-16 text"),
        (CSV.decode().encode("utf-16"), "a UTF-16 text"),
        (pickle.dumps([1, "x"]), "a Python pickle"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls)"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    ],
)
def test_other_formats_are_named(content, found):
    message = f"f: found {found}, expected C-MAPSS text, CSV or Parquet"
    assert refused(content) == message
    with pytest.raises(DataError) as caught:
        infer_columns(content, "f")
    assert str(caught.value) == message


def test_half_precision_is_refused():
    pytest.importorskip("pyarrow")
    half = FRAME.astype({"s2": "float16"}).assign(other=FRAME["s2"].astype("float16"))
    for content in (half, half.to_parquet()):
        assert refused(content) == (
            "f: found half precision (float16) in column 3 (s2), which rounds to 3 digits; save it "
            "as float32 or float64"
        )
    single = FRAME.astype({"s2": "float32"})
    assert parse(single).numbers[0, 1] == np.float32(FRAME["s2"][0])
    with pytest.raises(DataError, match="half precision"):
        infer_columns(half.to_parquet(), "f")


def test_a_time_is_not_a_cycle_but_may_order_rows():
    hours = pd.Timestamp("2024-01-30 23:00") + pd.to_timedelta(FRAME["cycle"] * 6, unit="h")
    text = FRAME.assign(cycle=hours.dt.strftime("%Y-%m-%d %H:%M")).to_csv(index=False)
    assert refused(text) == (
        "f, line 2: found '2024-01-31 05:00' in column 2 (cycle), expected a count of cycles, not "
        "a time; --cycle-from-order (data.cycle_from_order) takes the rows of an engine in the "
        "order of their times as its cycles"
    )
    for content in (text, FRAME.assign(cycle=hours), FRAME.assign(cycle=hours).to_parquet()):
        seconds = parse(content, times=True).numbers[:, 0]
        assert (np.diff(seconds[:12]) == 6 * 3600).all()
    assert parse(CSV, times=True).numbers[:, 0].tolist() == FRAME["cycle"].tolist()
    assert parse("unit,cycle,s2\n1,24.5,1\n1,-3,2\n", times=True).numbers[:, 0].tolist() == [
        24.5,
        -3,
    ]
    ambiguous = "unit,cycle,s2\n1,03/04/2024,1\n"
    assert refused(ambiguous, times=True) == (
        "f, line 2: found '03/04/2024' as a time, expected a number, or a date and time as in "
        "2024-03-31 12:00:00"
    )
    assert "expected a count of cycles" in refused(ambiguous)
