"""The plots of a comparison: their content, and equal bytes from equal data."""

import itertools
import re

import matplotlib as mpl
import pytest

from cmapss_rul.experiments import plots
from cmapss_rul.experiments.comparison import compare_results
from cmapss_rul.experiments.plots import (
    plot_learning_curves,
    plot_oracle_optimism,
    plot_ranks,
    plot_rmse,
    plot_weights,
)
from tests.experiments.inputs import grid, histories, result, results

RMSE = {"fixed": [12.0, 14.0], "amnl": [11.0, 12.98]}  # differ significantly: by 1.00 and 1.02
NAMES = ("rmse_by_balancer", "learning_curves", "weights", "ranks")


def plot_data(made, found):
    """The comparison and the histories that the plots are drawn from."""
    return compare_results(made, found, {}), histories(found)


def comparison(made, rmse, **changes):
    return plot_data(made, results(made, rmse, **changes))


def draw(data, folder):
    return plots.draw(*data, folder)


def rmse_by_balancer(data):
    return plot_rmse(data[0])


def learning_curves(data):
    return plot_learning_curves(*data)


def weights_over_time(data):
    return plot_weights(*data)


def mean_ranks(data):
    return plot_ranks(data[0])


def oracle_optimism(data):
    return plot_oracle_optimism(data[0])


@pytest.fixture(scope="module")
def two_by_two():
    """Two configurations, two balancers, two seeds."""
    return comparison(grid("fd001", "fd003"), RMSE)


def texts(figure) -> str:
    figure.canvas.draw()
    found = [text.get_text() for text in figure.findobj(mpl.text.Text)]
    return "\n".join(text for text in found if text)


def test_all_plots_are_written_as_png_and_svg(two_by_two, tmp_path):
    written = draw(two_by_two, tmp_path)
    assert {path.name for path in written} == {
        f"{name}.{ending}" for name in NAMES for ending in ("png", "svg")
    }
    for path in written:
        start = path.read_bytes()[:8]
        assert start.startswith(b"\x89PNG" if path.suffix == ".png" else b"<?xml")


def test_equal_data_give_equal_bytes(two_by_two, tmp_path):
    first = {path: path.read_bytes() for path in draw(two_by_two, tmp_path)}
    assert {path: path.read_bytes() for path in draw(two_by_two, tmp_path)} == first


def test_every_seed_is_a_point(two_by_two):
    panel = rmse_by_balancer(two_by_two).axes[0]
    points = [x for line in panel.lines if line.get_linestyle() == "None" for x in line.get_xdata()]
    assert points == [12.0, 14.0, 11.0, 12.98]
    bars = [line.get_xdata()[0] for line in panel.lines if line.get_linestyle() != "None"]
    assert bars == pytest.approx([13.0, 11.99])
    assert panel.get_xlabel() == "RMSE, cycles"


def test_axes_have_names_and_units(two_by_two):
    for axes in learning_curves(two_by_two).axes:
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "validation RMSE, cycles")
    for axes in weights_over_time(two_by_two).axes:
        assert axes.get_xlabel() == "epoch"
        assert re.fullmatch(r"weight of the (RUL|health) loss", axes.get_ylabel())
        assert axes.get_yscale() == "log"


def test_curves_are_seeds_and_their_mean(two_by_two):
    lines = learning_curves(two_by_two).axes[0].lines
    assert len(lines) == 2 * (2 + 1)
    assert list(lines[2].get_ydata()) == [17.0, 16.0, 15.0]  # of 16, 15, 14 and 18, 17, 16


def test_ranks_show_the_critical_difference(two_by_two):
    assert "critical difference" in texts(mean_ranks(two_by_two))


def test_no_ranks_of_one_configuration_or_of_cells_that_do_not_differ():
    assert mean_ranks(comparison(grid(), RMSE)) is None
    alike = {"fixed": [15.19, 15.3], "amnl": [15.2, 15.28]}
    assert mean_ranks(comparison(grid("fd001", "fd003"), alike)) is None


def test_a_critical_difference_wider_than_the_axis_says_so():
    """Two configurations, two cells: 1.96 · √(2 · 3 / 12) = 1.39, beyond rank 2."""
    made = comparison(grid("fd001", "fd003"), RMSE)
    figure = mean_ranks(made)
    assert "critical difference 1.39 (95 %), beyond the axis" in texts(figure)
    (axes,) = figure.axes
    (bar,) = [line for line in axes.lines if line.get_marker() == "|"]
    assert list(bar.get_xdata()) == [1, pytest.approx(2.3)]
    assert bar.get_xdata()[1] <= axes.get_xlim()[1]


