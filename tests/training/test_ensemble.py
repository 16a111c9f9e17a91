"""Ensembles over folds: each network is an ordinary run; one checkpoint holds them all."""

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from cmapss_rul.data.reader import read_fleet
from cmapss_rul.evaluation.predictions import predict_fleet
from cmapss_rul.system.errors import CheckpointError, DataError, UsageError
from cmapss_rul.system.signals import Interrupted
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.calibrate import calibrate_run
from cmapss_rul.training.inputs import load_data
from cmapss_rul.training.listing import describe_run
from cmapss_rul.training.run_selection import select_run
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import restore
from tests.training.inputs import (
    Recorder,
    Stopper,
    assert_same_run,
    differences,
    tiny_config,
    tiny_config_dict,
)

SPLIT = {"folds": 4}
FOLDS = [f"fold-{fold}" for fold in range(4)]


@pytest.fixture
def copy(ensemble_run, tmp_path):
    """A writable copy of the ensemble."""
    return Path(shutil.copytree(ensemble_run, tmp_path / ensemble_run.name))


def comparable_ensemble(path):
    """Content of an ensemble's checkpoint without host facts: equal for equal ensembles."""
    content = checkpoint_file.read(path)
    del content["host"]
    for member in content["members"]:
        del member["clock"], member["sha256"]
    return content


def assert_same_ensemble(one, other):
    for fold in FOLDS:
        assert_same_run(one / fold, other / fold)
    assert (
        differences(comparable_ensemble(one / "best.pt"), comparable_ensemble(other / "best.pt"))
        == []
    )


class FoldStopper(Stopper):
    """Interrupts the training of one network: after a step, or before its first one."""

    def __init__(self, fold, **options):
        super().__init__(**options)
        self._at, self._fold = fold, -1

    def member_start(self, fold, folds):
        assert folds == 4
        self._fold, self.steps = fold, 0
        if fold == self._at and self._step is None:
            raise KeyboardInterrupt

    def batch_end(self, windows):
        del windows
        self.steps += 1
        if (self._fold, self.steps) == (self._at, self._step):
            signal.raise_signal(self._number)


def test_the_folder_has_a_run_for_each_fold_and_one_checkpoint(ensemble_run):
    assert sorted(path.name for path in ensemble_run.iterdir()) == [
        "best.pt",
        "config.yaml",
        *FOLDS,
    ]
    assert yaml.safe_load((ensemble_run / "config.yaml").read_text())["split"]["folds"] == 4


def test_a_network_is_the_ordinary_run_of_its_split(ensemble_run, eight_engine_dir, tmp_path):
    train(
        tiny_config(eight_engine_dir, split={**SPLIT, "fold": 2}), tmp_path / "alone", device="cpu"
    )
    assert_same_run(ensemble_run / "fold-2", tmp_path / "alone")


def test_the_checkpoint_has_the_networks_and_preprocessors_of_the_runs(ensemble_run):
    model = restore(ensemble_run)
    validating = [number for m in model.members for number in m.engines.validation]
    assert sorted(validating) == list(range(1, 9))
    for fold, member in zip(FOLDS, model.members, strict=True):
        alone = restore(ensemble_run / fold)
        assert (
            differences(dict(member.network.state_dict()), dict(alone.network.state_dict())) == []
        )
        assert (member.engines, member.config.split) == (alone.engines, alone.config.split)
        state = alone.preprocessor.state_dict()
        assert differences(member.preprocessor.state_dict(), state) == []
    centres = [tuple(m.preprocessor.scaler.centre[0]) for m in model.members]
    assert len(set(centres)) == 4


def test_it_predicts_the_mean_of_its_networks_each_with_its_own_scaling(
    ensemble_run, eight_engine_dir
):
    model, fleet = restore(ensemble_run), read_fleet(eight_engine_dir / "test_FD001.txt")
    found = predict_fleet(model, fleet)
    alone = [predict_fleet(restore(ensemble_run / fold), fleet) for fold in FOLDS]
    assert found.rul == pytest.approx(np.mean([part.rul for part in alone], axis=0), abs=1e-4)
    mean = np.mean([part.probabilities for part in alone], axis=0)
    assert found.probabilities == pytest.approx(mean, abs=1e-6)
    assert not np.allclose(alone[0].rul, alone[1].rul)


def test_windows_of_load_data_are_accepted(ensemble_run, eight_engine_dir):
    model, fleet = restore(ensemble_run), read_fleet(eight_engine_dir / "train_FD001.txt")
    windows = load_data(model.config).validation.windows
    assert len(windows) == fleet.rows
    assert model.predict(windows).rul.tolist() == predict_fleet(model, fleet).rul.tolist()


def test_validation_metrics_use_the_network_not_trained_on_the_engine(ensemble_run):
    model = restore(ensemble_run)
    errors, cuts = [], []
    for member in model.members:
        labelled = load_data(member.config).validation
        error = member.predict(labelled.windows).rul - labelled.rul.double().numpy()
        errors.append(error)
        lengths = labelled.windows.record_lengths.numpy()
        for start in labelled.windows.starts.unique():
            own = (labelled.windows.starts == start).numpy() & (lengths >= 20)
            cuts.append(np.mean(np.square(error[own])))
    assert model.val_rmse == pytest.approx(np.sqrt(np.mean(np.square(np.concatenate(errors)))))
    metrics = checkpoint_file.read(model.path)["out_of_fold"]
    assert len(cuts) == 8
    assert metrics["val_cut_rmse"] == pytest.approx(np.sqrt(np.mean(cuts)))


def test_intervals_come_from_all_engines(ensemble_run, copy):
    calibration = restore(ensemble_run).calibration
    assert (calibration.kind, calibration.engines) == ("out-of-fold", list(range(1, 9)))
    # rul calibrate computes the same from the checkpoint alone
    for fold in FOLDS:
        shutil.rmtree(copy / fold)
    assert calibrate_run(copy, device="cpu").calibration == calibration
    assert 0.5 in calibrate_run(copy, [0.5], device="cpu").calibration.levels


def test_no_test_file_is_needed(eight_engine_dir, tmp_path):
    (tmp_path / "data").mkdir()
    for name in ("train_FD001.txt", "FD001.json"):
        if (eight_engine_dir / name).exists():
            shutil.copy(eight_engine_dir / name, tmp_path / "data")
    config = tiny_config(tmp_path / "data", split={"folds": 2}, train={"epochs": 1})
    assert restore(train(config, tmp_path / "run", device="cpu")).members


# ---- resuming -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stop", "error"),
    [
        (FoldStopper(0, step=1), Interrupted),
        (FoldStopper(2, step=3), Interrupted),
        (FoldStopper(3), KeyboardInterrupt),
    ],
    ids=["in the first network", "inside a later one", "between two"],
)
def test_a_resumed_ensemble_equals_the_uninterrupted_one(
    ensemble_run, eight_engine_dir, tmp_path, stop, error
):
    config, run = tiny_config(eight_engine_dir, split=SPLIT), tmp_path / "run"
    with pytest.raises(error) as caught:
        train(config, run, device="cpu", reporters=[stop])
    if error is Interrupted:
        assert str(caught.value).endswith(f"resume with: rul train --resume {run}")
    assert not (run / "best.pt").exists()
    assert select_run(None, resume=str(run)).config == config
    assert describe_run(RunFolder(run)).state in ("interrupted", "unfinished")
    train(config, run, device="cpu", resume=True)
    assert_same_ensemble(ensemble_run, run)


def test_a_finished_ensemble_is_left_alone_with_a_note(copy, eight_engine_dir):
    before = (copy / "best.pt").read_bytes()
    recorder = Recorder()
    train(
        tiny_config(eight_engine_dir, split=SPLIT),
        copy,
        device="cpu",
        resume=True,
        reporters=[recorder],
    )
    assert recorder.notes[-1] == f"{copy} has the networks of all 4 folds: nothing to do"
    assert recorder.steps == 0
    assert (copy / "best.pt").read_bytes() == before


def test_more_epochs_continue_every_network(copy, eight_engine_dir):
    config = tiny_config(eight_engine_dir, split=SPLIT, train={"epochs": 3})
    train(config, copy, device="cpu", resume=True)
    assert checkpoint_file.read(copy / "best.pt")["config"]["train"]["epochs"] == 3
    for fold, member in zip(FOLDS, restore(copy).members, strict=True):
        assert RunFolder(copy / fold).newest()[0].loop.epoch == 3
        assert member.best_epoch == restore(copy / fold).best_epoch


def test_another_configuration_is_refused_before_any_file_changes(copy, eight_engine_dir):
    before = (copy / "config.yaml").read_bytes()
    with pytest.raises(UsageError, match=r"fold-0/last\.pt belongs to another run: train\.clip"):
        train(
            tiny_config(eight_engine_dir, split=SPLIT, train={"clip": 3}),
            copy,
            device="cpu",
            resume=True,
        )
    assert (copy / "config.yaml").read_bytes() == before


