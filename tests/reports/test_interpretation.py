"""Attention and importance: values and plots."""

import dataclasses

import numpy as np
import pytest
import torch

from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.metrics.regression import rmse
from cmapss_rul.reports import interpretation
from cmapss_rul.reports.interpretation import (
    REPEATS,
    Attention,
    attention_over_time,
    permutation_importance,
)
from tests.evaluation._models import countdown
from tests.reports.inputs import texts


def test_only_the_input_that_is_used_matters(model, known):
    """The countdown model uses only the cycle count."""
    found = permutation_importance(countdown(model), known)
    assert found.inputs[-1] == "cycle_count"
    assert found.increase.shape == (len(found.inputs), REPEATS)
    assert (found.increase[:-1] == 0).all()
    assert (found.increase[-1] > 5).all()
    assert len(set(found.increase[-1])) == REPEATS


def test_importance_is_relative_to_the_error_and_reproducible(model, known):
    found = permutation_importance(countdown(model), known)
    rows = np.linspace(0, known.fleet.rows - 1, found.windows).round().astype(int)
    expected = rmse(known.predictions.rul[rows], known.truth.capped[rows])
    assert found.rmse == pytest.approx(expected, abs=1e-4)
    assert (permutation_importance(countdown(model), known).increase == found.increase).all()


def test_importance_does_not_modify_the_data(model, evaluation):
    before = evaluation.fleet.values.copy()
    permutation_importance(model, evaluation)
    assert (evaluation.fleet.values == before).all()
    assert evaluate(model).metrics == evaluation.metrics


def test_attention_is_that_of_the_whole_windows(model, evaluation):
    found = attention_over_time(model, evaluation)
    whole = ~evaluation.predictions.padded[evaluation.last]
    assert found.weights.shape == (whole.sum(), 40)
    assert found.weights.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert found.ago[[0, -1]].tolist() == [39, 0]
    assert found.step == 1
    assert found.health.tolist() == evaluation.truth.health[evaluation.last[whole]].tolist()


def test_a_step_of_several_cycles_is_placed_at_its_middle(model, evaluation, monkeypatch):
    network = type(model.network)
    monkeypatch.setattr(
        network,
        "attention_weights",
        lambda _, windows, _padding: torch.full((len(windows), 8), 1 / 8),
    )
    found = attention_over_time(model, evaluation)
    assert found.step == 5
    assert found.ago.tolist() == [37, 32, 27, 22, 17, 12, 7, 2]


def test_without_attention_or_whole_windows_there_is_a_reason(model, evaluation, monkeypatch):
    monkeypatch.setattr(type(model.network), "attention_weights", lambda *_: None)
    assert "it uses only the last state" in attention_over_time(model, evaluation)
    padded = np.ones_like(evaluation.predictions.padded)
    short = dataclasses.replace(
        evaluation, predictions=dataclasses.replace(evaluation.predictions, padded=padded)
    )
    assert "shorter than the window" in attention_over_time(model, short)


def test_the_plot_of_attention_has_a_line_per_class():
    weights = np.array([[0.1, 0.9], [0.3, 0.7], [0.5, 0.5]])
    found = Attention(weights, np.array([4.0, 1.0]), 3, np.array([0, 0, 2]))
    figure = interpretation.plot_attention(
        found, ["healthy (≥ 125)", "degrading (51–124)", "critical (0–50)"]
    )
    (axes,) = figure.axes
    assert axes.lines[0].get_ydata() == pytest.approx([0.2, 0.8])
    assert axes.lines[1].get_ydata() == pytest.approx([0.5, 0.5])
    assert {"healthy (≥ 125): 2 engines", "critical (0–50): 1 engine"} <= set(texts(figure))
    assert axes.xaxis_inverted()
    assert axes.get_ylabel() == "attention weight of 3 cycles, share"


def test_the_plot_of_importance_is_sorted(model, known):
    figure = interpretation.plot_importance(permutation_importance(countdown(model), known))
    (axes,) = figure.axes
    assert axes.get_yticklabels()[-1].get_text() == "cycle_count"
    widths = [bar.get_width() for bar in axes.patches]
    assert widths == sorted(widths)
