"""Damaged files of a run: reported by name and restored from intact ones."""

import os
import shutil

import pytest

from cmapss_rul.system.errors import CheckpointError
from cmapss_rul.system.files import link_or_copy
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.loop import Loop
from cmapss_rul.training.reporters import ADDED_COLUMNS
from cmapss_rul.training.runs import RunFolder, folder_to_resume
from cmapss_rul.training.train import train
from tests.torture.runs import broken
from tests.training.inputs import (
    assert_same_run,
    file_bytes,
    metric_rows,
    tiny_config,
    train_and_record,
    train_interrupted,
)


@pytest.fixture(scope="module")
def uninterrupted(eight_engine_dir, tmp_path_factory):
    """An uninterrupted run of four epochs; read only."""
    folder = tmp_path_factory.mktemp("straight") / "run"
    train(config(eight_engine_dir), folder, device="cpu")
    return folder


def config(folder):
    return tiny_config(folder, train={"epochs": 4})


@pytest.fixture
def stopped(eight_engine_dir, tmp_path):
    """The same run, stopped after its second epoch."""
    train_interrupted(config(eight_engine_dir), tmp_path / "run", epoch=2)
    return RunFolder(tmp_path / "run")


def spoil(path):
    """Change a byte; hard links to the file stay intact."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    path.write_bytes(data)


def test_the_previous_checkpoint_is_the_epoch_before(stopped):
    assert checkpoint_file.read(stopped.last)["loop"]["epoch"] == 2
    assert checkpoint_file.read(stopped.previous)["loop"]["epoch"] == 1
    assert stopped.last.stat().st_nlink == 1


@pytest.mark.parametrize("damage", [spoil, lambda path: path.write_bytes(b""), os.unlink])
def test_a_damaged_last_checkpoint_is_named_and_the_previous_one_is_resumed(
    stopped, uninterrupted, eight_engine_dir, damage
):
    damage(stopped.last)
    recorder = train_and_record(config(eight_engine_dir), stopped.path, resume=True)
    notes = [text for text in recorder.notes if "last.pt" in text]
    assert len(notes) == 1
    assert notes[0].startswith(str(stopped.last))
    assert notes[0].endswith("resuming from previous.pt, the checkpoint before it")
    assert [row["epoch"] for row in recorder.rows] == [2, 3, 4]
    assert_same_run(uninterrupted, stopped.path)
    assert notes[0] in stopped.log.read_text()


def test_metrics_never_have_an_epoch_that_the_checkpoint_lacks(
    stopped, eight_engine_dir, monkeypatch
):
    """Checkpoint and metrics agree even if the process is killed right after the repair."""
    spoil(stopped.last)

    class KilledError(Exception):
        pass

    def killed(*_):
        raise KilledError

    monkeypatch.setattr(Loop, "fit", killed)
    with pytest.raises(KilledError):
        train(config(eight_engine_dir), stopped.path, device="cpu", resume=True)
    assert checkpoint_file.read(stopped.last)["loop"]["epoch"] == 1
    assert [row["epoch"] for row in metric_rows(stopped.metrics)] == ["1"]


def test_a_damaged_checkpoint_never_replaces_the_intact_one(
    stopped, uninterrupted, eight_engine_dir
):
    spoil(stopped.last)
    train_interrupted(config(eight_engine_dir), stopped.path, resume=True, step=1)
    assert checkpoint_file.read(stopped.previous)["loop"]["epoch"] == 1
    assert checkpoint_file.read(stopped.last)["loop"]["batch"] == 1
    train(config(eight_engine_dir), stopped.path, device="cpu", resume=True)
    assert_same_run(uninterrupted, stopped.path)


def test_a_damaged_previous_checkpoint_is_ignored(stopped, uninterrupted, eight_engine_dir):
    spoil(stopped.previous)
    recorder = train_and_record(config(eight_engine_dir), stopped.path, resume=True)
    assert not any("previous" in text for text in recorder.notes)
    assert_same_run(uninterrupted, stopped.path)


def test_if_both_are_damaged_the_last_one_is_named_and_nothing_is_changed(
    stopped, eight_engine_dir
):
    spoil(stopped.last)
    spoil(stopped.previous)
    before = file_bytes(stopped.path)
    with pytest.raises(CheckpointError, match=r"last\.pt: the file is damaged"):
        train(config(eight_engine_dir), stopped.path, device="cpu", resume=True)
    assert file_bytes(stopped.path) == before


def test_a_run_whose_last_checkpoint_is_damaged_is_still_found(stopped):
    spoil(stopped.last)
    run = stopped.path.rename(stopped.path.with_name("a-s0"))
    assert folder_to_resume("a", 0, run.parent).path == run
    content, problem = RunFolder(run).newest()
    assert content.loop.epoch == 1
    assert "damaged" in problem


def test_missing_rows_are_written_once(stopped, uninterrupted, eight_engine_dir):
    rows = stopped.metrics.read_text().splitlines(keepends=True)
    for text in ("", rows[0], "".join(rows[:2]), "".join([*rows, rows[-1]]), "nonsense"):
        stopped.metrics.write_text(text)
        train_interrupted(config(eight_engine_dir), stopped.path, resume=True, step=1)
        assert stopped.metrics.read_text().startswith("".join(rows))
        assert broken(stopped.path) == []
    train(config(eight_engine_dir), stopped.path, device="cpu", resume=True)
    assert_same_run(uninterrupted, stopped.path)


def test_a_damaged_best_checkpoint_is_restored_if_its_epoch_is_available(
    eight_engine_dir, tmp_path, monkeypatch
):
    monkeypatch.setattr(Loop, "evaluate", lambda self, _: figures(10 - self.state.epoch))
    train(config(eight_engine_dir), tmp_path / "straight", device="cpu")
    train_interrupted(config(eight_engine_dir), tmp_path / "run", epoch=2)
    run = RunFolder(tmp_path / "run")
    best = checkpoint_file.read(run.best)
    spoil(run.best)
    train_interrupted(config(eight_engine_dir), run.path, resume=True, step=1)
    again = checkpoint_file.read(run.best)
    assert again["loop"] == best["loop"]
    assert "best.pt: the file is damaged" in run.log.read_text()
    assert "it was restored" in run.log.read_text()
    train(config(eight_engine_dir), run.path, device="cpu", resume=True)
    assert_same_run(tmp_path / "straight", run.path)


@pytest.mark.parametrize("text", [None, "", "epoch\n"])
def test_the_last_row_of_a_killed_finished_run_is_written(
    uninterrupted, eight_engine_dir, tmp_path, text
):
    """Found by the kill campaign: nothing is left to train, but files have to be repaired."""
    run = RunFolder(shutil.copytree(uninterrupted, tmp_path / "run"))
    before = file_bytes(run.path)
    run.metrics.unlink()
    if text is not None:
        run.metrics.write_text(text)
    (run.path / ".metrics.csv.999999999.part").write_text("half")
    assert (
        "nothing to do"
        in train_and_record(config(eight_engine_dir), run.path, resume=True).notes[0]
    )
    assert file_bytes(run.path) == before


def test_a_damaged_best_checkpoint_of_an_earlier_epoch_is_reported(
    eight_engine_dir, tmp_path, monkeypatch
):
    monkeypatch.setattr(Loop, "evaluate", lambda self, _: figures(10 + self.state.epoch))
    train_interrupted(config(eight_engine_dir), tmp_path / "run", epoch=2)
    spoil(tmp_path / "run" / "best.pt")
    with pytest.raises(CheckpointError, match="resuming cannot restore epoch 1") as caught:
        train(config(eight_engine_dir), tmp_path / "run", device="cpu", resume=True)
    assert "\n" not in str(caught.value)


def figures(rmse):
    return {
        **dict.fromkeys(ADDED_COLUMNS, 0.0),
        "val_rmse": float(rmse),
        "val_nasa": 0.0,
        "val_health_accuracy": 0.0,
    }


def test_without_hard_links_the_file_is_copied(tmp_path, monkeypatch):
    """As on file systems without hard links."""

    def no_links(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    (tmp_path / "a").write_text("new")
    (tmp_path / "b").write_text("old")
    link_or_copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "new"
    assert (tmp_path / "a").stat().st_nlink == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_an_existing_hard_link_leaves_no_partial_file(tmp_path):
    """A rename between two names of one file does nothing, and leaves both."""
    (tmp_path / "a").write_text("new")
    for _ in range(2):
        link_or_copy(tmp_path / "a", tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    assert (tmp_path / "a").samefile(tmp_path / "b")
