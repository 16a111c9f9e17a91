"""Whole comparisons: run, resume, refusals, and one test-set evaluation at the end."""

import dataclasses
import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cmapss_rul.data.sources import ensure_files
from cmapss_rul.experiments import compare as compare_module
from cmapss_rul.experiments import executors, jobs
from cmapss_rul.experiments.compare import (
    NoteEvent,
    PhaseEvent,
    RunsFailed,
    compare,
    default_folder,
)
from cmapss_rul.experiments.executors import Options
from cmapss_rul.experiments.grid import make_grid
from cmapss_rul.experiments.runs import finished_history, read_result, run_folder
from cmapss_rul.system.errors import RulError, UsageError
from cmapss_rul.system.locks import lock_folder
from cmapss_rul.system.signals import Interrupted
from cmapss_rul.system.workers import JobEvent
from cmapss_rul.training.reporters import COLUMNS
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.train import train
from tests.experiments.inputs import run_in_process, write_config
from tests.training.inputs import assert_same_run

WHOLE = {"best.pt", "last.pt", "metrics.csv", "config.yaml", "train.log", "evaluation.json",
         "predictions.csv"}  # fmt: skip


class Recorder:
    """Records the events of a comparison; calls `act` on the progress of a run."""

    def __init__(self, act=None) -> None:
        self.notes, self.phases, self.started = [], [], []
        self._act = act

    def __call__(self, event):
        match event:
            case NoteEvent():
                self.notes.append(event.text)
            case PhaseEvent():
                self.phases.append((event.phase, event.jobs, event.done))
            case JobEvent(kind="started"):
                self.started.append(event.job)
            case JobEvent(kind="progress") if self._act is not None:
                self._act(event.job, event.message)


