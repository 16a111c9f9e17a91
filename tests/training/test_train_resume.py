"""Resuming: what may change between two sessions of a run, and what is refused."""

import shutil

import pytest

from cmapss_rul.config.load import load
from cmapss_rul.system.errors import CheckpointError, UsageError
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.loop import Loop
from cmapss_rul.training.reporters import ADDED_COLUMNS
from cmapss_rul.training.train import train
from tests.training.inputs import (
    assert_same_run,
    file_bytes,
    metric_rows,
    tiny_config,
    train_and_record,
    train_interrupted,
)


@pytest.fixture
def half_run(eight_engine_dir, tmp_path):
    """A run of two epochs, stopped after the first."""
    train_interrupted(tiny_config(eight_engine_dir), tmp_path / "half", epoch=1)
    return tmp_path / "half"


def test_a_finished_run_is_left_alone_with_a_note(run_copy, eight_engine_dir):
    before = file_bytes(run_copy)
    recorder = train_and_record(tiny_config(eight_engine_dir), run_copy, resume=True)
    assert recorder.notes == [f"{run_copy} is finished after 2 epochs: nothing to do"]
    assert recorder.steps == 0
    assert file_bytes(run_copy) == before


def test_resuming_a_finished_run_needs_no_data(run_copy, tmp_path):
    assert (
        "nothing to do"
        in train_and_record(tiny_config(tmp_path / "gone"), run_copy, resume=True).notes[0]
    )


def test_more_epochs_continue_with_a_note_on_the_schedule(run_copy, eight_engine_dir):
    recorder = train_and_record(
        tiny_config(eight_engine_dir, train={"epochs": 3}), run_copy, resume=True
    )
    assert "was finished at 2 epochs and is trained to 3" in recorder.notes[0]
    assert "'cosine' depends on the number of epochs" in recorder.notes[1]
    assert "the result is not that of a longer run from the start" in recorder.notes[1]
    assert [row["epoch"] for row in metric_rows(run_copy / "metrics.csv")] == ["1", "2", "3"]
    assert load(RunConfig, run_copy / "config.yaml").train.epochs == 3
    assert (
        "nothing to do"
        in train_and_record(
            tiny_config(eight_engine_dir, train={"epochs": 3}), run_copy, resume=True
        ).notes[0]
    )


@pytest.mark.parametrize("name", ["constant", "plateau"])
def test_with_a_schedule_of_no_end_more_epochs_equal_a_longer_run(eight_engine_dir, tmp_path, name):
    keys = {"schedule": {"name": name}, "warmup": 0.5, "patience": 5}
    train(tiny_config(eight_engine_dir, train={"epochs": 2, **keys}), tmp_path / "a", device="cpu")
    recorder = train_and_record(
        tiny_config(eight_engine_dir, train={"epochs": 3, **keys}), tmp_path / "a", resume=True
    )
    assert not any("depends" in text for text in recorder.notes)
    train(tiny_config(eight_engine_dir, train={"epochs": 3, **keys}), tmp_path / "b", device="cpu")
    assert_same_run(tmp_path / "a", tmp_path / "b")


def test_more_epochs_after_early_stopping_continue(eight_engine_dir, tmp_path, monkeypatch):
    """Patience is reset, or the run would stop at once."""
    figures = iter([0.0, 1.0, 2.0, 3.0, 4.0, 5.0])

    def evaluate(self, labelled):
        del self, labelled
        return {
            **dict.fromkeys(ADDED_COLUMNS, 0.0),
            "val_rmse": next(figures),
            "val_nasa": 0.0,
            "val_health_accuracy": 0.0,
        }

    monkeypatch.setattr(Loop, "evaluate", evaluate)
    keys = {"patience": 1, "window_share": 0.001}
    assert (
        len(
            train_and_record(
                tiny_config(eight_engine_dir, train={"epochs": 4, **keys}), tmp_path / "run"
            ).rows
        )
        == 2
    )
    config = tiny_config(eight_engine_dir, train={"epochs": 6, **keys})
    recorder = train_and_record(config, tmp_path / "run", resume=True)
    assert [row["epoch"] for row in recorder.rows] == [3]
    assert checkpoint_file.read(tmp_path / "run" / "last.pt")["loop"]["best_epoch"] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": {"epochs": 3}}, "train.epochs was 2 and is 3"),
        ({"train": {"epochs": 1}}, "train.epochs was 2 and is 1"),
        ({"train": {"batch_size": 21}}, "train.batch_size was 20 and is 21"),
        ({"seed": 4}, "seed was 0 and is 4"),
        ({"balancer": {"name": "amnl"}}, "balancer.name was fixed and is amnl"),
        ({"data": {"window": 6}}, "data.window was 5 and is 6"),
    ],
)
def test_a_changed_key_of_an_unfinished_run_is_refused_by_key(
    half_run, eight_engine_dir, change, message
):
    before = file_bytes(half_run)
    with pytest.raises(UsageError) as caught:
        train(tiny_config(eight_engine_dir, **change), half_run, device="cpu", resume=True)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
    assert file_bytes(half_run) == before