def test_resume_auto_finds_an_ensemble(eight_engine_dir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(yaml.safe_dump(tiny_config_dict(eight_engine_dir)))
    sets = ["split.folds=4"]
    new = select_run("mine.yaml", sets=sets)
    assert str(new.run) == "runs/mine-4folds-s0"
    with pytest.raises(Interrupted):
        train(new.config, new.run, device="cpu", reporters=[FoldStopper(1, step=1)])
    found = select_run("mine.yaml", sets=sets, resume="auto")
    assert str(found.run) == "runs/mine-4folds-s0"
    assert "the newest unfinished" in found.note
    # by its path alone, and never by a single run of the same configuration
    assert select_run(None, resume="runs/mine-4folds-s0").config.split.folds == 4
    assert str(select_run("mine.yaml", resume="auto").run) == "runs/mine-s0"
    train(found.config, found.run, device="cpu", resume=True)
    again = select_run("mine.yaml", sets=sets, resume="auto")
    assert "there is no unfinished" in again.note


# ---- refusals ---------------------------------------------------------------------------


def test_the_folder_of_another_run_is_refused(ensemble_run, eight_engine_dir, tmp_path):
    config = tiny_config(eight_engine_dir, split=SPLIT)
    with pytest.raises(UsageError, match="exists already and is left alone"):
        train(config, ensemble_run, device="cpu")
    train(tiny_config(eight_engine_dir, train={"epochs": 1}), tmp_path / "single", device="cpu")
    with pytest.raises(UsageError, match=r"has best\.pt but no fold of an ensemble"):
        train(config, tmp_path / "single", device="cpu", resume=True)
    with pytest.raises(UsageError, match=r"has no last\.pt to resume from, but has fold-0"):
        train(tiny_config(eight_engine_dir), ensemble_run, device="cpu", resume=True)


def test_fewer_engines_than_folds_are_refused_and_leave_no_folder(eight_engine_dir, tmp_path):
    with pytest.raises(DataError, match=r"found 8 engines .*; expected at least 9, one for each"):
        train(tiny_config(eight_engine_dir, split={"folds": 9}), tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_networks_of_different_files_are_not_combined(copy, eight_engine_dir):
    """Where the file was changed between two networks."""
    content = checkpoint_file.read(copy / "fold-3" / "best.pt")
    content["data"]["canonical_sha256"] = "0" * 64
    checkpoint_file.write(copy / "fold-3" / "best.pt", content)
    with pytest.raises(CheckpointError, match=r"fold-3/best\.pt: was trained on train_FD001\.txt"):
        train(tiny_config(eight_engine_dir, split=SPLIT), copy, device="cpu", resume=True)


def test_a_damaged_checkpoint_is_refused_and_rewritten(copy, ensemble_run, eight_engine_dir):
    (copy / "best.pt").write_bytes((copy / "best.pt").read_bytes()[:-9])
    with pytest.raises(CheckpointError, match="its end is missing"):
        restore(copy)
    assert describe_run(RunFolder(copy)).state == "damaged"
    train(tiny_config(eight_engine_dir, split=SPLIT), copy, device="cpu", resume=True)
    assert_same_ensemble(ensemble_run, copy)


def _remove_a_member(content):
    content["members"].pop()


def _remove_all_members(content):
    del content["members"]


def _remove_a_preprocessor(content):
    del content["members"][1]["preprocessor"]


def _shorten_a_weight(content):
    name = next(iter(content["members"][2]["model"]))
    content["members"][2]["model"][name] = torch.zeros(1)


def _no_member(content):
    content["members"][1] = {"clock": 3}


def _no_metrics(content):
    del content["out_of_fold"]


@pytest.mark.parametrize(
    "change",
    [
        _remove_a_member,
        _remove_all_members,
        _remove_a_preprocessor,
        _shorten_a_weight,
        _no_member,
        _no_metrics,
    ],
)
def test_a_malformed_checkpoint_is_refused_in_one_line(copy, change):
    content = checkpoint_file.read(copy / "best.pt")
    change(content)
    checkpoint_file.write(copy / "best.pt", content)
    with pytest.raises(CheckpointError) as caught:
        restore(copy)
    assert str(caught.value).startswith(f"{copy}/best.pt: ")
    assert "\n" not in str(caught.value)


# ---- the list -------------------------------------------------------------------------------


def test_an_ensemble_is_listed_as_one(ensemble_run):
    found = describe_run(RunFolder(ensemble_run))
    assert (found.state, found.subset, found.seed) == ("finished", "FD001", 0)
    assert found.val_rmse == restore(ensemble_run).val_rmse
    assert found.note == "ensemble of 4 folds, val RMSE out of fold; simulated data"
