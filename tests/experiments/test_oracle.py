"""The oracle's record: correct, resumed after an interruption, without influence on the run."""

import csv

import pytest

from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.experiments.grid import make_grid
from cmapss_rul.experiments.oracle import Oracle, oracle_file, read_oracle
from cmapss_rul.system.signals import Interrupted
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import restore
from tests.experiments.inputs import write_config
from tests.training.inputs import Stopper, assert_same_run


@pytest.fixture
def config(tmp_path, fleet_dir):
    path = write_config(tmp_path / "tiny.yaml", fleet_dir, train={"epochs": 3})
    return make_grid([str(path)], seeds=[0], sets=["train.epochs=3"]).runs[0].config


def train_with_oracle(config, folder, reporters=(), **options):
    return train(
        config,
        folder,
        reporters=[Oracle(config.data, config.split, oracle_file(folder)), *reporters],
        **options,
    )


def test_each_epoch_is_recorded_and_the_run_is_unchanged(tmp_path, config):
    run = train_with_oracle(config, tmp_path / "watched")
    assert_same_run(train(config, tmp_path / "alone").path, run.path)
    notes = read_oracle(oracle_file(run.path))
    assert list(notes) == [1, 2, 3]
    model = restore(run.best)
    tested = evaluate(model).metrics.last.capped.rmse
    assert notes[model.epoch] == pytest.approx(tested, abs=1e-9)


def test_the_file_is_marked_and_metrics_csv_has_no_test_metrics(tmp_path, config):
    run = train_with_oracle(config, tmp_path / "run")
    with oracle_file(run.path).open() as file:
        rows = list(csv.DictReader(file))
    assert {row["mark"] for row in rows} == {"oracle: chosen on the test set"}
    assert "oracle" not in run.metrics.read_text()
    assert "test" not in run.metrics.read_text()


def test_an_interrupted_run_has_the_same_record(tmp_path, config):
    whole = train_with_oracle(config, tmp_path / "whole")
    with pytest.raises(Interrupted):
        train_with_oracle(config, tmp_path / "cut", reporters=[Stopper(epoch=2)])
    cut = train_with_oracle(config, tmp_path / "cut", resume=True)
    assert oracle_file(cut.path).read_text() == oracle_file(whole.path).read_text()


def test_later_epochs_are_recorded_again(tmp_path, config):
    folder = tmp_path / "run"
    folder.mkdir()
    run = train_with_oracle(config, folder / "first")
    oracle_file(folder / "first").write_text("epoch,oracle_test_rmse,mark\n1,99,x\n7,1,x\n")
    oracle = Oracle(config.data, config.split, oracle_file(run.path))
    model = restore(run.best)
    oracle.evaluated(2, model.network, model.preprocessor)
    notes = read_oracle(oracle_file(run.path))
    assert list(notes) == [1, 2]
    assert notes[1] == 99


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "epoch,oracle_test_rmse\nx,1\n", "\0"])
def test_an_unreadable_record_is_ignored(tmp_path, text):
    (tmp_path / "oracle.csv").write_text(text)
    assert read_oracle(tmp_path / "oracle.csv") == {}
    assert read_oracle(tmp_path / "nothing.csv") == {}
