"""TensorBoard's event file, as its own reader reads it."""

import csv
import shutil
import sys

import pytest

from cmapss_rul.system.errors import UsageError
from cmapss_rul.system.signals import Interrupted
from cmapss_rul.training.reporters import COLUMNS, Reporter
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.trackers.base import tag
from cmapss_rul.training.trackers.tensorboard import EVENTS
from cmapss_rul.training.trackers.tracker_reporter import Tracking, attach_results, make_tracker
from cmapss_rul.training.train import train
from tests.training.inputs import Recorder, Stopper, file_bytes, tiny_config

NEEDED = "needs tensorboard: pip install 'cmapss_rul[tensorboard]'"


def scalars(folder):
    """Tag → (step, value) of each event, in the file's order, doubles included."""
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_file_loader", reason=NEEDED
    )
    found = {}
    for file in sorted(folder.glob(EVENTS)):
        for event in reading.EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if not value.tensor.float_val:  # the text of the parameters
                    continue
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


def accumulated(folder):
    """What TensorBoard itself would show of a folder."""
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason=NEEDED
    )
    found = reading.EventAccumulator(str(folder), size_guidance={"tensors": 0})
    found.Reload()
    scalars, texts = {}, {}
    for name in found.Tags()["tensors"]:
        events = found.Tensors(name)
        if words := [e.tensor_proto.string_val[0].decode() for e in events
                     if e.tensor_proto.string_val]:  # fmt: skip
            texts[name] = words
        else:
            scalars[name] = [(e.step, e.tensor_proto.float_val[0]) for e in events]
    for name in found.Tags()["scalars"]:
        scalars[name] = [(event.step, event.value) for event in found.Scalars(name)]
    return scalars, texts


@pytest.fixture
def board():
    pytest.importorskip("tensorboard", reason=NEEDED)
    return Tracking(("tensorboard",))


def run(board, eight_engine_dir, folder, inner, resume=False, **train_keys):
    config = tiny_config(eight_engine_dir, train=train_keys)
    train(config, folder, resume=resume, device="cpu", reporters=[inner], tracking=board)


def test_tags_are_grouped():
    assert [tag(name) for name in COLUMNS[1:]] == [
        "train/rul_loss", "train/health_loss", "weight/rul", "weight/health", "grad_norm",
        "clipped_share", "learning_rate", "val/rmse", "val/nasa", "val/cut_rmse",
        "val/cut_nasa", "val/health_accuracy", "windows_per_second", "seconds",
    ]  # fmt: skip


def test_the_file_holds_the_table_and_the_listener_hears_all(board, eight_engine_dir, tmp_path):
    recorder = Recorder()
    run(board, eight_engine_dir, tmp_path / "run", recorder)
    assert_like_the_table(tmp_path / "run")
    assert len(recorder.rows) == 2
    assert recorder.steps > 2
    assert recorder.notes[-1].startswith("best epoch")
    assert len(list((tmp_path / "run").glob(EVENTS))) == 1


def test_it_is_written_while_the_run_goes_on(board, eight_engine_dir, tmp_path):
    class Looking(Recorder):
        def epoch_end(self, row, best):
            super().epoch_end(row, best)
            assert_like_the_table(tmp_path / "run")

    recorder = Looking()
    run(board, eight_engine_dir, tmp_path / "run", recorder)
    assert len(recorder.rows) == 2


@pytest.mark.parametrize(("stop", "files"), [({"epoch": 1}, 1), ({"step": 1}, 0)])
def test_a_resumed_run_has_each_epoch_once(board, eight_engine_dir, tmp_path, stop, files):
    folder = tmp_path / "run"
    with pytest.raises(Interrupted):
        run(board, eight_engine_dir, folder, Stopper(**stop))
    assert len(list(folder.glob(EVENTS))) == files
    run(board, eight_engine_dir, folder, Reporter(), resume=True)
    assert [row["epoch"] for row in metrics(folder)] == ["1", "2"]
    assert_like_the_table(folder)


def test_tensorboard_shows_parameters_rows_and_results_of_a_resumed_run(
    board, eight_engine_dir, tmp_path
):
    folder = tmp_path / "mine"
    with pytest.raises(Interrupted):
        run(board, eight_engine_dir, folder, Stopper(epoch=1))
    train(
        tiny_config(eight_engine_dir), folder, resume=True, device="cpu", reporters=[Reporter()]
    )  # no --logger
    said = []
    for rmse in (14.0, 12.5):  # evaluated twice: the latter counts
        summary = {"test_rmse": rmse, "test_nasa": 300.0}
        attach_results(RunFolder(folder), tiny_config(eight_engine_dir), [], summary, said.append)
    scalars, texts = accumulated(folder)
    rows = metrics(folder)
    for name in COLUMNS[1:]:
        expected = [(int(row["epoch"]), pytest.approx(float(row[name]), rel=1e-6)) for row in rows]
        assert scalars.pop(tag(name)) == expected, name
    assert scalars == {"test/rmse": [(0, 12.5)], "test/nasa": [(0, 300.0)]}
    ((name, (text,)),) = texts.items()
    assert name == "parameters/text_summary"
    for line in ("| name | mine |", "| subset | FD001 |", "| data.window | 5 |",
                 "| model.cnn.channels | [3] |"):  # fmt: skip
        assert line in text.splitlines()
    assert said == []
    # trained on, the epochs are written anew and the results of the evaluation stay
    run(board, eight_engine_dir, folder, Reporter(), resume=True, epochs=3)
    scalars, texts = accumulated(folder)
    assert [step for step, _ in scalars["val/rmse"]] == [1, 2, 3]
    assert scalars["test/rmse"] == [(0, 12.5)]
    assert len(texts["parameters/text_summary"]) == 1


def test_an_epoch_that_a_killed_process_saved_but_did_not_tell_is_there(
    board, eight_engine_dir, tmp_path
):
    folder = tmp_path / "run"
    train(tiny_config(eight_engine_dir, train={"epochs": 1}), folder, device="cpu")
    shutil.copytree(folder, tmp_path / "finished")
    run(board, eight_engine_dir, folder, Reporter(), resume=True, epochs=2)
    assert_like_the_table(folder)
    run(board, eight_engine_dir, tmp_path / "finished", Reporter(), resume=True, epochs=1)
    assert len(metrics(tmp_path / "finished")) == 1
    assert_like_the_table(tmp_path / "finished")


def test_a_folder_that_is_refused_is_left_alone(board, eight_engine_dir, finished_run, tmp_path):
    folder = shutil.copytree(finished_run, tmp_path / "run")
    (folder / "events.out.tfevents.1").write_bytes(b"mine")
    before = file_bytes(folder)
    with pytest.raises(UsageError, match="exists already"):
        run(board, eight_engine_dir, folder, Reporter())
    assert file_bytes(folder) == before


def test_without_the_extra_it_is_said_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError) as told:
        make_tracker("tensorboard")
    assert str(told.value).startswith("--logger tensorboard: ")
    assert str(told.value).endswith("; pip install 'cmapss_rul[tensorboard]'")
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []
