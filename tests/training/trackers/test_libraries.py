"""The real tracking libraries, offline: results are read back by their own readers.

Each test runs in a new process: the libraries keep threads and process-wide settings, and warn
about their own dependencies.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.training.inputs import tiny_config_dict

ROWS = ["val/rmse", "train/rul_loss", "learning_rate"]

# trains an epoch, is interrupted, resumes, attaches a result
SCRIPT = """
import json, sys
from pathlib import Path
from cmapss_rul.system.signals import Interrupted
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.trackers.tracker_reporter import Tracking, attach_results
from cmapss_rul.training.train import train
from tests.training.inputs import Recorder, Stopper

name, part = sys.argv[1:]
config = RunConfig.model_validate(json.loads(Path("config.json").read_text()))
folder, recorder = Path("runs/mine-s0"), Recorder()
if part == "first":
    tracking = Tracking((name,), group="grid")
    try:
        train(config, folder, device="cpu", reporters=[Stopper(epoch=1), recorder],
              tracking=tracking)
    except Interrupted:
        pass
else:
    train(config, folder, resume=True, device="cpu", reporters=[recorder])
    Path("evaluation.json").write_text("{}")
    summary = {"test_rmse": 12.5, "test_nasa": 300.0}
    attach_results(RunFolder(folder), config, [Path("evaluation.json")], summary, recorder.note)
print(json.dumps([note for note in recorder.notes if "--logger" in note]))
"""


def python(script, workspace, *arguments):
    root = Path(__file__).parents[3]
    settings = {
        "PYTHONPATH": str(root),
        "MLFLOW_TRACKING_URI": f"sqlite:///{workspace / 'mlflow.db'}",
        "WANDB_MODE": "offline",
        "WANDB_DIR": str(workspace),
        "TRACKIO_DIR": str(workspace / "trackio"),
        "HF_HUB_OFFLINE": "1",
        "HOME": str(workspace),
    }
    completed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, *arguments],
        cwd=workspace,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


@pytest.fixture
def workspace(eight_engine_dir, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(tiny_config_dict(eight_engine_dir)))
    return tmp_path


def tracked(name, workspace):
    """Train with a tracker; returns the expected values and the run's identity."""
    if find_spec(name) is None:
        pytest.skip(f"needs {name}: pip install 'cmapss_rul[{name}]'")
    for part in ("first", "second"):
        printed = python(SCRIPT, workspace, name, part)
        assert json.loads(printed.splitlines()[-1]) == [], "the tracker failed"
        assert len(printed.splitlines()) == 1, "a library printed to stdout"
    lines = (workspace / "runs/mine-s0/metrics.csv").read_text().splitlines()
    header = lines[0].split(",")
    rows = [dict(zip(header, map(float, line.split(",")), strict=True)) for line in lines[1:]]
    expected = {key: [[row["epoch"], row[key.replace("/", "_")]] for row in rows] for key in ROWS}
    assert len(rows) == 2
    record = json.loads((workspace / "runs/mine-s0/trackers.json").read_text())[name]
    return expected, record["id"]


def test_mlflow_with_a_sqlite_file(workspace):
    expected, identity = tracked("mlflow", workspace)
    read = """
import json, mlflow
client = mlflow.MlflowClient()
(experiment,) = [e for e in client.search_experiments() if e.name == "cmapss_rul"]
(run,) = client.search_runs([experiment.experiment_id])
names = ["val/rmse", "train/rul_loss", "learning_rate"]
found = {n: [[m.step, m.value] for m in client.get_metric_history(run.info.run_id, n)]
         for n in names}
files = sorted(f.path for f in client.list_artifacts(run.info.run_id))
best = client.download_artifacts(run.info.run_id, "best.pt", ".")
print(json.dumps([run.info.run_id, run.info.run_name, run.info.status, run.data.tags,
                  run.data.params, found, files, run.data.metrics]))
"""
    ours = json.loads(python(read, workspace).splitlines()[-1])
    name, run_name, status, tags, parameters, found, files, metrics = ours
    assert (name, run_name, status) == (identity, "mine-s0", "FINISHED")
    assert tags["group"] == "grid"
    assert (tags["subset"], tags["seed"]) == ("FD001", "0")
    assert (parameters["data.window"], parameters["model.cnn.channels"]) == ("5", "[3]")
    assert found == expected
    assert files == ["best.pt", "config.yaml", "evaluation.json", "metrics.csv"]
    assert (metrics["test/rmse"], metrics["test/nasa"]) == (12.5, 300.0)
    assert (workspace / "best.pt").read_bytes() == (workspace / "runs/mine-s0/best.pt").read_bytes()


def test_wandb_offline(workspace):
    expected, identity = tracked("wandb", workspace)
    # each process writes a file of records, in the log format of LevelDB after 7 bytes of header
    read = """
import glob, json
from pathlib import Path
from wandb.proto import wandb_internal_pb2 as pb

def records(path):
    data, at, whole = Path(path).read_bytes(), 7, b""
    while at + 7 <= len(data):
        left = 32768 - at % 32768  # blocks; less than a record's header at their end is padding
        if left < 7:
            at += left
            continue
        size, kind = int.from_bytes(data[at + 4 : at + 6], "little"), data[at + 6]
        whole, at = whole + data[at + 7 : at + 7 + size], at + 7 + size
        if kind in (1, 4):  # a whole record, or the last part of one
            record = pb.Record()
            record.ParseFromString(whole)
            whole = b""
            yield record

def values(items):
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}

found, files, summary, config, runs = {}, set(), {}, {}, set()
for path in sorted(glob.glob("wandb/offline-run-*/*.wandb")):
    for record in records(path):
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            runs.add((run.run_id, run.display_name, run.run_group, run.project, tuple(run.tags)))
            config |= values(run.config.update)
        elif kind == "history":
            row = values(record.history.item)
            for name in ("val/rmse", "train/rul_loss", "learning_rate"):
                found.setdefault(name, []).append([row["_step"], row[name]])
        elif kind == "artifact":
            files |= {(record.artifact.type, f.path) for f in record.artifact.manifest.contents}
        elif kind == "summary":
            summary |= values(record.summary.update)
print(json.dumps([sorted(runs), config, found, sorted(files), summary]))
"""
    runs, config, found, files, summary = json.loads(python(read, workspace).splitlines()[-1])
    assert len(runs) == 1
    name, display, group, project, tags = runs[0]
    assert (name, display, group, project) == (identity, "mine-s0", "grid", "cmapss_rul")
    assert "subset FD001" in tags
    assert config["data.window"] == 5
    assert found == expected
    assert files == [
        ["model", "best.pt"], ["result", "config.yaml"], ["result", "evaluation.json"],
        ["result", "metrics.csv"],
    ]  # fmt: skip
    assert summary["test/rmse"] == 12.5


def test_trackio_in_a_folder(workspace):
    expected, identity = tracked("trackio", workspace)
    read = """
import json, trackio
(run,) = trackio.Api().runs("cmapss_rul")
from trackio.sqlite_storage import SQLiteStorage as store
logs = store.get_logs("cmapss_rul", run.name)
names = ["val/rmse", "train/rul_loss", "learning_rate", "test/rmse"]
found = {n: [[log["step"], log[n]] for log in logs if n in log] for n in names}
print(json.dumps([run.id, run.name, run.config, found]))
"""
    name, run_name, config, found = json.loads(python(read, workspace).splitlines()[-1])
    assert (name, run_name) == (identity, "mine-s0")
    assert config["data.window"] == 5
    assert config["_Group"] == "grid"
    assert [value for _, value in found.pop("test/rmse")] == [12.5]
    assert found == expected
