"""Training curves: every column as in metrics.csv."""

import pytest

from cmapss_rul.reports import training_curves
from cmapss_rul.training.reporters import read_metrics
from cmapss_rul.training.runs import RunFolder
from tests.reports.inputs import texts, write_rows


@pytest.fixture
def rows(tmp_path):
    write_rows(tmp_path, 5)
    return read_metrics(RunFolder(tmp_path).metrics)


def test_learning_curves(rows):
    figure = training_curves.plot_learning_curves(rows, 4)
    first, second, third = figure.axes
    assert first.lines[0].get_ydata().tolist() == [19, 18, 17, 16, 15]
    assert first.lines[0].get_xdata().tolist() == [1, 2, 3, 4, 5]
    assert first.lines[1].get_xdata() == [4, 4]
    assert [axes.get_ylabel() for axes in (first, second)] == [
        "validation\nRMSE, cycles", "validation health\naccuracy, share",
    ]  # fmt: skip
    assert third.get_yscale() == "log"
    assert third.get_xlabel() == "epoch"
    assert {"RUL loss, cycles²", "health loss, nats", "selected epoch"} <= set(texts(figure))


def test_weights_and_clipping(rows):
    figure = training_curves.plot_weights_and_clipping(rows)
    weights, _, clipped = figure.axes
    assert weights.lines[0].get_ydata() == pytest.approx([0.01, 0.02, 0.03, 0.04, 0.05])
    assert clipped.lines[0].get_ydata() == pytest.approx([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
    assert clipped.get_ylim() == (-0.05, 1.05)


def test_one_epoch_is_a_point(tmp_path):
    write_rows(tmp_path, 1)
    figure = training_curves.plot_learning_curves(read_metrics(RunFolder(tmp_path).metrics), 1)
    assert "1" in texts(figure)
    assert figure.axes[0].lines[0].get_marker() == "o"
