"""Time to a good model: who reaches the target when, by hand; and both loops on a few engines."""

import dataclasses

import pytest

from cmapss_rul.bench.accuracy import accuracy, compared, our_run, time_to, usual_run
from cmapss_rul.bench.usual import Epoch
from cmapss_rul.training.checkpoint import read
from cmapss_rul.training.runs import RunFolder, rows_of

RUN = [Epoch(2.0, 20.0), Epoch(3.0, 12.0), Epoch(4.0, 10.0), Epoch(5.0, 11.0)]


@pytest.mark.parametrize(
    ("target", "seconds", "epochs", "reached"),
    [(25.0, 2.0, 1, True), (12.0, 5.0, 2, True), (11.5, 9.0, 3, True), (9.9, 14.0, 4, False)],
)
def test_the_first_epoch_at_the_target_counts(target, seconds, epochs, reached):
    assert time_to(RUN, target) == (seconds, epochs, reached, 10.0)


def test_the_target_is_two_percent_above_the_usual_loops_best():
    """Best 10, so 10.2: the usual loop is there at its best epoch, ours at 10.2 exactly."""
    theirs, ours = compared(RUN, [Epoch(1.0, 10.21), Epoch(1.0, 10.2)])
    assert (theirs.seconds, theirs.epochs, theirs.reached) == (9.0, 3, True)
    assert (ours.seconds, ours.epochs, ours.reached) == (2.0, 2, True)


def test_who_never_gets_there_counts_with_the_whole_time():
    _, ours = compared(RUN, [Epoch(1.0, 13.0), Epoch(1.5, 12.0)])
    assert ours == (2.5, 2, False, 12.0)


@pytest.mark.usefixtures("here")
def test_both_loops_run_on_the_same_split(setting):
    found = accuracy(setting)
    first, second = found["accuracy.seeds"]
    assert (first["seed"], second["seed"]) == (0, 1)
    for run in (first, second):
        assert run["usual_loop"]["reached"] is True  # its own best is within 2 % of itself
        assert run["usual_loop"]["epochs"] <= 2
    ratios = [run["usual_loop"]["seconds"] / run["ours"]["seconds"] for run in (first, second)]
    figure = found["accuracy.ratio_to_usual_loop"]
    assert figure.median == pytest.approx(sum(ratios) / 2)
    assert figure.spread == pytest.approx(abs(ratios[0] - ratios[1]) / 2)
    splits = [read(setting.folder / f"accuracy-{number}" / "last.pt")["split"] for number in (0, 1)]
    assert splits[0] == splits[1]


@pytest.mark.usefixtures("here")
def test_every_seed_runs_as_often_as_asked_for(setting):
    sizes = dataclasses.replace(setting.sizes, seeds=(4,), repeats=2)
    first, second = accuracy(dataclasses.replace(setting, sizes=sizes))["accuracy.seeds"]
    assert first["seed"] == second["seed"] == 4
    for side in ("usual_loop", "ours"):
        assert first[side]["best"] == second[side]["best"]
    # ours are whole milliseconds, which two runs may have in common
    assert first["usual_loop"]["seconds"] != second["usual_loop"]["seconds"]
    assert RunFolder(setting.folder / "accuracy-0").saved
    assert RunFolder(setting.folder / "accuracy-1").saved


def test_our_epochs_are_those_of_the_run(setting):
    folder = setting.folder / "run"
    epochs = our_run(setting.fd001, folder, "cpu")()
    rows = rows_of(read(RunFolder(folder).last))
    assert epochs == [(row["seconds"], row["val_rmse"]) for row in rows]


def test_the_usual_loop_takes_no_auxiliary_fleet(setting):
    """FD002 is not even there."""
    data = setting.fd001.data.model_copy(update={"auxiliary": ("FD002",)})
    config = setting.fd001.model_copy(update={"data": data})
    assert len(usual_run(config, 1, "cpu")()) == 1
