"""`train`: the run folder, refusals, and behaviour as a library."""

import random
import shutil
import threading
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from cmapss_rul.config.load import load
from cmapss_rul.data.simulate import simulate
from cmapss_rul.system.errors import DataError, RulError, UsageError
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.inputs import load_data
from cmapss_rul.training.loop import Loop
from cmapss_rul.training.reporters import Reporter
from cmapss_rul.training.train import train
from tests.training.inputs import (
    Recorder,
    assert_same_run,
    file_bytes,
    tiny_config,
    tiny_config_dict,
    train_and_record,
)

# ---- the run folder ---------------------------------------------------------------------------


def test_the_folder_has_exactly_the_documented_files(finished_run):
    names = ["best.pt", "config.yaml", "last.pt", "metrics.csv", "previous.pt", "train.log"]
    assert sorted(path.name for path in finished_run.iterdir()) == names


def test_the_saved_configuration_reproduces_the_run(finished_run, tmp_path):
    config = load(RunConfig, finished_run / "config.yaml")
    train(config, tmp_path / "again", device="cpu")
    assert_same_run(finished_run, tmp_path / "again")


def test_an_existing_folder_is_refused_and_left_alone(run_copy, eight_engine_dir):
    before = file_bytes(run_copy)
    with pytest.raises(UsageError, match="exists already and is left alone") as caught:
        train(tiny_config(eight_engine_dir, train={"epochs": 1}), run_copy, device="cpu")
    assert f"--resume {run_copy}, " in str(caught.value)
    assert "--output" in str(caught.value)
    assert caught.value.exit_code == 2
    assert file_bytes(run_copy) == before


def test_an_empty_folder_and_a_file_are_refused(tmp_path, eight_engine_dir):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("mine")
    for name in ("empty", "file"):
        with pytest.raises(UsageError, match="exists already"):
            train(tiny_config(eight_engine_dir), tmp_path / name, device="cpu")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_created_meanwhile_is_not_used(tmp_path, eight_engine_dir, monkeypatch):
    """Two runs started at the same moment choose the same name: the second must not write there."""
    folder = tmp_path / "run"
    build = RunConfig.build_network

    def late(config):
        folder.mkdir()
        return build(config)

    config = tiny_config(eight_engine_dir)
    monkeypatch.setattr(RunConfig, "build_network", late)
    with pytest.raises(FileExistsError):
        train(config, folder, device="cpu")
    assert list(folder.iterdir()) == []


def test_nothing_is_left_behind_if_the_data_are_unavailable(tmp_path):
    config = tiny_config(tmp_path / "nowhere")
    with pytest.raises(DataError) as caught:
        train(config, tmp_path / "run", device="cpu")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_cannot_be_created_is_a_user_error(tmp_path, eight_engine_dir):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        train(tiny_config(eight_engine_dir), tmp_path / "file" / "run", device="cpu")


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path, eight_engine_dir, monkeypatch):
    folder, recorder = tmp_path / "run", Recorder()

    def full(path, content, keep_as):
        del content, keep_as
        raise OSError(28, "No space left on device", str(path))

    def epoch_end(row, best):
        del row, best
        monkeypatch.setattr(checkpoint_file, "write_verified", full)

    recorder.epoch_end = epoch_end
    with pytest.raises(OSError, match="No space left"):
        train(tiny_config(eight_engine_dir), folder, device="cpu", reporters=[recorder])
    assert checkpoint_file.read(folder / "last.pt")["loop"]["epoch"] == 1
    assert not list(folder.glob(".*"))


def test_simulated_and_unofficial_data_are_noted(tmp_path, eight_engine_dir):
    assert any(
        "simulated" in text
        for text in train_and_record(tiny_config(eight_engine_dir), tmp_path / "a").notes
    )
    shutil.copy(eight_engine_dir / "train_FD001.txt", tmp_path)  # without the manifest
    recorder = train_and_record(tiny_config(tmp_path), tmp_path / "b")
    assert "train_FD001.txt is not the official file" in recorder.notes


# ---- as a library -----------------------------------------------------------------------------


def test_a_split_by_windows_is_noted_as_a_leak(tmp_path, eight_engine_dir):
    recorder = train_and_record(
        tiny_config(eight_engine_dir, split={"by": "windows"}), tmp_path / "leak"
    )
    assert any("split.by windows is a leak" in text for text in recorder.notes)
    content = checkpoint_file.read(tmp_path / "leak" / "last.pt")
    assert content["split"]["training"] == content["split"]["validation"]


