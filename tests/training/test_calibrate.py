"""Intervals in best.pt: written by training, also after a kill, or added to an existing run."""

import dataclasses
import shutil

import numpy as np
import pytest

from cmapss_rul.data.reader import read_fleet
from cmapss_rul.data.simulate import simulate
from cmapss_rul.data.trainset import prepare_training_data
from cmapss_rul.intervals.calibration import Calibration, CalibrationPredictions, fit_calibration
from cmapss_rul.model.network import predict
from cmapss_rul.system.errors import CheckpointError, RulError, UsageError
from cmapss_rul.system.locks import lock_folder
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.calibrate import calibrate_run
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import restore
from tests.training.inputs import (
    assert_same_run,
    differences,
    file_bytes,
    tiny_config,
    train_interrupted,
)

SPLIT = {"validation": 0.5, "calibration": 0.25}
"""Of 16 engines 8 validate and 4 calibrate, which support 0.8."""


@pytest.fixture(scope="module")
def sixteen(tmp_path_factory):
    """Folder with a simulated FD001 of 16 engines."""
    folder = tmp_path_factory.mktemp("sixteen")
    simulate(folder, engines=16)
    return folder


@pytest.fixture(scope="module")
def trained(sixteen, tmp_path_factory):
    """Folders of two finished runs, by the kind of their calibration engines; read only."""
    runs = {}
    for kind, split in (("validation", {"validation": 0.5}), ("calibration", SPLIT)):
        runs[kind] = tmp_path_factory.mktemp(kind) / "run"
        train(tiny_config(sixteen, split=split), runs[kind], device="cpu")
    return runs


@pytest.fixture
def validation_run(trained, tmp_path):
    """A writable copy of the run calibrated on validation engines."""
    return shutil.copytree(trained["validation"], tmp_path / "own")


def remove_calibration(path):
    """Remove the calibration from a checkpoint, as in older versions; returns its content."""
    content = checkpoint_file.read(path)
    content.pop("calibration", None)
    checkpoint_file.write(path, content)
    return content


# ---- training ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["validation", "calibration"])
def test_training_calibrates_the_best_network(trained, sixteen, kind):
    """Recomputed from the training file, the saved weights and the definition."""
    model = restore(trained[kind])
    config = model.config
    data = prepare_training_data(
        read_fleet(sixteen / "train_FD001.txt"), config.data, config.split, (125, 50), config.seed
    )

    def held_out(side):
        rul, _ = predict(model.network, side.windows)
        engine = side.windows.starts.numpy()
        lengths = side.windows.ends.numpy() - engine + 1
        return CalibrationPredictions(
            rul.clamp(0, 125).double().numpy(), side.rul.double().numpy(), engine, lengths
        )

    calibration = held_out(data.calibration) if kind == "calibration" else None
    engines = getattr(data.engines, kind).tolist()
    expected = fit_calibration(
        held_out(data.validation), calibration, engines, (0.8, 0.9, 0.95), 125
    )
    assert model.calibration == expected
    assert (model.calibration.kind, model.calibration.levels) == (kind, [0.8])
    assert model.calibration.engines == engines


def test_engines_that_calibrate_neither_train_nor_validate(trained):
    plain, separate = (restore(trained[kind]) for kind in ("validation", "calibration"))
    assert (len(separate.engines.training), len(separate.engines.calibration)) == (4, 4)
    assert plain.engines.calibration == []
    assert separate.engines.validation == plain.engines.validation
    assert set(separate.engines.training) | set(separate.engines.calibration) == set(
        plain.engines.training
    )


def test_only_best_holds_the_entry(trained):
    run = trained["calibration"]
    assert "calibration" in checkpoint_file.read(run / "best.pt")
    assert "calibration" not in checkpoint_file.read(run / "last.pt")
    assert restore(run / "last.pt").calibration is None


def test_an_interrupted_run_gets_the_same_intervals(trained, sixteen, tmp_path):
    config = tiny_config(sixteen, split=SPLIT)
    train_interrupted(config, tmp_path / "run", epoch=1)
    assert restore(tmp_path / "run").calibration is not None
    train(config, tmp_path / "run", device="cpu", resume=True)
    assert_same_run(trained["calibration"], tmp_path / "run")


def test_a_rewritten_best_checkpoint_keeps_its_intervals(sixteen, tmp_path):
    config, folder = tiny_config(sixteen, split=SPLIT), tmp_path / "run"
    train_interrupted(config, folder, epoch=1)
    expected = checkpoint_file.read(folder / "best.pt")["calibration"]
    (folder / "best.pt").write_bytes(b"half")
    train_interrupted(config, folder, resume=True, step=1)
    assert checkpoint_file.read(folder / "best.pt")["calibration"] == expected


def test_training_works_if_no_level_is_supported(finished_run):
    calibration = restore(finished_run).calibration
    assert (len(calibration.engines), calibration.levels, calibration.default_level) == (
        2,
        [],
        None,
    )


