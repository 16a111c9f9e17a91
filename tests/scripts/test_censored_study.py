"""The study of the value of censored records, without its runs."""

import numpy as np
import pytest

from scripts import censored_study
from scripts.censored_study import (
    Cell,
    censored_table,
    configuration,
    summarise_study,
    training_rows,
)


def test_the_three_ways_see_the_same_fleet(tmp_path):
    rows = {way: training_rows(Cell(0.6, way, 1)) for way in censored_study.WAYS}
    assert np.array_equal(rows["one-sided"], rows["as failures"])
    failed = rows["one-sided"][rows["one-sided"][:, -1] == 1]
    assert np.array_equal(rows["left out"], failed)
    assert len(np.unique(failed[:, 0])) == 40
    configs = [configuration(Cell(0.6, way, 1), tmp_path / "f.csv", 8000) for way in rows]
    assert [config.data.event for config in configs] == ["failed", None, None]
    assert {config.train.window_share for config in configs} == {0.5}
    tested = censored_study.test_fleet()
    assert len(tested.starts) == 100


def test_differences_are_those_of_seeds_with_every_way():
    errors = {Cell(0.6, way, 0): [4.0, 4.0] for way in censored_study.WAYS}
    errors[Cell(0.6, "left out", 0)] = [9.0, 9.0]
    errors[Cell(0.6, "one-sided", 1)] = [1.0, 1.0]
    errors[Cell(0.6, "left out", 1)] = [1.0, 1.0]  # the third way is missing
    found = summarise_study(errors)
    (entry,) = found["shares"]
    assert (entry["share"], entry["seeds"]) == (0.6, [0])
    assert entry["rmse"] == {"one-sided": [2.0], "left out": [3.0], "as failures": [2.0]}
    assert entry["difference"]["left out"] == {
        "mean": -1.0, "interval": (-1.0, -1.0), "seeds_better": 1
    }  # fmt: skip
    text = censored_table(found)
    assert "-1.00 (-1.00 to -1.00), 1 of 1 seeds" in text
    assert "+0.00 (+0.00 to +0.00), 0 of 1 seeds" in text


def test_intervals_are_paired_by_engine():
    """Engines differ by far more than the ways do, and their difference is the same for all."""
    squares = np.square(np.arange(1.0, 101.0))
    errors = {Cell(0.3, way, 0): squares.tolist() for way in censored_study.WAYS}
    errors[Cell(0.3, "as failures", 0)] = (squares * 1.21).tolist()
    (entry,) = summarise_study(errors)["shares"]
    low, high = entry["difference"]["as failures"]["interval"]
    rmse = np.sqrt(squares.mean())
    assert entry["difference"]["as failures"]["mean"] == pytest.approx(-0.1 * rmse)
    assert -0.12 * rmse < low < -0.1 * rmse < high < -0.08 * rmse
