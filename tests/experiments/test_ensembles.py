"""Ensembles in comparisons: separate configurations, with the time of all their networks."""

import shutil

import pytest

from cmapss_rul.experiments import compare as compare_module
from cmapss_rul.experiments import executors
from cmapss_rul.experiments.compare import compare, compare_validation
from cmapss_rul.experiments.executors import Options, _read, _write
from cmapss_rul.experiments.grid import make_grid
from cmapss_rul.experiments.jobs import TrainJob
from cmapss_rul.experiments.runs import DamagedRun, finished_history
from cmapss_rul.experiments.table import describe_protocol
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.trained_model import restore
from tests.experiments.inputs import run_in_process, write_config
from tests.training.inputs import tiny_config


@pytest.fixture(autouse=True)
def _in_process(monkeypatch):
    """Run jobs in this process, and draw no plots."""
    monkeypatch.setattr(executors, "run_jobs", run_in_process)
    monkeypatch.setattr(compare_module, "draw", lambda *_: [])


def grid_of(path, *values):
    return make_grid([str(path)], seeds=[0, 1], axes={"split.folds": list(values)})


def test_an_ensemble_is_a_separate_configuration():
    grid = make_grid(["fd001"], seeds=[0], axes={"split.folds": [None, 5]})
    assert [cell.config for cell in grid.cells] == ["fd001", "fd001 (5 folds)"]
    assert len({run.name for run in grid.runs}) == 2
    member = make_grid(["fd001"], seeds=[0], sets=["split.folds=5", "split.fold=2"])
    assert member.cells[0].config == "fd001"


def test_the_oracle_records_one_network():
    with pytest.raises(UsageError, match="--oracle records the test RMSE of each epoch"):
        make_grid(["fd001"], sets=["split.folds=5"], oracle=True)


def test_ensembles_are_compared_separately(tmp_path, eight_engine_dir):
    path = write_config(tmp_path / "small.yaml", eight_engine_dir)
    comparison = compare(grid_of(path, None, 2), tmp_path / "out", Options(processes=1))
    single, ensemble = comparison.cells
    assert [single.config, ensemble.config] == ["small", "small (2 folds)"]
    assert comparison.pairs == []
    assert "ensemble of 2 folds of 8 engines" in describe_protocol(ensemble.protocol)
    assert "train, " in describe_protocol(single.protocol)
    assert ensemble.epochs.mean == 4  # two networks of two epochs
    for run in ensemble.runs:
        model = restore(tmp_path / "out" / "runs" / run.run)
        assert run.seconds == pytest.approx(model.seconds, abs=1e-3)
        assert run.val_rmse == model.val_rmse
    # a second call has nothing to train or to evaluate
    before = {file: file.stat().st_mtime_ns for file in tmp_path.glob("out/runs/*/best.pt")}
    compare(grid_of(path, None, 2), tmp_path / "out", Options(processes=1))
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_validation_pairs_no_ensemble_with_a_single_network(tmp_path, eight_engine_dir):
    path = write_config(tmp_path / "small.yaml", eight_engine_dir)
    grid = make_grid(
        [str(path)], balancers=["fixed", "amnl"], seeds=[0], axes={"split.folds": [None, 2]}
    )
    found = compare_validation(grid, tmp_path / "out", Options(processes=1))
    assert {cell.folds for cell in found.cells} == {None, 2}
    for pair in found.pairs:
        assert ("(2 folds)" in pair.a) == ("(2 folds)" in pair.b)
    assert len(found.pairs) == 4
    assert any(note.startswith("ensembles: out-of-fold metrics") for note in found.notes)


@pytest.fixture
def copy(ensemble_run, tmp_path):
    return shutil.copytree(ensemble_run, tmp_path / ensemble_run.name)


def test_a_history_has_the_epochs_of_all_networks(copy, eight_engine_dir):
    config = tiny_config(eight_engine_dir, split={"folds": 4})
    history = finished_history(config, copy, oracle=False)
    assert [row["epoch"] for row in history.rows] == [1, 2] * 4
    assert [row["epoch"] for row in history.curve] == [1, 2]
    second = [row["val_rmse"] for row in history.rows[1::2]]
    assert history.curve[1]["val_rmse"] == pytest.approx(sum(second) / 4)
    assert history.best["val_rmse"] == restore(copy).val_rmse


def test_an_unfinished_network_leaves_the_ensemble_unfinished(copy, eight_engine_dir):
    config = tiny_config(eight_engine_dir, split={"folds": 4})
    shutil.rmtree(copy / "fold-3")
    assert finished_history(config, copy, oracle=False) is None
    with pytest.raises(DamagedRun, match="another configuration"):
        finished_history(
            tiny_config(eight_engine_dir, split={"folds": 4}, seed=0, loss={}, train={"clip": 3}),
            copy,
            oracle=False,
        )


def test_a_moved_job_takes_the_files_of_the_folds_along(copy, eight_engine_dir, tmp_path):
    files = _read(copy)
    assert "fold-0/last.pt" in files
    _write(files, tmp_path / "back")
    assert (tmp_path / "back/fold-3/best.pt").read_bytes() == files["fold-3/best.pt"]
    config = tiny_config(eight_engine_dir, split={"folds": 4})
    job = TrainJob("run", config, tmp_path / "home", "cpu", False, None)
    job.moved(eight_engine_dir, tmp_path / "back")(lambda _: None)
    for name in ("best.pt", "fold-1/last.pt"):
        host = checkpoint_file.read(tmp_path / "back" / name)["host"]
        assert host["folder"] == str((tmp_path / "home" / name).parent)