def test_a_split_by_windows_has_no_engine_to_calibrate(eight_engine_dir, tmp_path):
    train(tiny_config(eight_engine_dir, split={"by": "windows"}), tmp_path / "run", device="cpu")
    assert restore(tmp_path / "run").calibration is None
    with pytest.raises(UsageError, match=r"a leak: .*; intervals need engines that did not train"):
        calibrate_run(tmp_path / "run")


# ---- an existing run ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["validation", "calibration"])
def test_recalibration_equals_training_and_changes_nothing_else(trained, tmp_path, kind):
    folder = shutil.copytree(trained[kind], tmp_path / "run")
    others = {name: data for name, data in file_bytes(folder).items() if name != "best.pt"}
    before = remove_calibration(folder / "best.pt")
    model = calibrate_run(folder)
    content = checkpoint_file.read(folder / "best.pt")
    assert content["calibration"] == checkpoint_file.read(trained[kind] / "best.pt")["calibration"]
    assert model.calibration == Calibration.model_validate(content.pop("calibration"))
    assert differences(before, content) == []
    assert {name: data for name, data in file_bytes(folder).items() if name != "best.pt"} == others


def test_further_levels_are_added(validation_run):
    before = restore(validation_run).calibration
    found = calibrate_run(validation_run / "best.pt", [0.75, 0.5, 0.75]).calibration
    assert restore(validation_run).calibration == found
    assert found.levels == [0.5, 0.75, *before.levels]
    assert found.quantiles[1] <= before.quantiles[0]
    assert found.quantiles[2:] == before.quantiles
    assert found.knots == before.knots
    assert (
        calibrate_run(validation_run).calibration == before
    )  # without levels, only the default ones


def test_a_run_of_a_version_without_calibration_engines_is_calibrated(validation_run):
    content = remove_calibration(validation_run / "best.pt")
    del content["split"]["calibration"]
    del content["config"]["split"]["calibration"]
    checkpoint_file.write(validation_run / "best.pt", content)
    assert calibrate_run(validation_run).calibration.kind == "validation"


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([0.9], r"found 8 calibration engines, .* up to 8/9; level 0\.9 needs at least 9$"),
        ([0.5, 0.99], r"level 0\.99 needs at least 99$"),
        ([1.0], "expected a number between 0 and 1"),
        ([float("nan")], "expected a number between 0 and 1"),
    ],
)
def test_invalid_levels_are_refused_and_nothing_is_written(validation_run, levels, message):
    before = file_bytes(validation_run)
    with pytest.raises(UsageError, match=message):
        calibrate_run(validation_run, levels)
    assert file_bytes(validation_run) == before


def test_too_few_engines_for_any_default_level(run_copy):
    with pytest.raises(UsageError, match=r"2 calibration engines .* 0\.8 needs at least 4"):
        calibrate_run(run_copy)
    assert calibrate_run(run_copy, [0.6]).calibration.levels == [0.6]


def test_another_train_file_is_refused_by_both_digests(validation_run, eight_engine_dir):
    with pytest.raises(UsageError, match=r"found SHA-256 .*, expected the file that the run"):
        calibrate_run(validation_run, data_dir=eight_engine_dir)


def test_an_epoch_other_than_the_best_is_refused(validation_run):
    content = checkpoint_file.read(validation_run / "last.pt")
    content["loop"]["best_epoch"] = content["loop"]["epoch"] - 1
    checkpoint_file.write(validation_run / "last.pt", content)
    with pytest.raises(UsageError, match="found epoch 2, expected the best epoch, 1"):
        calibrate_run(validation_run / "last.pt")


def test_a_missing_checkpoint_is_reported_and_no_folder_created(tmp_path):
    with pytest.raises(CheckpointError, match="there is no such checkpoint"):
        calibrate_run(tmp_path / "nowhere" / "best.pt")
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_training_is_not_touched(validation_run):
    before = (validation_run / "best.pt").read_bytes()
    with lock_folder(validation_run), pytest.raises(RulError, match="is in use by process"):
        calibrate_run(validation_run)
    assert (validation_run / "best.pt").read_bytes() == before


def test_a_non_finite_prediction_is_refused(validation_run, monkeypatch):
    real = predict

    def predict_infinity(network, windows):
        rul, probabilities = real(network, windows)
        return rul + np.inf, probabilities

    monkeypatch.setattr("cmapss_rul.training.validation.predict", predict_infinity)
    before = file_bytes(validation_run)
    with pytest.raises(RulError, match="a calibration engine was not finite"):
        calibrate_run(validation_run)
    assert file_bytes(validation_run) == before


def test_the_returned_model_equals_the_saved_one(validation_run):
    model, again = calibrate_run(validation_run), restore(validation_run)
    for field in dataclasses.fields(model):
        if field.name not in ("network", "preprocessor", "data"):
            assert getattr(model, field.name) == getattr(again, field.name)
    one, other = (dict(found.data) for found in (model, again))
    assert one.pop("fingerprints").equal(other.pop("fingerprints"))
    assert one == other
