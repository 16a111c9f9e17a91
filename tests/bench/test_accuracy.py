"""Time to the target accuracy, by hand; and both loops on a few engines."""

import dataclasses
import itertools
import time

import numpy as np
import pytest

from cmapss_rul.bench.accuracy import (
    compare_times,
    measure_accuracy,
    measure_splits,
    prepare_ours,
    prepare_reference,
    time_to_target,
)
from cmapss_rul.bench.reference_loop import Epoch
from cmapss_rul.bench.table import splits_table
from cmapss_rul.training.checkpoint_file import read
from cmapss_rul.training.runs import RunFolder
from tests.bench.results import result

RUN = [Epoch(2.0, 20.0), Epoch(3.0, 12.0), Epoch(4.0, 10.0), Epoch(5.0, 11.0)]


@pytest.mark.parametrize(
    ("target", "seconds", "epochs", "reached"),
    [(25.0, 2.0, 1, True), (12.0, 5.0, 2, True), (11.5, 9.0, 3, True), (9.9, 14.0, 4, False)],
)
def test_the_first_epoch_at_the_target_counts(target, seconds, epochs, reached):
    assert time_to_target(RUN, target) == (seconds, epochs, reached, 10.0)


def test_the_target_is_two_percent_above_the_usual_loops_best():
    """Best 10, so 10.2: the reference loop is there at its best epoch, ours at 10.2 exactly."""
    theirs, ours = compare_times(RUN, [Epoch(1.0, 10.21), Epoch(1.0, 10.2)])
    assert (theirs.seconds, theirs.epochs, theirs.reached) == (9.0, 3, True)
    assert (ours.seconds, ours.epochs, ours.reached) == (2.0, 2, True)


def test_a_run_that_misses_the_target_counts_with_its_total_time():
    _, ours = compare_times(RUN, [Epoch(1.0, 13.0), Epoch(1.5, 12.0)])
    assert ours == (2.5, 2, False, 12.0)


@pytest.mark.usefixtures("in_process")
def test_both_loops_run_on_the_same_split(options):
    found = measure_accuracy(options)
    first, second = found["accuracy.seeds"]
    assert (first["seed"], second["seed"]) == (0, 1)
    for run in (first, second):
        assert run["usual_loop"]["reached"] is True  # it is within 2 % of its own best
        assert run["usual_loop"]["epochs"] <= 2
    ratios = [run["usual_loop"]["seconds"] / run["ours"]["seconds"] for run in (first, second)]
    figure = found["accuracy.ratio_to_usual_loop"]
    assert figure.median == pytest.approx(sum(ratios) / 2)
    assert figure.spread == pytest.approx(abs(ratios[0] - ratios[1]) / 2)
    splits = [read(options.folder / f"accuracy-{number}" / "last.pt")["split"] for number in (0, 1)]
    assert splits[0] == splits[1]


@pytest.mark.usefixtures("in_process")
def test_every_seed_runs_as_often_as_asked_for(options, monkeypatch):
    """The steps of the clock grow, so that the second run of a seed takes longer than the first."""
    ticks = itertools.count()
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(ticks) ** 2))
    sizes = dataclasses.replace(options.sizes, seeds=(4,), repeats=2)
    first, second = measure_accuracy(dataclasses.replace(options, sizes=sizes))["accuracy.seeds"]
    assert first["seed"] == second["seed"] == 4
    for side in ("usual_loop", "ours"):
        assert first[side]["best"] == second[side]["best"]
        assert 0 < first[side]["seconds"] < second[side]["seconds"]
    assert RunFolder(options.folder / "accuracy-0").resumable
    assert RunFolder(options.folder / "accuracy-1").resumable


def test_our_epochs_are_those_of_the_run(options):
    folder = options.folder / "run"
    epochs = prepare_ours(options.fd001, folder, "cpu")()
    rows = RunFolder(folder).newest()[0].rows
    assert epochs == [(row["seconds"], row["val_rmse"]) for row in rows]


def test_the_usual_loop_takes_no_auxiliary_fleet(options):
    """FD002 does not even exist."""
    data = options.fd001.data.model_copy(update={"auxiliary": ("FD002",)})
    config = options.fd001.model_copy(update={"data": data})
    assert len(prepare_reference(config, 1, "cpu")()) == 1


@pytest.mark.usefixtures("in_process")
def test_several_splits_and_seeds(options):
    """Each split trains on other engines, both loops on the same ones."""
    lines = []
    found = measure_splits(options, splits=2, report=lines.append)
    runs = found["accuracy.runs"]
    assert [(run["split"], run["seed"]) for run in runs] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len(lines) == 4
    ratios = [run["usual_loop"]["seconds"] / run["ours"]["seconds"] for run in runs]
    assert [run["ratio"] for run in runs] == ratios
    low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    assert found["accuracy.ratio_to_usual_loop"] == (middle, high - low)
    assert found["accuracy.quartiles"] == [low, high]
    assert found["accuracy.never"] == {
        "usual_loop": 0, "ours": sum(not run["ours"]["reached"] for run in runs),
    }  # fmt: skip
    engines = [
        read(options.folder / f"accuracy-{split}-0" / "last.pt")["split"]["validation"]
        for split in (0, 1)
    ]
    assert engines[0] != engines[1]


def test_the_table_of_splits():
    def run(split, seed, ratio, reached):
        side = {"seconds": 1.0, "epochs": 1, "best": 9.0}
        theirs, ours = {**side, "reached": True}, {**side, "reached": reached}
        return {"split": split, "seed": seed, "ratio": ratio, "usual_loop": theirs, "ours": ours}

    runs = [run(0, 0, 4.0, True), run(0, 1, 3.5, True), run(1, 0, 3.0, True), run(1, 1, 0.5, False)]
    plain = result(accuracy={
        "ratio_to_usual_loop": 3.25, "quartiles": [2.375, 3.625], "splits": 2, "runs": runs,
        "never": {"usual_loop": 0, "ours": 1},
    })  # fmt: skip
    table = splits_table(plain)
    assert table.rows == [["split 0", "4.00", "3.50"], ["split 1", "3.00", "0.50 *"]]
    assert "median 3.25, quartiles 2.38 to 3.62 over 4 runs" in table.notes[0]
    assert table.notes[0].endswith("that never reach it: met).")
    assert "ours 1 of 4, the reference loop 0 of 4" in table.notes[1]
    plain["accuracy"]["never"]["ours"] = 2
    assert "NOT met" in splits_table(plain).notes[0]
