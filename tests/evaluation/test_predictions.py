"""Predictions and labels for every row of a fleet."""

import dataclasses

import numpy as np
import pytest
import torch

from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.windows import Windows
from cmapss_rul.evaluation.predictions import label_fleet, predict_fleet
from cmapss_rul.model.network import predict
from cmapss_rul.system.errors import RulError
from cmapss_rul.training.config import RunConfig
from tests.evaluation._models import countdown


def fleet_of(*lengths):
    """Engines of the given lengths with made-up values."""
    engine = np.repeat(np.arange(1, len(lengths) + 1), lengths)
    cycle = np.concatenate([np.arange(1, n + 1) for n in lengths])
    values = np.random.default_rng(0).normal(size=(len(engine), 24))
    return Fleet.from_rows(engine, cycle, values)


def test_labels_count_up_from_the_last_row_and_are_capped():
    config = RunConfig.model_validate({"data": {"cap": 11}, "loss": {"health": _classes(11, 9)}})
    truth = label_fleet(config, fleet_of(3, 1), np.array([9, 4]))
    assert truth.raw.tolist() == [11, 10, 9, 4]
    assert truth.capped.tolist() == [11, 10, 9, 4]
    assert truth.health.tolist() == [0, 1, 2, 2]
    lower = RunConfig.model_validate({"data": {"cap": 10}, "loss": {"health": _classes(10, 4)}})
    truth = label_fleet(lower, fleet_of(3, 1), np.array([9, 4]))
    assert truth.capped.tolist() == [10, 10, 9, 4]
    assert truth.health.tolist() == [0, 0, 1, 2]


def _classes(*boundaries):
    return {"boundaries": list(boundaries)}


def test_predictions_are_clamped_and_the_raw_output_is_kept(model):
    fleet = fleet_of(230, 30)
    found = predict_fleet(countdown(model), fleet)
    np.testing.assert_allclose(found.unclamped, 200 - fleet.cycle, atol=1e-3)
    np.testing.assert_array_equal(found.rul, np.clip(found.unclamped, 0, 125))
    assert found.rul.min() == 0
    assert found.rul.max() == 125
    assert found.unclamped.min() < 0
    assert found.health[:3].tolist() == [0, 0, 0]
    assert found.health[210] == 2


def test_padding_follows_from_the_length_of_the_record(model):
    found = predict_fleet(model, fleet_of(45, 30))  # the window is 40
    assert found.padded.tolist() == [True] * 39 + [False] * 6 + [True] * 30


def test_the_last_row_equals_the_last_window(model):
    fleet = fleet_of(50, 45, 12)
    series = torch.from_numpy(model.preprocessor.transform(fleet))
    alone, chances = predict(model.network, Windows.last_cycle(series, fleet, 40))
    found = predict_fleet(model, fleet).at(fleet.last_rows)
    np.testing.assert_allclose(found.unclamped, alone, rtol=1e-5)
    np.testing.assert_allclose(found.probabilities, chances, rtol=1e-5)
    assert found.engine.tolist() == [1, 2, 3]
    assert found.cycle.tolist() == [50, 45, 12]


def test_predictions_do_not_depend_on_other_engines(model):
    fleet = fleet_of(50, 45, 12)
    together = predict_fleet(model, fleet)
    for number in (1, 2, 3):
        alone = predict_fleet(model, fleet.select_engines(np.array([number])))
        np.testing.assert_allclose(
            alone.unclamped, together.unclamped[fleet.engine == number], rtol=1e-5
        )


def test_probabilities_are_those_of_the_predicted_class(model):
    found = predict_fleet(model, fleet_of(50))
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(found.health, found.probabilities.argmax(axis=1))
    assert found.rul.dtype == found.probabilities.dtype == np.float64


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_non_finite_prediction_is_refused_with_its_location(model, wrong):
    with pytest.raises(RulError, match="engine 1, cycle 1 is not a finite number") as caught:
        predict_fleet(countdown(model, wrong), fleet_of(2, 2))
    assert "4 of 4" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_at_keeps_rows_together(model):
    found = predict_fleet(model, fleet_of(5, 5))
    part = found.at(np.array([9, 0]))
    for field in dataclasses.fields(part):
        np.testing.assert_array_equal(getattr(part, field.name), getattr(found, field.name)[[9, 0]])