def test_more_cells_than_colours_are_still_distinct():
    names = ["fixed", "amnl"]
    made = grid(balancers=names, axes={"train.epochs": list(range(1, 8))}, seeds=(0,))
    found = comparison(made, {cell.label: [12.0] for cell in made.cells})
    panel = rmse_by_balancer(found).axes[0]
    points = [line for line in panel.lines if line.get_linestyle() == "None"]
    assert len({(line.get_color(), line.get_marker()) for line in points}) == 14
    curves = [line for line in learning_curves(found).axes[0].lines if line.get_linewidth() == 2]
    assert len({(line.get_color(), str(line._dash_pattern)) for line in curves}) == 14


def test_the_mean_curve_is_over_the_remaining_seeds():
    """Early stopping ends seed 1 after two epochs: 16, 15, 14 and 19, 18."""
    made = grid(balancers=["fixed"])
    one, other = (result(run, 12.0 + 4 * run.seed, epochs=3 - run.seed) for run in made.runs)
    found = plot_data(made, [one, other])
    (mean,) = [line for line in learning_curves(found).axes[0].lines if line.get_linewidth() == 2]
    assert list(mean.get_ydata()) == [17.5, 16.5, 14.0]


def test_the_first_cell_is_at_the_top(two_by_two):
    low, high = rmse_by_balancer(two_by_two).axes[0].get_ylim()
    assert low > high


def test_without_ranks_an_old_plot_is_removed(tmp_path):
    (tmp_path / "ranks.png").write_bytes(b"old")
    one = comparison(grid(balancers=["fixed"]), {"fixed": [12.0, 13.0]})
    draw(one, tmp_path)
    assert not (tmp_path / "ranks.png").exists()
    assert mean_ranks(one) is None


def test_the_oracle_plot_is_marked(tmp_path):
    made = comparison(grid(oracle=True), RMSE, oracle={1: 10.0})
    assert "(oracle: chosen on the test set)" in texts(oracle_optimism(made)).replace("\n", " ")
    assert {path.name for path in draw(made, tmp_path)} >= {"oracle.png", "oracle.svg"}
    assert oracle_optimism(comparison(grid(), RMSE)) is None


def test_small_values_have_plain_ticks_and_labels_stay_inside():
    """Rounding errors as optimism once gave an offset of '1e-7' and a truncated label."""
    made = comparison(grid("fd001", "fd003", oracle=True), RMSE, oracle={1: 12.0 - 1e-6})
    figure = oracle_optimism(made)
    assert "e-" not in texts(figure).replace("\N{MINUS SIGN}", "-").replace("one-", "")
    width = figure.get_window_extent().width
    for axes in figure.axes:
        box = axes.xaxis.label.get_window_extent()
        assert 0 <= box.x0 < box.x1 <= width


def test_leaks_and_simulated_data_are_marked_in_every_plot():
    axes = {"split.by": ["engines", "windows"]}
    made = grid("fd001", "fd003", balancers=["amnl"], axes=axes)
    labels = list(dict.fromkeys(cell.label for cell in made.cells))
    found = comparison(made, {labels[0]: [12.0, 13.0], labels[1]: [9.0, 9.98]}, simulated=True)
    for picture in (rmse_by_balancer, learning_curves, weights_over_time, mean_ranks):
        shown = texts(picture(found)).replace("\n", " ")
        assert "(leak)" in shown
        assert "a leak: the windows that validate" in shown
        assert "simulated, not the official files" in shown


def test_labels_do_not_overlap():
    names = ["fixed", "amnl", "amnl_ema", "uncertainty", "gradnorm", "dtp", "dwa", "random"]
    made = comparison(
        grid("fd001", "fd002", "fd003", "fd004", balancers=names),
        {name: [12.0 + i, 12.5 + 1.001 * i] for i, name in enumerate(names)},
    )
    for picture in (rmse_by_balancer, learning_curves, weights_over_time, mean_ranks):
        figure = picture(made)
        figure.canvas.draw()
        for axes in figure.axes:
            for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
                boxes = [label.get_window_extent() for label in labels if label.get_text()]
                pairs = itertools.pairwise(boxes)
                assert not any(one.overlaps(other) for one, other in pairs)


def test_one_epoch_one_seed_one_cell_can_be_plotted(tmp_path):
    made = comparison(grid(balancers=["fixed"], seeds=(0,)), {"fixed": [12.0]}, epochs=1)
    draw(made, tmp_path)
    figure = learning_curves(made)
    figure.canvas.draw()
    axes = figure.axes[0]
    assert len(axes.lines) == 2
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


def test_a_dollar_sign_in_a_name_is_not_math(tmp_path):
    made = comparison(grid(balancers=["fixed"], seeds=(0,)), {"fixed": [12.0]})
    cell = made[0].cells[0].model_copy(update={"config": "a$b$\\frac"})
    made = made[0].model_copy(update={"cells": [cell]}), made[1]
    draw(made, tmp_path)
