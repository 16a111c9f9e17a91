"""metrics.csv, train.log, and TensorBoard's event file as its own reader reads it."""

import csv
import re
import shutil
import sys

import pytest

from cmapss_rul.system.errors import RulError, UsageError
from cmapss_rul.system.signals import Interrupted
from cmapss_rul.training.loggers import (
    COLUMNS,
    EVENTS,
    LogFile,
    Reporter,
    Reporters,
    TensorBoard,
    read_metrics,
    tag,
    write_metrics,
)
from cmapss_rul.training.train import train
from tests.training.inputs import Recorder, Stopper, everything, tiny

NEEDED = "needs tensorboard: pip install 'cmapss_rul[tensorboard]'"
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


def test_the_log_has_a_time_in_front_of_each_line_and_all_reporters_get_each_event(tmp_path):
    recorder = Recorder()
    both = Reporters([LogFile(tmp_path / "train.log"), recorder])
    both.epoch_start(1, 2, 30, 0)
    both.batch_end(10)
    both.epoch_end(ROW, best=True)
    both.epoch_end(ROW, best=False)
    both.note("a note: ½")
    both.detail("for the log alone")
    lines = (tmp_path / "train.log").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", line) for line in lines)
    assert lines[0].endswith(f"seconds {ROW['seconds']}, best so far")
    assert "val_rmse 8.5" in lines[1]
    assert lines[2].endswith("a note: ½")
    assert recorder.steps == 1
    assert recorder.notes == ["a note: ½"]
    assert recorder.rows == [ROW, ROW]


def test_the_log_is_added_to(tmp_path):
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


# ---- TensorBoard ------------------------------------------------------------------------------


def scalars(folder):
    """Tag → (step, value) of each event, in the file's order, doubles included."""
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_file_loader", reason=NEEDED
    )
    found = {}
    for file in sorted(folder.glob(EVENTS)):
        for event in reading.EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                number = value.tensor.float_val[0]
                found.setdefault(value.tag, []).append((event.step, number))
    return found


def metrics(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_like_the_table(folder):
    rows, found = metrics(folder), scalars(folder)
    assert set(found) == {tag(name) for name in COLUMNS[1:]}
    for name in COLUMNS[1:]:
        expected = [(int(row["epoch"]), pytest.approx(float(row[name]), rel=1e-6)) for row in rows]
        assert found[tag(name)] == expected, name


@pytest.fixture
def board():
    pytest.importorskip("tensorboard", reason=NEEDED)
    return TensorBoard


def run(board, eight, folder, inner, resume=False, **train_keys):
    config = tiny(eight, train=train_keys)
    with board(folder / "metrics.csv") as writer:
        train(config, folder, resume=resume, device="cpu", reporters=[writer, inner])


def test_tags_are_grouped():
    assert [tag(name) for name in COLUMNS[1:]] == [
        "train/rul_loss", "train/health_loss", "weight/rul", "weight/health", "grad_norm",
        "clipped_share", "learning_rate", "val/rmse", "val/nasa", "val/cut_rmse",
        "val/cut_nasa", "val/health_accuracy", "windows_per_second", "seconds",
    ]  # fmt: skip


def test_the_file_holds_the_table_and_the_listener_hears_all(board, eight, tmp_path):
    recorder = Recorder()
    run(board, eight, tmp_path / "run", recorder)
    assert_like_the_table(tmp_path / "run")
    assert len(recorder.rows) == 2
    assert recorder.steps > 2
    assert recorder.notes[-1].startswith("best epoch")
    assert len(list((tmp_path / "run").glob(EVENTS))) == 1


def test_it_is_written_while_the_run_goes_on(board, eight, tmp_path):
    class Looking(Recorder):
        def epoch_end(self, row, best):
            super().epoch_end(row, best)
            assert_like_the_table(tmp_path / "run")

    recorder = Looking()
    run(board, eight, tmp_path / "run", recorder)
    assert len(recorder.rows) == 2


@pytest.mark.parametrize(("stop", "files"), [({"epoch": 1}, 1), ({"step": 1}, 0)])
def test_a_resumed_run_has_each_epoch_once(board, eight, tmp_path, stop, files):
    folder = tmp_path / "run"
    with pytest.raises(Interrupted):
        run(board, eight, folder, Stopper(**stop))
    assert len(list(folder.glob(EVENTS))) == files
    run(board, eight, folder, Reporter(), resume=True)
    assert [row["epoch"] for row in metrics(folder)] == ["1", "2"]
    assert_like_the_table(folder)


def test_an_epoch_that_a_killed_process_saved_but_did_not_tell_is_there(board, eight, tmp_path):
    folder = tmp_path / "run"
    train(tiny(eight, train={"epochs": 1}), folder, device="cpu")
    shutil.copytree(folder, tmp_path / "finished")
    run(board, eight, folder, Reporter(), resume=True, epochs=2)
    assert_like_the_table(folder)
    run(board, eight, tmp_path / "finished", Reporter(), resume=True, epochs=1)
    assert len(metrics(tmp_path / "finished")) == 1
    assert_like_the_table(tmp_path / "finished")


def test_a_folder_that_is_refused_is_left_alone(board, eight, finished_run, tmp_path):
    folder = shutil.copytree(finished_run, tmp_path / "run")
    (folder / "events.out.tfevents.1").write_bytes(b"mine")
    before = everything(folder)
    with pytest.raises(UsageError, match="exists already"):
        run(board, eight, folder, Reporter())
    assert everything(folder) == before


def test_without_the_extra_it_is_said_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError) as told:
        TensorBoard(tmp_path / "run" / "metrics.csv")
    assert str(told.value).startswith("--logger tensorboard: ")
    assert str(told.value).endswith("; pip install 'cmapss_rul[tensorboard]'")
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []
