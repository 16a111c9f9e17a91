"""Trackers that fail, hang or are resumed: training continues, and so does the tracked run."""

import json
import threading

import pandas as pd
import pytest

from cmapss_rul.system.errors import UsageError
from cmapss_rul.system.signals import Interrupted
from cmapss_rul.training.reporters import Reporter
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.trackers import NAMES, parse_names, tracker_reporter
from cmapss_rul.training.trackers.tracker_reporter import TrackerStates, Tracking, attach_results
from cmapss_rul.training.train import train
from tests.training.inputs import Recorder, Stopper, assert_same_run, file_bytes, tiny_config


class FakeTracker:
    """A tracker with a fake server; `broken` names a call that fails."""

    local = False

    def __init__(self, server, broken=None):
        self.server, self.broken, self.threads = server, broken, set()

    def _called(self, name):
        self.threads.add(threading.current_thread().name)
        if name == self.broken:
            raise RuntimeError("the server\nsays no")

    def open(self, run):
        self._called("open")
        self.id = run.id or f"id-{len(self.server)}"
        self.run = self.server.setdefault(self.id, {"rows": [], "files": [], "summary": {}})
        self.run.update(name=run.name, group=run.group, parameters=run.parameters, tags=run.tags)
        return self.id, run.epochs

    def log(self, rows):
        self._called("log")
        self.run["rows"] += rows

    def attach(self, files, summary):
        self._called("attach")
        self.run["files"] += [file.name for file in files]
        self.run["summary"].update(summary)

    def close(self, *, failed):
        self._called("close")
        self.run["failed"] = failed


@pytest.fixture
def server(monkeypatch):
    found = {}
    monkeypatch.setitem(tracker_reporter.TRACKERS, "mlflow", lambda: FakeTracker(found))
    return found


MLFLOW = Tracking(("mlflow",))


def run(eight_engine_dir, folder, inner=None, tracking=MLFLOW, resume=False, **parts):
    reporters = [inner or Reporter()]
    config = tiny_config(eight_engine_dir, **parts)
    train(config, folder, resume=resume, device="cpu", reporters=reporters, tracking=tracking)


def test_names_are_comma_separated_or_repeated():
    assert parse_names(["csv,mlflow", "wandb", "csv"]) == ("csv", "mlflow", "wandb")
    assert set(NAMES) == tracker_reporter.TRACKERS.keys()
    for wrong in ("mlfow", "csv,", ""):
        with pytest.raises(UsageError, match=r"--logger: found '.*', expected one or more of c"):
            parse_names([wrong])


def test_a_tracker_gets_the_configuration_each_epoch_and_the_checkpoint(
    eight_engine_dir, server, tmp_path
):
    run(
        eight_engine_dir, tmp_path / "mine-s3", tracking=Tracking(("mlflow",), group="grid"), seed=3
    )
    (found,) = server.values()
    assert (found["name"], found["group"], found["failed"]) == ("mine-s3", "grid", False)
    assert [row["epoch"] for row in found["rows"]] == [1, 2]
    assert found["files"] == ["best.pt", "config.yaml", "metrics.csv"]
    assert found["tags"]["seed"] == "3"
    assert found["tags"]["subset"] == "FD001"
    assert found["parameters"]["train.batch_size"] == 20
    assert found["parameters"]["model.cnn.channels"] == "[3]"
    assert found["parameters"]["train.patience"] == "null"
    assert "data.dir" not in found["parameters"]
    record = json.loads((tmp_path / "mine-s3/trackers.json").read_text())["mlflow"]
    assert record == {"name": "mine-s3", "group": "grid", "id": "id-0", "epochs": 2}


@pytest.mark.parametrize("stop", [{"epoch": 1}, {"step": 1}])
def test_a_resumed_run_continues_its_tracked_run_without_the_option(
    eight_engine_dir, server, tmp_path, stop
):
    with pytest.raises(Interrupted):
        run(eight_engine_dir, tmp_path / "run", Stopper(**stop))
    (found,) = server.values()
    assert found["failed"]
    run(eight_engine_dir, tmp_path / "run", tracking=Tracking(), resume=True)
    assert len(server) == 1
    assert [row["epoch"] for row in found["rows"]] == [1, 2]
    assert not found["failed"]


def test_a_finished_run_is_not_opened_again(eight_engine_dir, server, tmp_path):
    run(eight_engine_dir, tmp_path / "run")
    server.clear()
    run(eight_engine_dir, tmp_path / "run", resume=True)
    assert server == {}


@pytest.mark.usefixtures("server")
def test_tracking_does_not_change_the_weights(eight_engine_dir, tmp_path):
    run(eight_engine_dir, tmp_path / "tracked")
    run(eight_engine_dir, tmp_path / "plain", tracking=Tracking())
    assert_same_run(tmp_path / "tracked", tmp_path / "plain")


@pytest.mark.parametrize("call", ["open", "log", "attach", "close"])
def test_a_failing_tracker_is_one_line_and_training_continues(
    eight_engine_dir, monkeypatch, tmp_path, call
):
    monkeypatch.setitem(tracker_reporter.TRACKERS, "wandb", lambda: FakeTracker({}, broken=call))
    recorder = Recorder()
    run(eight_engine_dir, tmp_path / "run", recorder, Tracking(("wandb",)))
    assert len(recorder.rows) == 2
    (line,) = [note for note in recorder.notes if "wandb" in note]
    assert line.startswith(
        "--logger wandb: the server says no; training continues without it, and "
    )
    assert line in (tmp_path / "run/train.log").read_text()


def test_a_hanging_tracker_does_not_block_training(eight_engine_dir, monkeypatch, tmp_path):
    waiting, release = FakeTracker({}), threading.Event()
    waiting.log = lambda _rows: release.wait()
    monkeypatch.setitem(tracker_reporter.TRACKERS, "wandb", lambda: waiting)
    monkeypatch.setattr(tracker_reporter, "SECONDS", 0.1)
    recorder = Recorder()
    run(eight_engine_dir, tmp_path / "run", recorder, Tracking(("wandb",)))
    release.set()
    assert len(recorder.rows) == 2
    (line,) = [note for note in recorder.notes if "wandb" in note]
    assert line.startswith("--logger wandb: no answer within 0.1 s; training continues")


def test_a_remote_tracker_is_never_called_from_the_training_thread(
    eight_engine_dir, monkeypatch, tmp_path
):
    fake = FakeTracker({})
    monkeypatch.setitem(tracker_reporter.TRACKERS, "wandb", lambda: fake)
    run(eight_engine_dir, tmp_path / "run", tracking=Tracking(("wandb",)))
    assert fake.threads == {"tracker wandb"}


def test_a_refused_run_reaches_no_tracker(eight_engine_dir, server, finished_run):
    before = file_bytes(finished_run)
    with pytest.raises(UsageError, match="exists already"):
        run(eight_engine_dir, finished_run)
    assert server == {}
    assert file_bytes(finished_run) == before


def test_results_are_attached_later(eight_engine_dir, server, tmp_path):
    folder = tmp_path / "run"
    run(eight_engine_dir, folder)
    (folder / "evaluation.json").write_text("{}")
    notes = []
    files = [folder / "evaluation.json", folder / "missing.html"]
    attach_results(
        RunFolder(folder), tiny_config(eight_engine_dir), files, {"test_rmse": 12.5}, notes.append
    )
    (found,) = server.values()
    assert found["files"][3:] == ["evaluation.json"]
    assert found["summary"] == {"test_rmse": 12.5}
    assert notes == []


@pytest.mark.usefixtures("server")
def test_a_tracker_no_longer_installed_is_reported_in_one_line(
    eight_engine_dir, monkeypatch, tmp_path
):
    with pytest.raises(Interrupted):
        run(eight_engine_dir, tmp_path / "run", Stopper(epoch=1))

    def missing():
        raise ImportError("No module named 'mlflow'")

    monkeypatch.setitem(tracker_reporter.TRACKERS, "mlflow", missing)
    recorder = Recorder()
    run(eight_engine_dir, tmp_path / "run", recorder, Tracking(), resume=True)
    assert recorder.notes[0] == (
        "--logger mlflow: No module named 'mlflow'; pip install 'cmapss_rul[mlflow]'; the run was "
        "tracked there before"
    )
    with pytest.raises(UsageError, match=r"pip install 'cmapss_rul\[mlflow\]'"):
        run(eight_engine_dir, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("content", ["", "[]", "{", '{"mlflow": 3}', '{"mlflow": {"id": "a"}}'])
def test_a_damaged_tracker_state_is_replaced(tmp_path, content):
    (tmp_path / "trackers.json").write_text(content)
    assert TrackerStates(RunFolder(tmp_path)).names == []


def test_csv_of_a_resumed_run_as_pandas_reads_it(eight_engine_dir, tmp_path):
    folder, tracking = tmp_path / "mine", Tracking(("csv",), group="grid")
    with pytest.raises(Interrupted):
        run(eight_engine_dir, folder, Stopper(epoch=1), tracking)
    first = pd.read_csv(folder / "parameters.csv").set_index("key")["value"]
    assert (first["name"], first["group"], first["balancer"]) == ("mine", "grid", "fixed")
    assert (first["data.window"], first["model.cnn.channels"]) == ("5", "[3]")
    assert first["train.epochs"] == "2"
    assert len(first) > 40
    assert first.index.is_unique
    # without --logger, and then for more epochs: the same tracked run is continued
    run(eight_engine_dir, folder, tracking=Tracking(), resume=True)
    run(eight_engine_dir, folder, tracking=Tracking(), resume=True, train={"epochs": 3})
    notes = []
    attach_results(
        RunFolder(folder), tiny_config(eight_engine_dir), [], {"test_rmse": 12.5}, notes.append
    )
    again = pd.read_csv(folder / "parameters.csv").set_index("key")["value"]
    assert (again["name"], again["group"], again["train.epochs"]) == ("mine", "grid", "3")
    rows = pd.read_csv(folder / "metrics.csv")
    assert rows["epoch"].tolist() == [1, 2, 3]
    assert rows["val_rmse"].notna().all()
    assert notes == []