@pytest.fixture
def processes():
    """Run the jobs of the test in worker processes; other tests use this process, for speed."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch, request):
    """Skip plots and worker processes, slower than the runs; `finished_grid` has plots."""
    if "finished_grid" in request.fixturenames:
        request.getfixturevalue("finished_grid")
    monkeypatch.setattr(compare_module, "draw", lambda *_: [])
    if "processes" not in request.fixturenames:
        monkeypatch.setattr(executors, "run_jobs", run_in_process)


def tracked(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_all_files_are_saved(finished_grid):
    grid, folder = finished_grid
    pictures = {
        f"{name}.{ending}"
        for name in ("rmse_by_balancer", "learning_curves", "weights")
        for ending in ("png", "svg")
    }
    assert {p.name for p in folder.iterdir()} == {
        "comparison.json", "comparison.csv", "grid.json", "evaluation-index.json", "runs",
        *pictures,
    }  # fmt: skip
    plain = json.loads((folder / "comparison.json").read_text())
    assert [cell["label"] for cell in plain["cells"]] == ["fixed", "amnl"]
    assert plain["cells"][0]["n_seeds"] == 2
    assert plain["cells"][0]["files"].startswith("simulated")
    for run in grid.runs:
        found = {p.name for p in run_folder(run, folder).iterdir()}
        assert found >= WHOLE
        assert "oracle.csv" not in found


def test_a_run_equals_that_of_rul_train(finished_grid, tmp_path):
    grid, folder = finished_grid
    run = grid.runs[-1]
    alone = train(run.config, tmp_path / "alone")
    assert_same_run(run_folder(run, folder), alone.path)


def test_a_finished_grid_trains_and_evaluates_nothing(grid_copy):
    grid, folder = grid_copy
    before = tracked(folder)
    recorder = Recorder()
    compare(grid, folder, report=recorder)
    assert recorder.phases == [("training", 0, 4), ("evaluating", 0, 4)]
    assert recorder.started == []
    assert tracked(folder) == before


@pytest.mark.usefixtures("processes")
def test_two_separate_grids_are_equal(finished_grid, tmp_path):
    """Equal grids differ only in times and paths, in this process and in workers."""
    grid, folder = finished_grid
    compare(grid, tmp_path / "again", Options(processes=2))
    for run in grid.runs:
        assert_same_run(run_folder(run, tmp_path / "again"), run_folder(run, folder))
    one, other = (
        json.loads((place / "comparison.json").read_text())
        for place in (folder, tmp_path / "again")
    )
    for cell in (*one["cells"], *other["cells"]):
        del cell["seconds"], cell["commit"]
        for run in cell["runs"]:
            del run["seconds"]
    assert one == other


def test_a_finished_grid_opens_each_checkpoint_once(grid_copy, monkeypatch):
    grid, folder = grid_copy
    opened = []
    opens = Path.open

    def counted(path, *args, **options):
        if path.suffix == ".pt":
            opened.append(path)
        return opens(path, *args, **options)

    monkeypatch.setattr(Path, "open", counted)  # also used by read_bytes
    compare(grid, folder)
    assert sorted(opened) == sorted(
        run_folder(run, folder) / name for run in grid.runs for name in ("best.pt", "last.pt")
    )


@pytest.mark.parametrize("name", ["last.pt", "best.pt"])
def test_only_a_damaged_run_is_repeated(grid_copy, name):
    grid, folder = grid_copy
    victim, *others = [run_folder(run, folder) for run in grid.runs]
    before = {other: tracked(other) for other in others}
    comparison = (folder / "comparison.json").read_text()
    content = bytearray((victim / name).read_bytes())
    content[len(content) // 2] ^= 1
    (victim / name).write_bytes(content)
    recorder = Recorder()
    compare(grid, folder, Options(processes=1), recorder)
    assert recorder.phases[0] == ("training", 1, 3)
    assert recorder.started == [grid.runs[0].name] * 2  # trained, then evaluated
    if name == "best.pt":  # a damaged last.pt is resumed from previous.pt instead
        assert recorder.notes[0].startswith(f"{grid.runs[0].name} is damaged and trained again: ")
    assert {other: tracked(other) for other in others} == before
    rmse = [json.loads(text)["cells"][0]["rmse"]
               for text in (comparison, (folder / "comparison.json").read_text())]  # fmt: skip
    assert rmse[0] == rmse[1]


def test_files_derived_from_last_pt_are_repaired_without_training(grid_copy):
    grid, folder = grid_copy
    run = RunFolder(run_folder(grid.runs[0], folder))
    metrics, config = run.metrics.read_bytes(), run.config.read_bytes()
    run.metrics.write_text(",".join(COLUMNS) + "\n")
    run.config.unlink()
    recorder = Recorder()
    compare(grid, folder, report=recorder)
    assert recorder.started == []
    assert (run.metrics.read_bytes(), run.config.read_bytes()) == (metrics, config)


def test_a_lost_evaluation_is_repeated(grid_copy):
    grid, folder = grid_copy
    predictions = run_folder(grid.runs[1], folder) / "predictions.csv"
    before = predictions.read_bytes()
    predictions.write_bytes(before[:50])
    recorder = Recorder()
    compare(grid, folder, Options(processes=1), recorder)
    assert recorder.phases == [("training", 0, 4), ("evaluating", 1, 3)]
    assert predictions.read_bytes() == before


def assert_resumes(finished_grid, cut, monkeypatch):
    """Resume an interrupted grid in this process and compare its runs."""
    grid, folder = finished_grid
    assert not (cut / "comparison.json").exists()
    assert not list(cut.rglob("evaluation.json"))
    monkeypatch.setattr(executors, "run_jobs", run_in_process)
    compare(grid, cut)
    for run in grid.runs:
        assert_same_run(run_folder(run, cut), run_folder(run, folder))


@pytest.mark.usefixtures("processes")
def test_a_resumed_grid_equals_an_uninterrupted_one(finished_grid, tmp_path, monkeypatch):
    stop = Recorder(act=lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Interrupted) as caught:
        compare(finished_grid[0], tmp_path / "cut", Options(processes=1), stop)
    assert caught.value.exit_code == 130
    assert_resumes(finished_grid, tmp_path / "cut", monkeypatch)


@pytest.mark.usefixtures("processes")
def test_a_second_ctrl_c_stops_at_once_and_loses_only_running_epochs(
    finished_grid, tmp_path, monkeypatch
):
    """The running trainings are killed, as by a power failure, and resumed."""

    def twice(*_):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        compare(finished_grid[0], tmp_path / "cut", Options(processes=1), Recorder(act=twice))
    assert multiprocessing.active_children() == []
    assert_resumes(finished_grid, tmp_path / "cut", monkeypatch)


SCRIPT = """
import sys
from tests.experiments.test_compare import Recorder
from cmapss_rul.experiments.compare import compare
from cmapss_rul.experiments.executors import Options
from cmapss_rul.experiments.grid import make_grid

if __name__ == "__main__":
    grid = make_grid([sys.argv[1]], balancers=["fixed", "amnl"], seeds=[0, 1])
    recorder = Recorder(act=lambda name, message: print(name, flush=True))
    compare(grid, sys.argv[2], Options(processes=2), recorder)
