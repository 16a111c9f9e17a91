"""Run folders: finished or not, damaged or not, and their results."""

import json
import signal
import subprocess

import numpy as np
import pytest

from cmapss_rul.experiments import runs as runs_module
from cmapss_rul.experiments.jobs import TrainJob
from cmapss_rul.experiments.runs import (
    COMMIT,
    DamagedRun,
    commit,
    finished_history,
    read_result,
    remove,
    run_folder,
)
from cmapss_rul.experiments.summaries import RunScores
from cmapss_rul.system.errors import RulError
from cmapss_rul.system.signals import Interrupted
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.train import train
from tests.experiments.inputs import grid, result
from tests.training.inputs import Stopper


def finished(config, run, oracle=False):
    return finished_history(config, run.path, oracle=oracle)


def test_a_finished_run(config, run):
    assert finished(config, run)
    assert (run.path / COMMIT).read_text() == "c0ffee\n"
    assert (run.path / "evaluation.json").exists()
    assert not (run.path / "oracle.csv").exists()


def test_a_run_killed_at_the_end_has_its_commit(config, tmp_path):
    """The commit is written before last.pt marks the run as finished."""
    folder = tmp_path / "run"

    def end(message):
        if message.epoch == config.train.epochs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TrainJob("run", config, folder, "cpu", False, "c0ffee")(end)
    assert finished(config, RunFolder(folder))
    assert (folder / COMMIT).read_text() == "c0ffee\n"


def test_the_process_that_finishes_a_run_sets_its_commit(config, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(Interrupted):
        TrainJob("run", config, folder, "cpu", False, "former")(
            lambda _: signal.raise_signal(signal.SIGINT)
        )
    assert (folder / COMMIT).read_text() == "former\n"
    TrainJob("run", config, folder, "cpu", False, None)(lambda _: None)
    assert (folder / COMMIT).read_text() == "\n"


def test_a_missing_folder_has_to_be_trained(config, tmp_path):
    assert not finished_history(config, tmp_path / "none", oracle=False)


def test_a_run_stopped_later_is_resumed(config, tmp_path):
    with pytest.raises(Interrupted):
        train(config, tmp_path / "run", reporters=[Stopper(epoch=1)])
    assert not finished_history(config, tmp_path / "run", oracle=False)
    assert RunFolder(tmp_path / "run").last.exists()


def test_a_run_stopped_in_its_first_epoch_starts_again(config, run):
    for path in (run.last, run.previous, run.metrics):
        path.unlink(missing_ok=True)
    assert not finished(config, run)
    assert not run.path.exists()


def test_more_epochs_are_another_configuration(config, run):
    train_config = config.train.model_copy(update={"epochs": 3})
    more = config.model_copy(update={"train": train_config})
    with pytest.raises(DamagedRun, match=r"last\.pt is of another configuration"):
        finished(more, run)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: [truncate(run.last), truncate(run.previous)], r"last\.pt"),
        (lambda run: truncate(run.best), r"best\.pt"),
        (lambda run: run.best.unlink(), r"best\.pt is missing"),
        (lambda run: run.best.write_bytes(b""), r"best\.pt"),
        (lambda run: [run.last.unlink(), run.previous.unlink(missing_ok=True)],
         r"it has metrics\.csv and no last\.pt"),
    ],
)  # fmt: skip
def test_damage_is_reported(config, run, damage, message):
    damage(run)
    with pytest.raises(DamagedRun, match=message):
        finished(config, run)


def test_another_seed_is_damage(config, run):
    with pytest.raises(DamagedRun, match="is of another seed"):
        finished(config.model_copy(update={"seed": 1}), run)


def test_a_missing_oracle_record_is_damage(config, run):
    with pytest.raises(DamagedRun, match=r"oracle\.csv is missing or incomplete"):
        finished(config, run, oracle=True)
    (run.path / "oracle.csv").write_text("epoch,oracle_test_rmse,mark\n1,5,x\n2,6,x\n")
    assert finished(config, run, oracle=True)


def test_other_threads_and_another_data_folder_are_the_same_run(config, run):
    train_config = config.train.model_copy(update={"threads": 2})
    data = config.data.model_copy(update={"dir": "elsewhere"})
    assert finished(config.model_copy(update={"train": train_config, "data": data}), run)


