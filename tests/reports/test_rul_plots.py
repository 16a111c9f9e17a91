"""Plots of predicted against true RUL show the predictions."""

import dataclasses

import numpy as np
import pytest

from cmapss_rul.metrics.regression import rmse
from cmapss_rul.reports import rul_plots
from cmapss_rul.reports.rul_plots import LastWindows
from tests.reports.inputs import texts


@pytest.fixture(scope="module")
def last() -> LastWindows:
    return LastWindows(
        engine=np.array([7, 8, 9]),
        raw=np.array([140, 20, 60]),
        true=np.array([125, 20, 60]),
        predicted=np.array([120.0, 35.0, 50.0]),
        bounds=(np.array([100.0, 10, 30]), np.array([125.0, 50, 70])),
        cap=125,
    )


def without(last: LastWindows) -> LastWindows:
    return dataclasses.replace(last, bounds=None)


def line(axes, label):
    return next(line for line in axes.lines if line.get_label() == label)


def test_last_windows_are_those_of_the_evaluation(known):
    found = LastWindows.of(known)
    assert found.predicted.tolist() == known.predictions.at(known.last).rul.tolist()
    assert found.error.tolist() == (found.predicted - found.true).tolist()
    assert found.bounds[0].tolist() == known.bounds[0][known.last].tolist()
    assert LastWindows.of(dataclasses.replace(known, bounds=None)).bounds is None


def test_against_true(last):
    (axes,) = rul_plots.plot_against_true(last).axes
    points = line(axes, "predicted, an engine each")
    assert points.get_xdata().tolist() == [140, 20, 60]
    assert points.get_ydata().tolist() == [120, 35, 50]
    assert list(line(axes, "perfect").get_ydata()) == [0, 125, 125]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("true RUL, cycles", "predicted RUL, cycles")


def test_sorted_by_true(last):
    (axes,) = rul_plots.plot_sorted(last).axes
    assert line(axes, "true, capped").get_ydata().tolist() == [20, 60, 125]
    assert line(axes, "true, above the cap").get_ydata().tolist() == [20, 60, 140]
    assert line(axes, "predicted").get_ydata().tolist() == [35, 50, 120]
    (bars,) = axes.collections
    assert [list(bar[:, 1]) for bar in bars.get_segments()] == [[10, 50], [30, 70], [100, 125]]
    below = dataclasses.replace(last, raw=last.true)
    assert "true, above the cap" not in texts(rul_plots.plot_sorted(below))


def test_by_engine(last):
    (axes,) = rul_plots.plot_engines(last).axes
    assert line(axes, "true, capped").get_ydata().tolist() == [125, 20, 60]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["7", "8", "9"]


def test_many_engines_have_several_rows():
    rng = np.random.default_rng(0)
    true = rng.integers(5, 126, 250)
    many = LastWindows(np.arange(250), true, true, true + 1.0, None, 125)
    figure = rul_plots.plot_engines(many)
    assert [len(axes.lines[0].get_xdata()) for axes in figure.axes] == [84, 83, 83]
    assert figure.axes[2].get_xticklabels()[-1].get_text() == "249"


@pytest.mark.parametrize(
    "picture", [rul_plots.plot_against_true, rul_plots.plot_sorted, rul_plots.plot_engines]
)
def test_intervals_are_drawn_if_available(last, picture):
    assert "interval" in texts(picture(last))
    assert "interval" not in texts(picture(without(last)))


def test_engines_are_ranked_by_their_whole_record(known):
    order, scores = rul_plots.rank_engines(known)
    assert scores.tolist() == sorted(scores)
    raw = known.truth.raw[known.last]
    assert sorted(order) == np.flatnonzero(raw < 125).tolist()
    first = known.predictions.engine == known.predictions.engine[known.last[order[0]]]
    expected = rmse(known.predictions.rul[first], known.truth.capped[first])
    assert scores[0] == pytest.approx(expected)


@pytest.mark.parametrize("count", range(1, 12))
def test_chosen_engines_are_balanced_over_the_ranks(count):
    kinds = rul_plots.select_ranks([True] * count)
    assert len({len(ranks) for ranks in kinds.values()}) == 1
    assert all(0 <= rank < count for ranks in kinds.values() for rank in ranks)
    assert kinds["best"][0] == 0
    if count > 1:
        assert kinds["worst"][-1] == count - 1
    if count >= 3:
        assert set(kinds) == {"best", "median", "worst"}
        assert not set(kinds["best"]) & set(kinds["worst"])


def test_the_best_engines_reach_a_low_rul():
    low = [False, True, False, True, True, False] + [False] * 6
    assert rul_plots.select_ranks(low)["best"] == [
        0,
        1,
        2,
    ]  # the median is 4 to 6: two are not enough
    low[2] = True
    assert rul_plots.select_ranks(low) == {
        "best": [1, 2, 3],
        "median": [4, 5, 6],
        "worst": [9, 10, 11],
    }


def test_low_is_half_the_cap(known):
    order, _ = rul_plots.rank_engines(known)
    raw = known.truth.raw[known.last[order]]
    assert rul_plots.trajectory_ranks(known, order) == rul_plots.select_ranks(
        [end <= 62.5 for end in raw]
    )


def test_trajectories(known):
    figure = rul_plots.plot_trajectories(known)
    order, scores = rul_plots.rank_engines(known)
    assert len(figure.axes) == 9
    axes = figure.axes[0]
    best = rul_plots.trajectory_ranks(known, order)["best"][0]
    engine = known.predictions.engine[known.last[order[best]]]
    assert axes.get_title() == f"best: engine {engine}, RMSE {scores[best]:.1f}"
    rows = known.predictions.engine == engine
    assert line(axes, "predicted").get_ydata().tolist() == known.predictions.rul[rows].tolist()
    assert line(axes, "true, capped").get_ydata().tolist() == known.truth.capped[rows].tolist()
    assert "interval" in texts(figure)
    assert figure.axes[8].get_title().startswith("worst: ")
    assert figure.axes[8].get_xlabel() == "cycle"
    assert figure.axes[0].get_ylabel() == "RUL, cycles"
