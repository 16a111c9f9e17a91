"""Errors by band, condition and class: every window once, metrics recomputed."""

import dataclasses

import numpy as np
import pytest

from cmapss_rul.reports import breakdown
from tests.reports.inputs import texts


def test_bands_hold_every_window_once(known):
    rows = np.arange(known.fleet.rows)
    groups = breakdown.group_by_rul(known, rows)
    assert sorted(np.concatenate(list(groups.values()))) == rows.tolist()
    assert known.truth.raw[groups["25–49"]].min() >= 25
    assert known.truth.raw[groups["25–49"]].max() <= 49
    assert all(len(inside) for inside in groups.values())


def test_conditions_hold_every_window_once_and_are_named_by_their_settings(model, known):
    groups = breakdown.group_by_condition(model, known)
    assert sorted(np.concatenate(list(groups.values()))) == list(range(known.fleet.rows))
    table = model.preprocessor.conditions.table
    assert list(groups) == [", ".join(f"{key:g}" for key in table[0])]


def test_the_table_has_the_metrics_of_each_group(known):
    rows = {"low": np.array([0, 1]), "high": np.array([5])}
    table = breakdown.group_table(known, {"a": rows, "b": {"low": np.array([2])}}, "band")
    assert table.head == ["band", "a: n", "RMSE", "bias", "b: n", "RMSE", "bias"]
    error = (known.predictions.rul - known.truth.capped)[[0, 1]]
    assert table.rows[0][:4] == [
        "low", "2", f"{np.sqrt(np.mean(error**2)):,.2f}", f"{error.mean():.2f}",
    ]  # fmt: skip
    assert table.rows[1][4:] == ["0", "–", "–"]


def test_groups_are_in_order_if_a_panel_lacks_some(known):
    row = np.array([0])
    panels = {"last": {"a": row, "c": row}, "every": {"a": row, "b": row, "c": row}}
    table = breakdown.group_table(known, panels, "group")
    assert [cells[0] for cells in table.rows] == ["a", "b", "c"]


def test_boxes_state_their_numbers_of_windows(known):
    groups = {"low": np.array([0, 1]), "high": np.arange(1000)}
    figure = breakdown.plot_error_boxes(
        known, {"last": groups, "every": groups}, "true RUL, cycles"
    )
    labels = [[text.get_text() for text in axes.get_yticklabels()] for axes in figure.axes]
    assert labels == [["low  (n = 2)", "high  (n = 1,000)"]] * 2
    assert figure.axes[-1].get_xlabel() == "predicted − true RUL, cycles (right of 0: too late)"
    assert {axes.get_ylabel() for axes in figure.axes} == {"true RUL, cycles"}


def test_confusion_shows_counts_and_shares_of_the_true_class(known):
    matrix = np.array(known.health.last.confusion_matrix)
    labels = texts(breakdown.plot_confusion(known))
    for row in matrix:
        for count in row:
            if row.sum():
                assert f"{count:,}\n{count / row.sum():.0%}" in labels
    assert "degrading\n(51–124)" in labels


@pytest.mark.parametrize("empty", [0, 2])
def test_a_class_that_never_occurs_is_not_divided_by_zero(known, empty):
    matrix = np.ones((3, 3), dtype=int)
    matrix[empty] = 0
    last = dataclasses.replace(known.health.last, confusion_matrix=matrix.tolist())
    health = dataclasses.replace(known.health, last=last)
    assert "0" in texts(breakdown.plot_confusion(dataclasses.replace(known, health=health)))


def test_the_plot_of_coverage(known):
    figure = breakdown.plot_coverage(known.intervals, "cycles")
    levels, bands = figure.axes
    assert list(levels.get_xticks()) == known.intervals.facts.levels
    found = [c.lines[0].get_ydata().tolist() for c in levels.containers]
    assert found[0] == [c.last.capped.coverage for c in known.intervals.coverage]
    assert found[1] == [c.every.capped.coverage for c in known.intervals.coverage]
    names = [label.get_text() for label in bands.get_xticklabels()]
    assert names[0] == "0–24"
    assert names[-1] == "125 or more"
