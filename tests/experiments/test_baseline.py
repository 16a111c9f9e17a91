"""`rul compare --baseline`: gradient boosting cells beside the networks of a grid."""

import json

import pytest

from cmapss_rul.experiments import compare as compare_module
from cmapss_rul.experiments import executors
from cmapss_rul.experiments.baseline import finished_fit
from cmapss_rul.experiments.compare import compare, compare_validation
from cmapss_rul.experiments.executors import Options
from cmapss_rul.experiments.grid import make_grid
from cmapss_rul.experiments.ledger import read_ledger
from cmapss_rul.experiments.results import Comparison
from cmapss_rul.experiments.runs import DamagedRun, run_folder
from cmapss_rul.experiments.statistics import mean_ranks
from cmapss_rul.experiments.table import SCORE_COLUMNS, grouped_table
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training import gradient_boosting
from cmapss_rul.training.config import load_config
from scripts.ledger_table import ledger_table
from tests.experiments.inputs import comparison, grid, run_in_process, write_config
from tests.training.inputs import quick_regressor

pytest.importorskip("sklearn")
NAME = "gradient boosting"


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(executors, "run_jobs", run_in_process)
    monkeypatch.setattr(gradient_boosting, "CANDIDATES", [(0.2, 7)])
    monkeypatch.setattr(gradient_boosting, "find_regressor", quick_regressor)


@pytest.fixture(scope="module")
def files(tmp_path_factory, fleet_dir):
    folder = tmp_path_factory.mktemp("baseline")
    return write_config(folder / "tiny.yaml", fleet_dir)


def test_a_cell_for_each_configuration_and_each_setting_of_its_data():
    axes = {"data.cycle_count": [True, False], "train.clip": [1, 10]}
    made = grid(balancers=["fixed", "amnl"], axes=axes, baseline=True)
    labels = [cell.label for cell in made.cells if cell.baseline]
    assert labels == [f"{NAME} data.cycle_count={value}" for value in ("true", "false")]
    assert len(made.cells) == 8 + 2
    assert [cell.resolved.data.cycle_count for cell in made.cells[-2:]] == [True, False]
    assert len({run.name for run in made.runs}) == len(made.runs)


def test_without_the_option_the_grid_is_as_before():
    assert not any(cell.baseline for cell in grid().cells)
    assert grid(baseline=True).digest != grid().digest


def test_an_ensemble_has_no_baseline():
    with pytest.raises(UsageError, match="--baseline is tuned on the validation engines"):
        grid(sets=["split.folds=5"], baseline=True)


def test_the_oracle_excludes_the_baseline():
    made = grid(oracle=True, baseline=True)
    assert {run.cell.label: run.oracle for run in made.runs} == {
        "fixed": True, "amnl": True, NAME: False,
    }  # fmt: skip


def test_ranks_exclude_the_baseline():
    made = grid("fd001", "fd003", baseline=True)
    found = comparison(made, {"fixed": [12.0, 13], "amnl": [11.0, 12], NAME: [9.0, 9.5]})
    assert mean_ranks(found.cells).labels == ["fixed", "amnl"]


def test_a_whole_grid(files, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        compare_module, "draw", lambda _comparison, epochs, _folder: drawn.update(epochs)
    )
    made = make_grid([str(files)], balancers=["fixed"], seeds=[0, 1], baseline=True)
    folder, ledger = tmp_path / "grid", tmp_path / "ledger.json"

    found = compare(made, folder, Options(ledger=ledger))

    network, trees = found.cells
    assert trees.label == trees.balancer == NAME
    assert trees.n_seeds == 2
    assert trees.rmse.mean is not None
    assert trees.rmse.mean < network.rmse.mean  # the networks trained for two short epochs
    assert trees.seconds.mean > 0
    assert trees.clipped_share.mean is None
    assert "scikit-learn" in trees.versions
    assert "scikit-learn" not in network.versions
    assert trees.protocol.split == network.protocol.split
    assert [(pair.a, pair.b, pair.paired_t.n) for pair in found.pairs] == [("fixed", NAME, 2)]
    assert list(drawn) == [run.name for run in made.runs if not run.cell.baseline]
    table = grouped_table(found.cells, SCORE_COLUMNS)
    assert [row[0] for row in table.rows] == ["tiny", "fixed", NAME]
    assert NAME in ledger_table(read_ledger(ledger))
    assert Comparison.load(folder / "comparison.json").cells[1].label == NAME

    # again: nothing is fitted or evaluated
    before = {p: p.read_bytes() for p in folder.rglob("*.json")}
    started = []
    monkeypatch.setattr(executors, "run_jobs", lambda jobs, *_: started.extend(jobs) or {})
    compare(made, folder)
    assert not started
    assert {p: p.read_bytes() for p in folder.rglob("*.json")} == before


def test_validation_only_needs_no_test_file(fleet_dir, tmp_path):
    (tmp_path / "data").mkdir()
    train = "train_FD001.txt"
    (tmp_path / "data" / train).write_bytes((fleet_dir / train).read_bytes())
    path = write_config(tmp_path / "tiny.yaml", tmp_path / "data")
    made = make_grid([str(path)], balancers=["fixed"], seeds=[0, 1], baseline=True)
    found = compare_validation(made, tmp_path / "grid")
    assert [cell.label for cell in found.cells] == ["fixed", NAME]
    assert found.cells[1].val_cut_rmse.mean is not None
    assert {pair.metric for pair in found.pairs} == {"val_cut_rmse", "val_cut_nasa"}


def test_a_damaged_fit_or_one_of_another_seed_is_repeated(files, tmp_path):
    made = make_grid([str(files)], balancers=["fixed"], seeds=[0], baseline=True)
    run = made.runs[1]
    folder = run_folder(run, tmp_path)
    assert finished_fit(run.config, folder) is None
    compare_validation(made, tmp_path)
    assert finished_fit(run.config, folder).best_epoch == 1
    with pytest.raises(DamagedRun, match="another configuration or seed"):
        finished_fit(run.config.model_copy(update={"seed": 7}), folder)
    other = load_config(files, ["balancer.name=amnl", "data.window=13"])
    with pytest.raises(DamagedRun, match="another configuration or seed"):
        finished_fit(other, folder)
    content = json.loads((folder / "fit.json").read_text())
    del content["of"]["data"]["stride"]  # a key that earlier versions lacked
    (folder / "fit.json").write_text(json.dumps(content))
    # the balancer is no input of the fit
    assert finished_fit(load_config(files, ["balancer.name=amnl"]), folder).best_epoch == 1
    del content["fit"]["trees"]
    (folder / "fit.json").write_text(json.dumps(content))
    with pytest.raises(DamagedRun, match="trees"):
        finished_fit(run.config, folder)
    compare_validation(made, tmp_path)
    assert finished_fit(run.config, folder) is not None
