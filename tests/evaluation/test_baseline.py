"""The gradient boosting baseline of a run: fitted, stored, shown, ignored when stale."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from cmapss_rul.cli import app
from cmapss_rul.evaluation import baseline as stored
from cmapss_rul.evaluation.baseline import evaluate_baseline, store_baseline, with_stored_baseline
from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.evaluation.headline import headline_table
from cmapss_rul.evaluation.tables import baselines_table
from cmapss_rul.system.errors import DataError
from cmapss_rul.training import gradient_boosting
from cmapss_rul.training.trained_model import restore
from tests.evaluation._models import config_for, write_checkpoint
from tests.training.inputs import quick_regressor

pytest.importorskip("sklearn")
COLUMNS = ["sensor_2", "sensor_4", "sensor_11"]
"""Few, because the time of a fit is in proportion to them."""


@pytest.fixture(scope="module", autouse=True)
def _quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gradient_boosting, "CANDIDATES", [(0.2, 7)])
        patch.setattr(gradient_boosting, "find_regressor", quick_regressor)
        yield


@pytest.fixture(scope="module")
def model(fleet_dir, tmp_path_factory):
    """A tiny untrained network."""
    path = tmp_path_factory.mktemp("baseline") / "best.pt"
    return restore(write_checkpoint(path, config_for(fleet_dir, columns=COLUMNS)))


@pytest.fixture(scope="module")
def evaluation(model):
    return evaluate(model)


@pytest.fixture(scope="module")
def found(model):
    return evaluate_baseline(model, progress=False)


@pytest.fixture
def saved_model(model, tmp_path):
    """The model in a writable folder."""
    shutil.copy(model.path, tmp_path / "best.pt")
    return dataclasses.replace(model, path=tmp_path / "best.pt")


def test_it_has_the_protocol_of_the_network(evaluation, found):
    network, trees = evaluation.protocol.as_dict(), found[0].protocol.as_dict()
    for name in ("subset", "digest", "engines", "windows", "cap", "split", "inputs", "seed"):
        assert trees[name] == network[name]
    assert "lowest RMSE with each engine cut at a random cycle" in trees["selection"]
    assert found[0].protocol.epoch == found[1].trees


def test_its_metrics_are_those_of_its_predictions(found):
    evaluation, last = found[0], found[0].last
    errors = evaluation.predictions.rul[last] - evaluation.truth.capped[last]
    assert evaluation.metrics.last.capped.rmse == pytest.approx(np.sqrt(np.mean(errors**2)))
    # the untrained network is worse
    assert (
        evaluation.metrics.last.capped.rmse
        < evaluation.baselines.train_mean.metrics.last.capped.rmse
    )


def test_it_is_stored_and_shown_in_tables_and_json(saved_model, evaluation, found):
    assert with_stored_baseline(saved_model, evaluation) is evaluation
    path = store_baseline(saved_model, *found)
    assert path.name == "baseline.json"
    shown = with_stored_baseline(saved_model, evaluation)
    rmse = found[0].metrics.last.capped.rmse
    plain = shown.as_dict()["baselines"]["gradient_boosting"]
    assert plain["last"]["capped"]["rmse"] == rmse
    assert plain["oracle"] is False
    assert plain["fit"]["trees"] == found[1].trees
    row = next(r for r in baselines_table(shown).rows if r[0] == "gradient boosting, capped")
    assert row[1] == f"{rmse:.2f}"
    assert any(
        row[:2] == ["gradient boosting: last window, capped", f"{rmse:.2f}"]
        for row in headline_table(shown).rows
    )
    assert "gradient_boosting" not in evaluation.as_dict()["baselines"]


@pytest.mark.parametrize("change", ["seed", "damage", "digest"])
def test_a_stale_baseline_is_not_shown(saved_model, evaluation, found, change):
    path = store_baseline(saved_model, *found)
    stored = json.loads(path.read_text())
    if change == "damage":
        path.write_text("{")
    elif change == "seed":
        stored["protocol"]["seed"] += 1
        path.write_text(json.dumps(stored))
    else:
        stored["protocol"]["digests"]["train_FD001.txt"] = "0" * 64
        path.write_text(json.dumps(stored))
    assert with_stored_baseline(saved_model, evaluation) is evaluation


def test_another_training_file_is_refused_before_the_fit(model, monkeypatch):
    monkeypatch.setattr(stored, "fit_gradient_boosting", None)
    data = model.data.model_copy(update={"canonical_sha256": "0" * 64})
    with pytest.raises(DataError, match=r"train_FD001.txt: has changed since the training"):
        evaluate_baseline(dataclasses.replace(model, data=data), progress=False)


def test_the_command_fits_once_and_shows_the_baseline_afterwards(fleet_dir, tmp_path, monkeypatch):
    path = write_checkpoint(tmp_path / "best.pt", config_for(fleet_dir, columns=COLUMNS))
    run = CliRunner()
    first = run.invoke(app, ["evaluate", str(path), "--baseline"])
    assert first.exit_code == 0, first.output
    assert "gradient boosting" in first.output
    monkeypatch.setattr(stored, "fit_gradient_boosting", None)  # it is not fitted again
    for options in ([], ["--full"]):
        again = run.invoke(app, ["evaluate", str(path), *options])
        assert again.exit_code == 0, again.output
        assert "gradient boosting" in again.output
    saved = json.loads((path.parent / "evaluation.json").read_text())
    assert saved["baselines"]["gradient_boosting"]["fit"]["leaves"] == 7