def test_other_data_are_refused_and_moved_data_accepted(half_run, eight_engine_dir, tmp_path):
    before = file_bytes(half_run)
    other = tmp_path / "other"
    shutil.copytree(eight_engine_dir, other)
    text = (other / "train_FD001.txt").read_text()
    (other / "train_FD001.txt").write_text(text.replace(" 100.0 ", " 100.1 ", 1))
    with pytest.raises(UsageError, match=r"data: train_FD001\.txt had SHA-256 .* and has"):
        train(tiny_config(other), half_run, device="cpu", resume=True)
    assert file_bytes(half_run) == before
    (other / "train_FD001.txt").write_text(text.replace("\n", "\r\n"), newline="")
    train(tiny_config(other), half_run, device="cpu", resume=True)
    assert checkpoint_file.read(half_run / "last.pt")["host"]["data_dir"] == str(other)
    assert load(RunConfig, half_run / "config.yaml").data.dir == str(other)


def test_another_thread_count_is_a_warning(half_run, eight_engine_dir):
    recorder = train_and_record(
        tiny_config(eight_engine_dir, train={"threads": 2}), half_run, resume=True
    )
    assert any("warning: the number of threads was 1 and is 2" in note for note in recorder.notes)
    assert len(recorder.rows) == 1


def test_another_torch_and_device_are_warnings(half_run, eight_engine_dir):
    content = checkpoint_file.read(half_run / "last.pt")
    content["versions"]["torch"] = "2.6.0"
    content["host"]["device"] = "cuda"
    checkpoint_file.write(half_run / "last.pt", content)
    notes = train_and_record(tiny_config(eight_engine_dir), half_run, resume=True).notes
    assert any("warning: the torch was 2.6.0 and is" in note for note in notes)
    assert any("warning: the device was cuda and is cpu" in note for note in notes)


def test_a_run_without_a_checkpoint_starts_again_in_its_folder(
    finished_run, eight_engine_dir, tmp_path
):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("config.yaml", "train.log", "best.pt"):
        shutil.copy(finished_run / name, folder)
    (folder / ".last.pt.999999999.part").write_bytes(b"half of it")
    train(tiny_config(eight_engine_dir), folder, device="cpu", resume=True)
    assert_same_run(finished_run, folder)
    assert not list(folder.glob(".*"))


def test_a_missing_folder_is_created(finished_run, eight_engine_dir, tmp_path):
    train(tiny_config(eight_engine_dir), tmp_path / "new", device="cpu", resume=True)
    assert_same_run(finished_run, tmp_path / "new")


@pytest.mark.parametrize("name", ["thesis.tex", "metrics.csv", "evaluation.json"])
def test_a_folder_with_other_files_is_refused(eight_engine_dir, tmp_path, name):
    (tmp_path / name).write_text("mine")
    (tmp_path / "best.pt").write_text("mine")
    with pytest.raises(UsageError, match=f"no last.pt to resume from, but has {name}"):
        train(tiny_config(eight_engine_dir), tmp_path, device="cpu", resume=True)
    assert {path.read_text() for path in tmp_path.iterdir()} == {"mine"}


@pytest.mark.parametrize("part", ["optimiser", "balancer", "rng", "schedule"])
def test_a_last_checkpoint_without_a_part_is_one_line(half_run, eight_engine_dir, part):
    content = checkpoint_file.read(half_run / "last.pt")
    del content[part]
    checkpoint_file.write(half_run / "last.pt", content)
    with pytest.raises(CheckpointError, match="a part is missing") as caught:
        train(tiny_config(eight_engine_dir), half_run, device="cpu", resume=True)
    assert "\n" not in str(caught.value)


def test_a_damaged_last_checkpoint_is_one_line(half_run, eight_engine_dir):
    (half_run / "last.pt").write_bytes((half_run / "last.pt").read_bytes()[:-5])
    with pytest.raises(CheckpointError, match="or its end is missing"):
        train(tiny_config(eight_engine_dir), half_run, device="cpu", resume=True)


def test_a_killed_process_loses_at_most_the_running_epoch(eight_engine_dir, tmp_path, finished_run):
    """Killed between best.pt and last.pt: the epoch is repeated with the same result."""

    class KilledError(Exception):
        pass

    folder, saved = tmp_path / "run", []
    save = Loop.save

    def killed(self, path, **named):
        saved.append(path.name)
        if saved == ["best.pt", "last.pt", "best.pt", "last.pt"]:
            raise KilledError
        save(self, path, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "save", killed)
        with pytest.raises(KilledError):
            train(tiny_config(eight_engine_dir), folder, device="cpu")
    train(tiny_config(eight_engine_dir), folder, device="cpu", resume=True)
    assert_same_run(finished_run, folder)