def test_remove_deletes_files_and_folders(tmp_path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "target").mkdir()
    for name in ("folder", "file", "link", "nothing"):
        remove(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


# ---- results -------------------------------------------------------------------------------


def read(finished_grid, place=0):
    made_grid, folder = finished_grid
    run = made_grid.runs[place]
    folder = run_folder(run, folder)
    return read_result(run, finished_history(run.config, folder, oracle=False), folder), folder


def test_scores_are_those_of_the_evaluation(finished_grid):
    found, folder = read(finished_grid)
    plain = json.loads((folder / "evaluation.json").read_text())
    assert found.score("last_capped", "rmse") == plain["metrics"]["last"]["capped"]["rmse"]
    assert found.rmse == pytest.approx(found.score("last_capped", "rmse"))
    assert found.score("every_raw", "nasa") == plain["metrics"]["every"]["raw"]["nasa"]
    assert len(found.errors) == len(found.engines) == plain["protocol"]["engines"]
    assert plain["protocol"]["epoch"] == found.history.best_epoch


def test_the_best_epoch_is_the_lowest_validation_rmse(finished_grid):
    found, _ = read(finished_grid, 1)
    assert found.history.best["val_rmse"] == min(row["val_rmse"] for row in found.history.rows)


def test_means_by_hand():
    one = result(grid(seeds=(0,)).runs[0], 12.0, every=14.0, val=9.0, oracle={1: 11.0, 2: 11.5})
    assert (one.clipped_share, one.seconds) == (0.5, 30.0)
    assert one.validation_gap == 5.0
    assert one.oracle_optimism == pytest.approx(1.0)
    assert result(one.run, 12.0).oracle_optimism is None


def test_the_clipped_share_is_the_mean_over_epochs():
    one = result(grid(seeds=(0,)).runs[0], 12.0)
    for row, share in zip(one.history.rows, (1.0, 0.5, 0.0), strict=True):
        row["clipped_share"] = share
    assert one.clipped_share == 0.5
    one.history.rows[2]["clipped_share"] = 0.3
    assert one.clipped_share == pytest.approx(0.6)


def test_a_run_without_the_oracle_ignores_its_file(grid_copy):
    made_grid, folder = grid_copy
    place = run_folder(made_grid.runs[0], folder)
    (place / "oracle.csv").write_text("epoch,oracle_test_rmse,mark\n1,5.0,x\n")
    history = finished_history(made_grid.runs[0].config, place, oracle=False)
    assert read_result(made_grid.runs[0], history, place).oracle == {}


def test_an_infinite_score_is_none():
    one = result(grid(seeds=(0,)).runs[0], 12.0)
    one.evaluation.metrics["every"]["capped"] = RunScores(rmse=None, nasa=1.0)
    assert one.validation_gap is None


def test_an_evaluation_of_an_older_version_is_read(grid_copy):
    made_grid, folder = grid_copy
    run = made_grid.runs[0]
    path = run_folder(run, folder) / "evaluation.json"
    plain = json.loads(path.read_text())
    for part, key in ((plain, "intervals"), (plain["protocol"], "leaks"),
                      (plain["protocol"]["split"], "calibration_engines")):  # fmt: skip
        del part[key]
    path.write_text(json.dumps(plain))
    history = finished_history(run.config, path.parent, oracle=False)
    found = read_result(run, history, path.parent)
    assert found.evaluation.protocol.leaks == []
    # exactly the expected keys
    assert found.evaluation.model_dump(exclude_unset=True) == plain


@pytest.mark.parametrize("name", ["evaluation.json", "predictions.csv"])
@pytest.mark.parametrize("content", [b"", b"[", b"{}", None])
def test_a_damaged_evaluation_is_reported(grid_copy, name, content):
    made_grid, folder = grid_copy
    run = made_grid.runs[0]
    folder = run_folder(run, folder)
    history = finished_history(run.config, folder, oracle=False)
    path = folder / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(RulError, match=f"evaluation cannot be read: .*{name}"):
        read_result(run, history, folder)


def test_the_commit_of_a_modified_checkout_is_marked(tmp_path, monkeypatch):
    package = tmp_path / "cmapss_rul"
    package.mkdir()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "a.yaml").write_text("seed: 1\n")
    (tmp_path / "configs" / "ledger.json").write_text("{}")
    (package / "__init__.py").write_text("x = 1\n")
    monkeypatch.setattr(runs_module, "__file__", str(package / "experiments" / "runs.py"))
    assert commit() is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    assert commit() is None  # a repository, but not of this package
    subprocess.run([*git, "add", "."], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "-qm", "x"], cwd=tmp_path, check=True)
    clean = commit()
    assert len(clean) == 40
    (tmp_path / "configs" / "ledger.json").write_text("{2}")
    assert commit() == clean  # ignored, as runs are written to it
    (tmp_path / "configs" / "a.yaml").write_text("seed: 2\n")
    assert commit() == f"{clean} with changes"
    (tmp_path / "configs" / "a.yaml").write_text("seed: 1\n")
    assert commit() == clean
    (package / "__init__.py").write_text("x = 2\n")
    assert commit() == f"{clean} with changes"


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert commit() is None


def test_errors_are_predicted_less_true(finished_grid):
    found, folder = read(finished_grid)
    rows = (folder / "predictions.csv").read_text().splitlines()
    columns = rows[0].split(",")
    first = dict(zip(columns, rows[1].split(","), strict=True))
    expected = float(first["predicted_rul"]) - float(first["true_rul_capped"])
    assert np.isclose(found.errors[0], expected)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1", "2", "10"], np.array([1, 2, 10])),
        (["1", "02"], np.array(["1", "02"])),
        (["a", "b"], np.array(["a", "b"])),
        (["9" * 19], np.array(["9" * 19])),
    ],
)
def test_engines_are_numbers_only_where_all_are(texts, expected):
    found = runs_module._engines(texts)
    assert found.dtype == expected.dtype
    assert (found == expected).all()
