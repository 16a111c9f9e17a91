"""TensorBoard's event file, read by TensorBoard's own reader."""

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


def assert_equals_metrics_csv(folder):
    rows, found = metrics(folder), scalars(folder)
    assert set(found) == {tag(name) for name in COLUMNS[1:]}
    for name in COLUMNS[1:]:
        expected = [(int(row["epoch"]), pytest.approx(float(row[name]), rel=1e-6)) for row in rows]
        assert found[tag(name)] == expected, name


def shown_by_tensorboard(folder):
    """What TensorBoard would show for a folder."""
    reading = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason=NEEDED
    )
    found = reading.EventAccumulator(str(folder), size_guidance={"tensors": 0})
    found.Reload()
    scalars, texts = {}, {}
    for name in found.Tags()["tensors"]:
        events = found.Tensors(name)
        if content := [e.tensor_proto.string_val[0].decode() for e in events
                     if e.tensor_proto.string_val]:  # fmt: skip
            texts[name] = content
        else:
            scalars[name] = [(e.step, e.tensor_proto.float_val[0]) for e in events]
    for name in found.Tags()["scalars"]:
        scalars[name] = [(event.step, event.value) for event in found.Scalars(name)]
    return scalars, texts


@pytest.fixture
def tensorboard():
    pytest.importorskip("tensorboard", reason=NEEDED)
    return Tracking(("tensorboard",))


def run(tensorboard, eight_engine_dir, folder, inner, resume=False, **train_keys):
    config = tiny_config(eight_engine_dir, train=train_keys)
    train(config, folder, resume=resume, device="cpu", reporters=[inner], tracking=tensorboard)


def test_tags_are_grouped():
    assert [tag(name) for name in COLUMNS[1:]] == [
        "train/rul_loss", "train/health_loss", "weight/rul", "weight/health", "grad_norm",
        "clipped_share", "learning_rate", "val/rmse", "val/nasa", "val/cut_rmse",
        "val/cut_nasa", "val/health_accuracy", "windows_per_second", "seconds",
    ]  # fmt: skip


def test_the_file_has_the_metrics_and_the_inner_reporter_all_events(
    tensorboard, eight_engine_dir, tmp_path
):
    recorder = Recorder()
    run(tensorboard, eight_engine_dir, tmp_path / "run", recorder)
    assert_equals_metrics_csv(tmp_path / "run")
    assert len(recorder.rows) == 2
    assert recorder.steps > 2
    assert recorder.notes[-1].startswith("best epoch")
    assert len(list((tmp_path / "run").glob(EVENTS))) == 1


def test_the_file_is_written_during_the_run(tensorboard, eight_engine_dir, tmp_path):
    class FileWatcher(Recorder):
        def epoch_end(self, row, best):
            super().epoch_end(row, best)
            assert_equals_metrics_csv(tmp_path / "run")

    recorder = FileWatcher()
    run(tensorboard, eight_engine_dir, tmp_path / "run", recorder)
    assert len(recorder.rows) == 2


@pytest.mark.parametrize(("stop", "files"), [({"epoch": 1}, 1), ({"step": 1}, 0)])
def test_a_resumed_run_has_each_epoch_once(tensorboard, eight_engine_dir, tmp_path, stop, files):
    folder = tmp_path / "run"
    with pytest.raises(Interrupted):
        run(tensorboard, eight_engine_dir, folder, Stopper(**stop))
    assert len(list(folder.glob(EVENTS))) == files
    run(tensorboard, eight_engine_dir, folder, Reporter(), resume=True)
    assert [row["epoch"] for row in metrics(folder)] == ["1", "2"]
    assert_equals_metrics_csv(folder)


def test_tensorboard_shows_parameters_rows_and_results_of_a_resumed_run(
    tensorboard, eight_engine_dir, tmp_path
):
    folder = tmp_path / "mine"
    with pytest.raises(Interrupted):
        run(tensorboard, eight_engine_dir, folder, Stopper(epoch=1))
    train(
        tiny_config(eight_engine_dir), folder, resume=True, device="cpu", reporters=[Reporter()]
    )  # no --logger
    notes = []
    for rmse in (14.0, 12.5):  # evaluated twice: the last one counts
        summary = {"test_rmse": rmse, "test_nasa": 300.0}
        attach_results(RunFolder(folder), tiny_config(eight_engine_dir), [], summary, notes.append)
    scalars, texts = shown_by_tensorboard(folder)
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
    assert notes == []
    # after more training, epochs are rewritten and the results of the evaluation remain
    run(tensorboard, eight_engine_dir, folder, Reporter(), resume=True, epochs=3)
    scalars, texts = shown_by_tensorboard(folder)
    assert [step for step, _ in scalars["val/rmse"]] == [1, 2, 3]
    assert scalars["test/rmse"] == [(0, 12.5)]
    assert len(texts["parameters/text_summary"]) == 1


def test_an_epoch_saved_but_not_reported_before_a_kill_is_included(
    tensorboard, eight_engine_dir, tmp_path
):
    folder = tmp_path / "run"
    train(tiny_config(eight_engine_dir, train={"epochs": 1}), folder, device="cpu")
    shutil.copytree(folder, tmp_path / "finished")
    run(tensorboard, eight_engine_dir, folder, Reporter(), resume=True, epochs=2)
    assert_equals_metrics_csv(folder)
    run(tensorboard, eight_engine_dir, tmp_path / "finished", Reporter(), resume=True, epochs=1)
    assert len(metrics(tmp_path / "finished")) == 1
    assert_equals_metrics_csv(tmp_path / "finished")


def test_a_refused_folder_is_left_alone(tensorboard, eight_engine_dir, finished_run, tmp_path):
    folder = shutil.copytree(finished_run, tmp_path / "run")
    (folder / "events.out.tfevents.1").write_bytes(b"mine")
    before = file_bytes(folder)
    with pytest.raises(UsageError, match="exists already"):
        run(tensorboard, eight_engine_dir, folder, Reporter())
    assert file_bytes(folder) == before


def test_without_the_extra_the_error_names_the_package(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError) as caught:
        make_tracker("tensorboard")
    assert str(caught.value).startswith("--logger tensorboard: ")
    assert str(caught.value).endswith("; pip install 'cmapss_rul[tensorboard]'")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
