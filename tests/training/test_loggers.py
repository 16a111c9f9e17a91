import re

import pytest

from cmapss_rul.system.errors import RulError
from cmapss_rul.training.loggers import COLUMNS, Logged, Quiet, read_metrics, write_metrics
from tests.training.inputs import Listener

ROW = {name: place + 0.5 for place, name in enumerate(COLUMNS)}


def test_metrics_are_written_exactly_and_whole(tmp_path):
    path = tmp_path / "metrics.csv"
    write_metrics(path, [])
    assert path.read_text() == ",".join(COLUMNS) + "\n"
    write_metrics(path, [{**ROW, "val_rmse": 0.1 + 0.2}])
    values = path.read_text().splitlines()[1].split(",")
    assert float(values[COLUMNS.index("val_rmse")]) == 0.1 + 0.2
    assert [item.name for item in tmp_path.iterdir()] == ["metrics.csv"]


def test_metrics_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "metrics.csv"
    write_metrics(path, [{**ROW, "val_rmse": 0.1 + 0.2}, ROW])
    assert read_metrics(path) == [{**ROW, "val_rmse": 0.1 + 0.2}, ROW]
    write_metrics(path, [])
    assert read_metrics(path) == []


@pytest.mark.parametrize("content", [None, b"epoch\n1\n", b"\xff\xfe", b"a,b\n1,2\n"])
def test_what_is_no_metrics_file_is_one_line(tmp_path, content):
    path = tmp_path / "metrics.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RulError, match=r"metrics\.csv: cannot be read: ") as told:
        read_metrics(path)
    assert "\n" not in str(told.value)


def test_a_row_with_other_columns_is_a_defect(tmp_path):
    with pytest.raises(ValueError, match="extra"):
        write_metrics(tmp_path / "metrics.csv", [{**ROW, "extra": 1}])


def test_the_log_has_a_time_in_front_of_each_line_and_the_listener_hears_it_too(tmp_path):
    listener = Listener()
    logged = Logged(tmp_path / "train.log", listener)
    logged.start(1, 2, 30, 0)
    logged.batch(10)
    logged.epoch(ROW, best=True)
    logged.epoch(ROW, best=False)
    logged.note("a note: ½")
    logged.detail("for the log alone")
    lines = (tmp_path / "train.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in lines)
    assert lines[0].endswith("seconds 12.5, best so far")
    assert "val_rmse 8.5" in lines[1]
    assert lines[2].endswith("a note: ½")
    assert listener.steps == 1
    assert listener.told == ["a note: ½"]
    assert listener.rows == [ROW, ROW]


def test_the_log_is_added_to(tmp_path):
    for text in ("first", "second"):
        Logged(tmp_path / "train.log", Quiet()).note(text)
    assert len((tmp_path / "train.log").read_text().splitlines()) == 2


def test_quiet_says_nothing(capsys):
    quiet = Quiet()
    quiet.start(1, 2, 3, 0)
    quiet.batch(1)
    quiet.epoch(ROW, best=True)
    quiet.note("x")
    quiet.detail("x")
    assert capsys.readouterr() == ("", "")