"""


def test_a_killed_grid_resumes(finished_grid, tmp_path, monkeypatch):
    grid, folder = finished_grid
    (tmp_path / "script.py").write_text(SCRIPT)
    cut = tmp_path / "cut"
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", folder.parent / "tiny.yaml", cut],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout.readline().strip() in {run.name for run in grid.runs}
        with pytest.raises(RulError, match=f"is in use by process {process.pid}"):
            compare(grid, cut)
        process.kill()
    assert_resumes(finished_grid, cut, monkeypatch)


# ---- test-set evaluation -------------------------------------------------------------------


@pytest.fixture
def half_failing_grid(tmp_path, fleet_dir, monkeypatch):
    """A grid whose second configuration has no data."""
    monkeypatch.setenv("RUL_DATA_SOURCE", str(tmp_path / "nowhere"))
    good = write_config(tmp_path / "good.yaml", fleet_dir)
    bad = write_config(tmp_path / "bad.yaml", tmp_path / "empty")
    return make_grid([str(good), str(bad)], seeds=[0])


def test_a_failed_run_stops_no_other_and_prevents_the_evaluation(half_failing_grid, tmp_path):
    with pytest.raises(RunsFailed, match=r"1 of 2 runs failed.*: bad-fixed-s0: .*nowhere") as found:
        compare(half_failing_grid, tmp_path / "grid", Options(processes=1))
    assert found.value.exit_code == 1
    assert (tmp_path / "grid/runs/good-fixed-s0/best.pt").exists()
    assert not list(tmp_path.rglob("evaluation.json"))
    assert not (tmp_path / "grid/comparison.json").exists()


def test_allow_failed_evaluates_the_others_and_the_next_call_retries(
    half_failing_grid, tmp_path, fleet_dir, monkeypatch
):
    folder = tmp_path / "grid"
    found = compare(half_failing_grid, folder, Options(processes=1, allow_failed=True))
    assert list(found.errors) == ["bad-fixed-s0"]
    plain = json.loads((folder / "comparison.json").read_text())
    assert plain["missing"][0]["run"] == "bad-fixed-s0"
    assert [cell["n_seeds"] for cell in plain["cells"]] == [1, 0]
    monkeypatch.setenv("RUL_DATA_SOURCE", str(fleet_dir))
    recorder = Recorder()
    assert compare(half_failing_grid, folder, Options(processes=1), recorder).missing == []
    assert recorder.phases == [("training", 1, 1), ("evaluating", 1, 1)]


def test_a_grid_without_any_finished_run_is_not_evaluated(tmp_path, monkeypatch):
    monkeypatch.setenv("RUL_DATA_SOURCE", str(tmp_path / "nowhere"))
    bad = write_config(tmp_path / "bad.yaml", tmp_path / "empty")
    with pytest.raises(RunsFailed, match="1 of 1 runs failed"):
        compare(make_grid([str(bad)], seeds=[0]), tmp_path / "grid", Options(allow_failed=True))


def test_without_test_files_the_runs_are_saved(tmp_path, fleet_dir, monkeypatch):
    """Training needs only the training file; a failed evaluation is an error and is repeated."""
    monkeypatch.setenv("RUL_DATA_SOURCE", str(tmp_path / "nowhere"))
    (tmp_path / "data").mkdir()
    name = "train_FD001.txt"
    (tmp_path / "data" / name).write_bytes((fleet_dir / name).read_bytes())
    grid = make_grid([str(write_config(tmp_path / "a.yaml", tmp_path / "data"))], seeds=[0])
    with pytest.raises(RulError, match=r"1 of 1 evaluations failed; the trained runs are saved"):
        compare(grid, tmp_path / "grid", Options(processes=1))
    monkeypatch.setenv("RUL_DATA_SOURCE", str(fleet_dir))
    recorder = Recorder()
    compare(grid, tmp_path / "grid", Options(processes=1), recorder)
    assert recorder.phases == [("training", 0, 1), ("evaluating", 1, 0)]


def test_the_oracle_and_the_leak(tmp_path, fleet_dir):
    path = write_config(tmp_path / "tiny.yaml", fleet_dir)
    grid = make_grid(
        [str(path)], balancers=["fixed"], seeds=[0], axes={"split.by": ["engines", "windows"]},
        oracle=True,
    )  # fmt: skip
    found = compare(grid, tmp_path / "grid", Options(processes=2))
    for run in grid.runs:
        history = finished_history(run.config, run_folder(run, tmp_path / "grid"), oracle=True)
        result = read_result(run, history, run_folder(run, tmp_path / "grid"))
        assert list(result.oracle) == [1, 2]
        assert result.oracle_optimism >= -1e-9
        assert result.oracle[history.best_epoch] == pytest.approx(result.rmse)
    assert found.oracle[0].n_cells == 1
    assert found.leak[0].cell == "fixed"
    log = (run_folder(grid.runs[1], tmp_path / "grid") / "train.log").read_text()
    assert "split.by windows is a leak" in log
    (run_folder(grid.runs[0], tmp_path / "grid") / "oracle.csv").unlink()
    recorder = Recorder()
    compare(grid, tmp_path / "grid", Options(processes=1), recorder)
    assert recorder.notes == [
        f"{grid.runs[0].name} is damaged and trained again: oracle.csv is missing or incomplete"
    ]


def test_the_number_of_processes_is_limited_by_jobs_and_request(
    finished_grid, tmp_path, monkeypatch
):
    asked = []

    def run(jobs, processes, report):
        asked.append((len(jobs), processes))
        return run_in_process(jobs, processes, report)

    monkeypatch.setattr(executors, "run_jobs", run)
    compare(finished_grid[0], tmp_path / "grid", Options(processes=3))
    compare(make_grid([str(finished_grid[1].parent / "tiny.yaml")], seeds=[0]), tmp_path / "one")
    assert asked == [(4, 3), (4, 3), (1, 1), (1, 1)]


def test_files_are_requested_once_for_all_runs(finished_grid, tmp_path, monkeypatch):
    asked = []

    def count_requests(data, kinds):
        asked.append((data.subset, kinds))
        return ensure_files(data, kinds)

    monkeypatch.setattr(jobs, "ensure_files", count_requests)
    compare(finished_grid[0], tmp_path / "grid")
    assert asked == [("FD001", ("train",)), ("FD001", ("test", "RUL"))]


# ---- the folder ----------------------------------------------------------------------------


def test_a_folder_of_another_grid_is_refused_with_the_difference(grid_copy):
    grid, folder = grid_copy
    before = tracked(folder)
    other = dataclasses.replace(grid, seeds=[0, 2])
    with pytest.raises(
        UsageError, match=r"contains another grid: seeds was \[0, 1\] and is \[0, 2\]"
    ):
        compare(other, folder)
    assert tracked(folder) == before


def test_a_folder_of_something_else_is_refused(finished_grid, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(
        UsageError, match=r"contains notes\.txt but is not a comparison; name another folder"
    ):
        compare(finished_grid[0], tmp_path)
    with pytest.raises(UsageError, match="is not a folder; name another"):
        compare(finished_grid[0], tmp_path / "notes.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_an_unreadable_grid_file_is_reported(grid_copy):
    grid, folder = grid_copy
    (folder / "grid.json").write_text("[]")
    with pytest.raises(UsageError, match=r"grid\.json: cannot be read"):
        compare(grid, folder)


def test_a_grid_in_use_is_refused(grid_copy):
    grid, folder = grid_copy
    with lock_folder(folder), pytest.raises(RulError, match=f"is in use by process {os.getpid()}"):
        compare(grid, folder)


def test_the_default_folder_is_named_by_the_digest(finished_grid, tmp_path, monkeypatch):
    grid, folder = finished_grid
    monkeypatch.chdir(tmp_path)
    Path("comparisons").mkdir()
    (Path("comparisons") / grid.digest).symlink_to(folder)
    (folder / "comparison.json").unlink()
    compare(grid)
    assert default_folder(grid) == compare_module.ROOT / grid.digest
    assert (default_folder(grid) / "comparison.json").exists()


def test_cells_are_added_to_the_ledger(finished_grid):
    folder = finished_grid[1]
    plain = json.loads((folder / "comparison.json").read_text())
    found = json.loads((folder.parent / "ledger.json").read_text())
    by_label = {cell["label"]: cell for cell in plain["cells"]}
    assert [cell["label"] for cell in found["cells"]] == ["amnl", "fixed"]
    assert [by_label[cell["label"]] for cell in found["cells"]] == found["cells"]


def test_a_wrong_ledger_or_device_is_refused_before_any_run(finished_grid, tmp_path):
    (tmp_path / "ledger.json").write_text("{}")
    with pytest.raises(UsageError, match="is not a ledger"):
        compare(finished_grid[0], tmp_path / "grid", Options(ledger=tmp_path / "ledger.json"))
    with pytest.raises(UsageError, match="--device: found 'tpu', expected one of auto, cpu, cuda"):
        compare(finished_grid[0], tmp_path / "grid", Options(device="tpu"))
    assert not (tmp_path / "grid").exists()
