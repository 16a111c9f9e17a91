"""metrics.csv, train.log and the events of reporters."""

import re

import pytest

from cmapss_rul.system.errors import RulError
from cmapss_rul.training.reporters import (
    COLUMNS,
    LogFile,
    Reporter,
    Reporters,
    read_metrics,
    write_metrics,
)
from tests.training.inputs import Recorder

ROW = {name: position + 0.5 for position, name in enumerate(COLUMNS)}


def test_metrics_are_written_exactly_and_whole(tmp_path):
    path = tmp_path / "metrics.csv"
    write_metrics(path, [])
    assert path.read_text() == ",".join(COLUMNS) + "\n"
    write_metrics(path, [{**ROW, "val_rmse": 0.1 + 0.2}])
    values = path.read_text().splitlines()[1].split(",")
    assert float(values[COLUMNS.index("val_rmse")]) == 0.1 + 0.2
    assert [item.name for item in tmp_path.iterdir()] == ["metrics.csv"]


def test_metrics_survive_writing_and_reading(tmp_path):
    path = tmp_path / "metrics.csv"
    write_metrics(path, [{**ROW, "val_rmse": 0.1 + 0.2}, ROW])
    assert read_metrics(path) == [{**ROW, "val_rmse": 0.1 + 0.2}, ROW]
    write_metrics(path, [])
    assert read_metrics(path) == []


@pytest.mark.parametrize("content", [None, b"epoch\n1\n", b"\xff\xfe", b"a,b\n1,2\n"])
def test_an_invalid_metrics_file_is_reported_in_one_line(tmp_path, content):
    path = tmp_path / "metrics.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RulError, match=r"metrics\.csv: cannot be read: ") as caught:
        read_metrics(path)
    assert "\n" not in str(caught.value)


def test_a_row_with_other_columns_raises(tmp_path):
    with pytest.raises(ValueError, match="extra"):
        write_metrics(tmp_path / "metrics.csv", [{**ROW, "extra": 1}])


def test_log_lines_start_with_the_time_and_reporters_get_each_event(tmp_path):
    recorder = Recorder()
    both = Reporters([LogFile(tmp_path / "train.log"), recorder])
    both.epoch_start(1, 2, 30, 0)
    both.batch_end(10)
    both.epoch_end(ROW, best=True)
    both.epoch_end(ROW, best=False)
    both.note("a note: ½")
    both.detail("for the log alone")
    both.warning("a warning")
    lines = (tmp_path / "train.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 5
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in lines)
    assert lines[0].endswith(f"seconds {ROW['seconds']}, best so far")
    assert "val_rmse 8.5" in lines[1]
    assert lines[2].endswith("a note: ½")
    assert recorder.steps == 1
    assert lines[4].endswith("a warning")
    assert recorder.notes == ["a note: ½", "a warning"]
    assert recorder.rows == [ROW, ROW]


def test_the_log_is_appended_to(tmp_path):
    for text in ("first", "second"):
        LogFile(tmp_path / "train.log").note(text)
    assert len((tmp_path / "train.log").read_text().splitlines()) == 2


def test_the_base_class_prints_nothing(capsys):
    reporter = Reporter()
    reporter.epoch_start(1, 2, 3, 0)
    reporter.batch_end(1)
    reporter.epoch_end(ROW, best=True)
    reporter.note("x")
    reporter.detail("x")
    assert capsys.readouterr() == ("", "")
