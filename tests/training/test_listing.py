"""Listing of run folders in every possible state; none stops the list."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cmapss_rul.data.split import LEAK
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.listing import ListedRun, describe_run, list_runs
from cmapss_rul.training.runs import RunFolder
from tests.training.inputs import checkpoint_content

CONFIG = {
    "seed": 3,
    "data": {"subset": "FD002"},
    "balancer": {"name": "amnl"},
    "split": {"by": "engines"},
    "train": {"epochs": 4, "patience": None},
}


def content(*, epoch=4, batch=0, best_epoch=2, best_rmse=11.5, config=CONFIG, data=None):
    loop = {"epoch": epoch, "batch": batch, "best_epoch": best_epoch}
    make_run = checkpoint_content(config=config, data=data, **loop)
    for row in make_run["loop"]["history"]:
        row["val_rmse"] = best_rmse
    return make_run


@pytest.fixture
def make_run(tmp_path):
    """A function that creates a run folder and returns it."""

    def make(name="mine-s3", *, best=True, **options):
        run = RunFolder(tmp_path / "runs" / name)
        run.path.mkdir(parents=True)
        checkpoint_file.write(run.last, content(**options))
        if best:
            checkpoint_file.write(run.best, content(**options))
        run.metrics.write_text("epoch\n1\n")
        os.utime(run.last, (1_000_000_000, 1_000_000_000))
        return run

    return make


def write_evaluation(run, rmse=12.25, epoch=2):
    metrics = {"last": {"capped": {"rmse": rmse}}}
    text = json.dumps({"protocol": {"epoch": epoch}, "metrics": metrics})
    (run.path / "evaluation.json").write_text(text)


def test_a_finished_run(make_run):
    run = make_run()
    write_evaluation(run)
    assert describe_run(run) == ListedRun(
        name="mine-s3",
        state="finished",
        subset="FD002",
        balancer="amnl",
        seed=3,
        weight_rul=1.0,
        weight_health=1.0,
        val_rmse=11.5,
        test_rmse=12.25,
        when=datetime(2001, 9, 9, 1, 46, 40, tzinfo=UTC),
        note="",
    )


@pytest.mark.parametrize(
    ("options", "state"),
    [({"epoch": 3}, "unfinished"), ({"epoch": 3, "batch": 7}, "interrupted"), ({}, "finished")],
)
def test_states_of_an_intact_run(make_run, options, state):
    assert describe_run(make_run(**options)).state == state


def test_a_run_interrupted_in_its_first_epoch_has_no_metric(make_run):
    found = describe_run(
        make_run(epoch=0, batch=2, best_epoch=0, best_rmse=float("inf"), best=False)
    )
    assert (found.state, found.val_rmse, found.note) == ("interrupted", None, "")


def test_a_run_before_its_first_checkpoint(make_run):
    run = make_run()
    for path in (run.best, run.last):
        path.unlink()
    run.config.write_text("seed: 8\ndata: {subset: FD004}\n")
    assert describe_run(run) == ListedRun("mine-s3", "no checkpoint", subset="FD004", seed=8)
    run.config.write_text("seed: [")
    assert describe_run(run) == ListedRun("mine-s3", "no checkpoint")


def test_a_run_killed_between_its_first_two_checkpoints(make_run):
    run = make_run()
    run.last.unlink()
    run.metrics.unlink()
    found = describe_run(run)
    assert (found.state, found.subset, found.val_rmse) == ("unfinished", "FD002", None)


@pytest.mark.parametrize("name", ["best.pt", "last.pt"])
@pytest.mark.parametrize(
    ("spoil", "note"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "not a checkpoint of cmapss_rul"),
        (lambda path: path.write_bytes(b""), "not a checkpoint of cmapss_rul"),
        (lambda path: path.write_bytes(b"x" + path.read_bytes()[1:]), "the file is damaged"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: (path.unlink(), path.mkdir()), "found no regular file"),
        (lambda path: (path.unlink(), os.mkfifo(path)), "found no regular file"),
        (
            lambda path: checkpoint_file.write(path, {"format_version": 99}),
            "found checkpoint format",
        ),
    ],
)
def test_damaged_runs_have_a_reason_and_the_facts_of_their_configuration(
    make_run, name, spoil, note
):
    run = make_run()
    run.config.write_text("seed: 3\nbalancer: {name: dwa}\n")
    spoil(run.path / name)
    found = describe_run(run)
    assert found.state == "damaged"
    assert note in found.note
    assert name in found.note
    assert str(run) not in found.note  # the list shows the name anyway
    assert found.seed == 3


def test_a_damaged_last_checkpoint_with_an_intact_previous_one(make_run):
    run = make_run(epoch=3)
    checkpoint_file.write(run.previous, content(epoch=2))
    run.last.write_bytes(b"half")
    found = describe_run(run)
    assert (found.state, found.val_rmse, found.seed) == ("damaged", 11.5, 3)
    assert found.note.startswith("last.pt: this is not a checkpoint of cmapss_rul")
    assert found.note.endswith("resuming from previous.pt, the checkpoint before it")


def test_a_checkpoint_without_the_listed_values_is_damaged(make_run):
    run = make_run()
    checkpoint_file.write(run.last, {**content(), "loop": {}})
    assert describe_run(run).state == "damaged"


@pytest.mark.parametrize(
    ("data", "by", "note"),
    [
        ({"simulated": True, "official": False}, "engines", "simulated data"),
        ({"simulated": False, "official": False}, "engines", "not the official files"),
        ({"simulated": False, "official": True}, "windows", LEAK),
        (
            {
                "simulated": False,
                "official": True,
                "auxiliary": [{"simulated": False, "official": False}],
            },
            "engines",
            "not the official files",
        ),
    ],
)
def test_caveats_of_the_metrics(make_run, data, by, note):
    assert describe_run(make_run(data=data, config={**CONFIG, "split": {"by": by}})).note == note


def test_calibration_engines_are_noted(make_run):
    run = make_run()
    checkpoint_file.write(
        run.last,
        checkpoint_content(config=CONFIG, epoch=4, best_epoch=2, split={"calibration": [3, 5]}),
    )
    assert describe_run(run).note == "2 engines calibrate the intervals, so fewer trained"


def test_an_evaluation_of_another_epoch_is_not_used(make_run):
    run = make_run()
    write_evaluation(run, epoch=1)
    found = describe_run(run)
    assert (found.test_rmse, found.note) == (None, "evaluation.json is of epoch 1")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"protocol": {"epoch": 2}}', "\0"])
def test_an_unreadable_evaluation(make_run, text):
    run = make_run()
    (run.path / "evaluation.json").write_text(text)
    found = describe_run(run)
    assert (found.state, found.test_rmse) == ("finished", None)
    assert found.note == "evaluation.json cannot be read"


def test_settings_of_a_wrong_type_are_omitted(make_run):
    invalid = {**CONFIG, "seed": True, "data": {"subset": 7}, "balancer": {"name": "\x1b[1m"}}
    found = describe_run(make_run(config=invalid))
    assert (found.seed, found.subset, found.balancer) == (None, None, "\\x1b[1m")


def test_runs_are_listed_in_natural_order(make_run, tmp_path):
    root = tmp_path / "runs"
    assert list_runs(root) == []
    for name in ("b-s2", "b-s10", "a-s1", "7"):
        make_run(name)
    (root / "notes").mkdir()
    (root / "best.pt").write_text("a file, no folder")
    assert [run.name for run in list_runs(root)] == ["7", "a-s1", "b-s2", "b-s10"]


def test_an_inaccessible_folder_does_not_stop_the_list(make_run, tmp_path, monkeypatch):
    make_run("a")
    make_run("b")

    def refuse(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    monkeypatch.setattr(Path, "is_file", refuse)
    found = list_runs(tmp_path / "runs")
    assert [(run.name, run.state, run.note) for run in found] == [
        ("a", "damaged", "Permission denied"),
        ("b", "damaged", "Permission denied"),
    ]
