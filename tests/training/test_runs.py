import pytest

from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.checkpoint import Checkpoint
from cmapss_rul.training.runs import (
    RunFolder,
    folder_to_resume,
    next_folder,
    numbered_folders,
)
from tests.training.inputs import checkpoint_content
from tests.training.inputs import metric_rows as rows_in


def content(epoch=1, epochs=3, *, stale=0, patience=None, batch=0):
    config = {"train": {"epochs": epochs, "patience": patience}}
    return checkpoint_content(config=config, epoch=epoch, stale=stale, batch=batch)


def run(root, name, **keys):
    folder = root / name
    folder.mkdir(parents=True)
    if keys:
        checkpoint_file.write(folder / "last.pt", content(**keys))
    return folder


def test_the_files_of_a_run(tmp_path):
    folder = RunFolder(tmp_path / "a")
    paths = (folder.config, folder.metrics, folder.log, folder.best, folder.last)
    assert [path.name for path in paths] == [
        "config.yaml", "metrics.csv", "train.log", "best.pt", "last.pt",
    ]  # fmt: skip
    assert {path.parent for path in paths} == {tmp_path / "a"}
    assert str(RunFolder(tmp_path / "a\nb")).endswith(r"a\nb")


def test_folders_are_numbered_from_2_on(tmp_path):
    root = tmp_path / "runs"
    assert numbered_folders("fd001", 0, root) == []
    for name in ("fd001-s0", "fd001-s0-2", "fd001-s0-3"):
        assert next_folder("fd001", 0, root).path.name == name
        run(root, name)
    assert next_folder("fd001", 1, root).path.name == "fd001-s1"
    assert [found.path.name for found in numbered_folders("fd001", 0, root)] == [
        "fd001-s0", "fd001-s0-2", "fd001-s0-3",
    ]  # fmt: skip


def test_numbers_are_ordered_numerically_and_gaps_are_not_filled(tmp_path):
    for name in ("a-s1-9", "a-s1-10", "a-s1"):
        run(tmp_path, name)
    assert [found.path.name for found in numbered_folders("a", 1, tmp_path)][-1] == "a-s1-10"
    assert next_folder("a", 1, tmp_path).path.name == "a-s1-11"


def test_other_names_seeds_and_files_are_ignored(tmp_path):
    for name in ("a-s10", "ba-s1", "a-s1-x", "a-s1-2-3", "a.b-s1", "a+b-s1"):
        run(tmp_path, name)
    (tmp_path / "a-s1").write_text("a file")
    assert numbered_folders("a", 1, tmp_path) == []
    assert numbered_folders("a.", 1, tmp_path) == []
    assert [found.path.name for found in numbered_folders("a+b", 1, tmp_path)] == ["a+b-s1"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"epoch": 2}, False),
        ({"epoch": 3}, True),
        ({"epoch": 4}, True),
        ({"epoch": 2, "stale": 2, "patience": 2}, True),
        ({"epoch": 2, "stale": 1, "patience": 2}, False),
        ({"epoch": 2, "stale": 5, "patience": None}, False),
    ],
)
def test_a_run_is_finished_at_the_last_epoch_or_by_early_stopping(tmp_path, keys, expected):
    found = Checkpoint.from_content(content(**keys), tmp_path / "last.pt")
    assert found.is_finished() is expected


def test_the_newest_unfinished_run_is_taken(tmp_path):
    assert folder_to_resume("a", 0, tmp_path) is None
    run(tmp_path, "a-s0", epoch=1)
    run(tmp_path, "a-s0-2", epoch=2)
    run(tmp_path, "a-s0-3", epoch=3)
    run(tmp_path, "a-s1", epoch=1)
    assert folder_to_resume("a", 0, tmp_path).path.name == "a-s0-2"


def test_if_all_are_finished_the_newest_is_taken(tmp_path):
    for name in ("a-s0", "a-s0-2"):
        run(tmp_path, name, epoch=3)
    assert folder_to_resume("a", 0, tmp_path).path.name == "a-s0-2"


def test_a_run_without_its_first_checkpoint_is_unfinished(tmp_path):
    run(tmp_path, "a-s0", epoch=3)
    run(tmp_path, "a-s0-2")
    assert folder_to_resume("a", 0, tmp_path).path.name == "a-s0-2"


def test_a_run_that_lost_its_last_checkpoint_is_skipped(tmp_path):
    run(tmp_path, "a-s0", epoch=1)
    (run(tmp_path, "a-s0-2") / "metrics.csv").write_text("epoch\n")
    assert folder_to_resume("a", 0, tmp_path).path.name == "a-s0"


def test_rows_equal_metrics_csv(run_copy):
    found = RunFolder(run_copy).newest()[0].rows
    rows = [{k: str(v) for k, v in row.items()} for row in found]
    assert [dict(list(row.items())[:-2]) for row in rows] == rows_in(run_copy / "metrics.csv")


@pytest.mark.parametrize("before", [None, b"epoch\n1\n"])
def test_a_finished_run_is_repaired(run_copy, before):
    metrics = run_copy / "metrics.csv"
    whole = metrics.read_bytes()
    metrics.unlink()
    if before is not None:
        metrics.write_bytes(before)
    (run_copy / ".last.pt.999999999.part").write_bytes(b"half")
    RunFolder(run_copy).repair(RunFolder(run_copy).newest()[0])
    assert metrics.read_bytes() == whole
    assert not list(run_copy.glob(".*.part"))
