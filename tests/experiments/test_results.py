"""What came of a run, read back."""

import json
import subprocess

import numpy as np
import pytest

from cmapss_rul.experiments import results as results_module
from cmapss_rul.experiments.compare import folder_of
from cmapss_rul.experiments.results import commit, read_result
from cmapss_rul.system.errors import RulError
from tests.experiments.inputs import grid, result


def read(made, place=0):
    made_grid, folder = made
    run = made_grid.runs[place]
    return read_result(run, folder_of(run, folder)), folder_of(run, folder)


def test_figures_are_those_of_the_evaluation(made):
    found, folder = read(made)
    plain = json.loads((folder / "evaluation.json").read_text())
    assert found.score("last_capped", "rmse") == plain["metrics"]["last"]["capped"]["rmse"]
    assert found.rmse == pytest.approx(found.score("last_capped", "rmse"))
    assert found.score("every_raw", "nasa") == plain["metrics"]["every"]["raw"]["nasa"]
    assert len(found.errors) == len(found.engines) == plain["protocol"]["engines"]
    assert plain["protocol"]["epoch"] == found.best_epoch


def test_the_best_epoch_is_the_lowest_validation_rmse(made):
    found, _ = read(made, 1)
    assert found.best["val_rmse"] == min(row["val_rmse"] for row in found.rows)


def test_means_by_hand():
    one = result(grid(seeds=(0,)).runs[0], 12.0, every=14.0, val=9.0, oracle={1: 11.0, 2: 11.5})
    assert (one.clipped_share, one.seconds) == (0.5, 30.0)
    assert one.validation_gap == 5.0
    assert one.oracle_optimism == pytest.approx(1.0)
    assert result(one.run, 12.0).oracle_optimism is None


def test_the_clipped_share_is_the_mean_over_epochs():
    one = result(grid(seeds=(0,)).runs[0], 12.0)
    for row, share in zip(one.rows, (1.0, 0.5, 0.0), strict=True):
        row["clipped_share"] = share
    assert one.clipped_share == 0.5
    one.rows[2]["clipped_share"] = 0.3
    assert one.clipped_share == pytest.approx(0.6)


def test_a_run_without_the_oracle_has_no_notes_even_where_a_file_lies(copied):
    made_grid, folder = copied
    place = folder_of(made_grid.runs[0], folder)
    (place / "oracle.csv").write_text("epoch,oracle_test_rmse,mark\n1,5.0,x\n")
    assert read_result(made_grid.runs[0], place).oracle == {}


def test_a_score_too_large_for_a_number_is_none():
    one = result(grid(seeds=(0,)).runs[0], 12.0)
    one.evaluation["metrics"]["every"]["capped"]["rmse"] = None
    assert one.validation_gap is None


@pytest.mark.parametrize("name", ["evaluation.json", "predictions.csv"])
@pytest.mark.parametrize("content", [b"", b"[", None])
def test_a_damaged_evaluation_is_said(copied, name, content):
    made_grid, folder = copied
    run = made_grid.runs[0]
    path = folder_of(run, folder) / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    with pytest.raises(RulError, match=f"evaluation cannot be read: .*{name}"):
        read_result(run, folder_of(run, folder))


def test_the_commit_of_a_checkout_is_marked_when_files_differ(tmp_path, monkeypatch):
    package = tmp_path / "cmapss_rul"
    package.mkdir()
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "a.yaml").write_text("seed: 1\n")
    (tmp_path / "configs" / "ledger.json").write_text("{}")
    (package / "__init__.py").write_text("x = 1\n")
    monkeypatch.setattr(results_module.cmapss_rul, "__file__", str(package / "__init__.py"))
    assert commit() is None
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    assert commit() is None  # a checkout, but not of this package
    subprocess.run([*git, "add", "."], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "-qm", "x"], cwd=tmp_path, check=True)
    clean = commit()
    assert len(clean) == 40
    (tmp_path / "configs" / "ledger.json").write_text("{2}")
    assert commit() == clean  # runs are written to it, or a second grid would never be clean
    (tmp_path / "configs" / "a.yaml").write_text("seed: 2\n")
    assert commit() == f"{clean} with changes"
    (tmp_path / "configs" / "a.yaml").write_text("seed: 1\n")
    assert commit() == clean
    (package / "__init__.py").write_text("x = 2\n")
    assert commit() == f"{clean} with changes"


def test_without_git_there_is_no_commit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert commit() is None


def test_errors_are_predicted_less_true(made):
    found, folder = read(made)
    rows = (folder / "predictions.csv").read_text().splitlines()
    columns = rows[0].split(",")
    first = dict(zip(columns, rows[1].split(","), strict=True))
    wanted = float(first["predicted_rul"]) - float(first["true_rul_capped"])
    assert np.isclose(found.errors[0], wanted)
