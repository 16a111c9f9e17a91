"""Ensembles work with every command like a single network, and each result names them."""

import json
import shutil

import numpy as np
import pytest

from cmapss_rul.data.reader import read_fleet
from cmapss_rul.evaluation.check import check
from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.evaluation.export import export
from cmapss_rul.evaluation.headline import published_comparison, verdict
from cmapss_rul.evaluation.predictions import predict_fleet
from cmapss_rul.metrics.published import PUBLISHED
from cmapss_rul.reports.interpretation import attention_over_time, permutation_importance
from cmapss_rul.reports.report import report
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import restore
from tests.training.inputs import tiny_config

pytestmark = pytest.mark.usefixtures("unrendered")

NAME = "ensemble of 4 folds"


@pytest.fixture(scope="module")
def evaluated(ensemble_run):
    return evaluate(ensemble_run)


@pytest.fixture
def copy(ensemble_run, tmp_path):
    """The ensemble's checkpoint in a folder by itself."""
    folder = tmp_path / "mine-4folds-s0"
    folder.mkdir()
    shutil.copy(ensemble_run / "best.pt", folder)
    return folder


@pytest.fixture
def succeed(rul):
    """Run a command that succeeds; returns stdout."""

    def run(*arguments):
        code, out, err = rul(*arguments)
        assert (code, err) == (0, "")
        return out

    return run


def test_the_result_names_the_ensemble(evaluated, ensemble_run):
    protocol, model = evaluated.protocol, restore(ensemble_run)
    assert f"of an {NAME} at the last windows of 8 test engines" in verdict(evaluated)
    epochs = [member.epoch for member in model.members]
    assert f"{NAME} (epochs {', '.join(map(str, epochs))}; seed 0; trained in" in protocol.summary()
    assert "8 in 4 folds, each validates one network and trains the others" in protocol.summary()
    plain = protocol.as_dict()
    assert plain["ensemble"]["epochs"] == epochs
    assert plain["ensemble"]["seconds"] == pytest.approx(model.seconds, abs=1e-3)
    assert (plain["split"]["folds"], plain["epoch"]) == (4, max(epochs))


def test_the_training_time_is_of_all_networks(ensemble_run):
    rows = []
    for fold in range(4):
        text = (ensemble_run / f"fold-{fold}" / "metrics.csv").read_text().splitlines()
        rows += [float(line.rsplit(",", 1)[1]) for line in text[1:]]
    assert len(rows) == 8
    assert restore(ensemble_run).seconds == pytest.approx(sum(rows))


def test_single_networks_are_not_named_as_ensembles(evaluated, eight_engine_dir, tmp_path):
    setup = evaluated.protocol.setup
    single = evaluate(
        train(tiny_config(eight_engine_dir, train={"epochs": 1}), tmp_path / "run", device="cpu")
    )
    assert "ensemble" not in single.protocol.as_dict()
    assert "of one run (seed 0)" in single.protocol.summary()
    assert single.protocol.setup.why_not_comparable(setup) == "of an ensemble"
    assert setup.why_not_comparable(single.protocol.setup) == "of a single network"
    assert all(setup.why_not_comparable(entry.setup) for entry in PUBLISHED)
    assert "Not comparable" in published_comparison(evaluated)


@pytest.fixture(scope="module")
def per_condition(eight_engine_dir, tmp_path_factory):
    """An ensemble of two networks with conditions that depend on its engines, and smoothing."""
    settings = ["setting_1", "setting_2", "setting_3"]
    data = {"columns": ["sensor_2", *settings], "smoothing": 0.3}
    config = tiny_config(eight_engine_dir, split={"folds": 2}, data=data, train={"epochs": 1})
    return train(config, tmp_path_factory.mktemp("per-condition") / "run", device="cpu")


@pytest.mark.parametrize("format", ["onnx", "torch-export"])
def test_one_exported_graph_predicts_the_mean(per_condition, tmp_path, format):
    """It scales and smooths apart for each network."""
    if format == "onnx":
        pytest.importorskip("onnxscript")
        pytest.importorskip("onnxruntime")
    parity = export(per_condition, format, tmp_path / "model")
    assert parity.engines == 8
    assert parity.rul < 1e-3
    assert parity.health < 1e-5
    assert parity.interval < 1e-3


def test_every_command_needs_only_the_checkpoint(succeed, copy, eight_engine_dir):
    file = eight_engine_dir / "test_FD001.txt"
    assert NAME in " ".join(succeed("evaluate", copy).split())
    assert NAME in " ".join(succeed("evaluate", copy, "--full").split())
    assert json.loads((copy / "evaluation.json").read_text())["protocol"]["ensemble"]["folds"] == 4
    found = json.loads(succeed("predict", copy, file, "--json"))
    assert found["model"]["folds"] == 4
    alone = predict_fleet(restore(copy), read_fleet(file))
    last = read_fleet(file).last_rows
    assert [row["rul"] for row in found["predictions"]] == pytest.approx(alone.rul[last])
    assert "out-of-fold" in succeed("calibrate", copy, "--level", "0.5")
    assert check(copy, file).engines == 8


def test_the_report_and_its_card(copy, ensemble_run):
    for fold in range(4):
        shutil.copytree(ensemble_run / f"fold-{fold}", copy / f"fold-{fold}")
    page, *others = report(copy)
    text = page.read_text()
    assert NAME in text
    assert "Learning curves of the networks" in text
    card = (copy / "MODEL_CARD.md").read_text()
    assert f"An {NAME}: the mean of 4 CNN → BiLSTM networks" in card
    assert "8 engines for training, each for selection of the epoch of one network" in card
    assert any(path.name == "attention.png" for path in others)


def test_a_report_without_the_fold_folders_names_what_is_missing(copy):
    page, *_ = report(copy)
    assert "learning curves:" in page.read_text()


def test_attention_is_the_mean_and_an_input_is_shuffled_in_every_network(evaluated, ensemble_run):
    model = restore(ensemble_run)
    found = attention_over_time(model, evaluated)
    alone = [attention_over_time(member, evaluated).weights for member in model.members]
    assert found.weights == pytest.approx(np.mean(alone, axis=0), abs=1e-6)
    importance = permutation_importance(model, evaluated)
    assert importance.inputs == model.preprocessor.features
    # with so few inputs, each matters to some network
    assert (np.abs(importance.increase).max(axis=1) > 0).all()