def test_a_reporter_sees_every_network_before_it_is_saved(tmp_path, finished_run):
    seen = []

    class Observer(Reporter):
        def evaluated(self, epoch, network, preprocessor):
            history = (tmp_path / "seen" / "metrics.csv").exists()
            seen.append((epoch, history, network.training, preprocessor.features))

    config = load(RunConfig, finished_run / "config.yaml")
    train(config, tmp_path / "seen", device="cpu", reporters=[Observer()])
    assert [epoch for epoch, *_ in seen] == list(range(1, config.train.epochs + 1))
    assert not seen[0][1]
    assert_same_run(finished_run, tmp_path / "seen")


def test_the_callers_generators_and_threads_are_restored(eight_engine_dir, tmp_path):
    torch.set_num_threads(2)
    torch.manual_seed(5)
    random.seed(5)
    states = torch.get_rng_state(), random.getstate()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global one is watched
    train(tiny_config(eight_engine_dir), tmp_path / "run", device="cpu")
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert (np.random.get_state()[1] == numpy_state).all()  # noqa: NPY002
    assert torch.get_num_threads() == 2


def test_they_are_restored_after_a_failure_too(eight_engine_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(Loop, "train_epoch", Mock(side_effect=RulError("mine")))
    torch.set_num_threads(2)
    before = torch.get_rng_state()
    with pytest.raises(RulError, match="mine"):
        train(tiny_config(eight_engine_dir), tmp_path / "run", device="cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == 2


def test_the_callers_state_does_not_affect_the_run(eight_engine_dir, tmp_path, finished_run):
    torch.manual_seed(1234)
    np.random.seed(1234)  # noqa: NPY002
    train(tiny_config(eight_engine_dir), tmp_path / "run", device="cpu")
    assert_same_run(finished_run, tmp_path / "run")


def test_training_works_outside_the_main_thread(eight_engine_dir, tmp_path, finished_run):
    thread = threading.Thread(target=train, args=(tiny_config(eight_engine_dir), tmp_path / "run"))
    thread.start()
    thread.join()
    assert_same_run(finished_run, tmp_path / "run")


def test_nothing_is_printed(eight_engine_dir, tmp_path, capfd):
    run = train(tiny_config(eight_engine_dir), str(tmp_path / "run"), device="cpu")
    assert capfd.readouterr() == ("", "")
    assert run.path == tmp_path / "run"


def test_an_unknown_device_is_refused_before_anything_else(tmp_path):
    with pytest.raises(UsageError, match="--device: found 'tpu', expected one of auto, cpu, cuda"):
        train(tiny_config(tmp_path), tmp_path / "run", device="tpu")


def test_the_data_can_be_loaded_alone(eight_engine_dir):
    data = load_data(tiny_config(eight_engine_dir))
    assert len(data.engines.training) + len(data.engines.validation) == 8
    assert len(data.training.windows.series) == len(data.training) + len(data.validation)


def test_auxiliary_subsets_train_too_and_are_in_the_checkpoint(eight_engine_dir, tmp_path):
    shutil.copytree(eight_engine_dir, tmp_path / "data")
    simulate(tmp_path / "data", engines=3, conditions=6)
    config = tiny_config(tmp_path / "data", data={"auxiliary": ["FD002"]})
    recorder = train_and_record(config, tmp_path / "run")
    content = checkpoint_file.read(tmp_path / "run" / "best.pt")
    (file,) = content["data"]["auxiliary"]
    assert (file["subset"], file["name"], file["engines"]) == ("FD002", "train_FD002.txt", 3)
    assert file["simulated"]
    assert sum("simulated" in text for text in recorder.notes) == 1
    rows = len((tmp_path / "data" / "train_FD002.txt").read_text().splitlines())
    assert (
        len(load_data(config).training)
        == len(load_data(tiny_config(eight_engine_dir)).training) + rows
    )
    with (tmp_path / "data" / "train_FD002.txt").open("a") as stream:
        stream.write((tmp_path / "data" / "train_FD001.txt").read_text().splitlines()[0] + "\n")
    more = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 9})})
    with pytest.raises((UsageError, DataError), match="train_FD002"):
        train(more, tmp_path / "run", resume=True, device="cpu")


def test_only_a_missing_simulated_train_file_is_created(tmp_path):
    keys = tiny_config_dict(tmp_path / "made", data={"source": "simulated", "subset": "FD003"})
    keys["train"]["window_share"] = 0.001
    train(RunConfig.model_validate(keys), tmp_path / "run", device="cpu")
    names = sorted(path.name for path in (tmp_path / "made").iterdir())
    assert names == ["cache", "manifest_FD003.json", "train_FD003.txt"]
