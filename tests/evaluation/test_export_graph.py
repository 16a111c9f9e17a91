"""The exported graph processes raw rows like the Python model processes a record."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.data.columns import COLUMNS, FILE_COLUMNS
from cmapss_rul.data.reader import read_fleet
from cmapss_rul.data.simulate import simulate
from cmapss_rul.evaluation.export_graph import ExportGraph, graph_inputs, shortest_decimal
from cmapss_rul.evaluation.predict import read_input
from cmapss_rul.evaluation.predictions import predict_fleet
from cmapss_rul.training.trained_model import restore
from tests.data._fleets import fleet_of
from tests.evaluation._models import calibrated, config_for, countdown, write_checkpoint


@pytest.fixture(scope="module")
def six_dir(tmp_path_factory):
    """A small simulated FD002: six operating conditions."""
    folder = tmp_path_factory.mktemp("six")
    simulate(folder, engines=6, conditions=6)
    return folder


def restored(folder, path, **data):
    return restore(write_checkpoint(path / "best.pt", config_for(folder, **data)))


def differences(model, fleet, rows):
    """Largest difference of RUL and of a probability."""
    expected = predict_fleet(model, fleet, rows)
    with torch.inference_mode():
        rul, health = ExportGraph(model)(**graph_inputs(model, fleet, rows).named())
    assert (rul.dtype, health.dtype) == (torch.float32, torch.float32)
    return (
        np.abs(rul.numpy() - expected.rul).max(),
        np.abs(health.numpy() - expected.probabilities).max(),
    )


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"smoothing": 0.3},
        {"smoothing": 0.05, "window": 7},
        {"cycle_count": False, "columns": ["setting_1", "sensor_5", "sensor_2"]},
        {"window": 400},
    ],
)
def test_predictions_equal_those_of_the_python_model(fleet_dir, tmp_path, data):
    model = restored(fleet_dir, tmp_path, **data)
    fleet = read_fleet(fleet_dir / "test_FD001.txt")
    for rows in (fleet.last_rows, fleet.starts, np.array([0, 5, 300])):
        rul, health = differences(model, fleet, rows)
        assert rul < 1e-3
        assert health < 1e-5


@pytest.mark.parametrize("smoothing", [None, 0.3])
def test_six_conditions_and_unknown_ones(six_dir, tmp_path, smoothing):
    model = restored(six_dir, tmp_path, subset="FD002", smoothing=smoothing)
    fleet = read_fleet(six_dir / "test_FD002.txt")
    assert max(differences(model, fleet, fleet.last_rows)) < 1e-3
    fleet.values[::3, :3] = (33.0, 0.5, 80.0)
    assert model.preprocessor.unknown_condition(fleet)[0]
    assert max(differences(model, fleet, fleet.last_rows)) < 1e-3


def test_inputs_by_hand(model):
    fleet = fleet_of(45, 3)  # the window is 40
    inputs = graph_inputs(model, fleet, np.array([44, 47]))
    assert inputs.window.shape == (2, 40, 24)
    assert inputs.window.dtype == torch.float32
    assert inputs.cycle.tolist() == [45, 3]
    assert inputs.valid_length.tolist() == [40, 3]
    assert inputs.history is None
    np.testing.assert_array_equal(inputs.window[0], fleet.values[5:45].astype(np.float32))
    np.testing.assert_array_equal(inputs.window[1, 37:], fleet.values[45:].astype(np.float32))
    assert inputs.window[1, :37].isnan().all()


def test_a_smoothing_model_needs_the_history(fleet_dir, tmp_path):
    model = restored(fleet_dir, tmp_path, smoothing=0.3)
    fleet = fleet_of(45, 3)
    inputs = graph_inputs(model, fleet, np.array([44, 47]))
    assert inputs.history.shape == (2, 5, 24)
    assert inputs.valid_length.tolist() == [45, 3]
    np.testing.assert_array_equal(inputs.history[0], fleet.values[:5].astype(np.float32))
    assert inputs.history[1].isnan().all()
    short = graph_inputs(model, fleet, np.array([47]))
    assert short.history.shape == (1, 1, 24)  # one row that is ignored


def test_content_before_the_valid_rows_is_ignored(model):
    fleet = fleet_of(12)
    inputs = graph_inputs(model, fleet, fleet.last_rows)
    other = inputs._replace(window=torch.nan_to_num(inputs.window, nan=1e9))
    graph = ExportGraph(model)
    assert graph(**inputs.named())[0] == graph(**other.named())[0]


BROKEN = [np.nan, np.inf, -np.inf, 2e30]


@pytest.mark.parametrize("smoothing", [None, 0.3])
@pytest.mark.parametrize("value", BROKEN)
def test_an_invalid_cell_of_a_used_column_gives_nan(six_dir, tmp_path, smoothing, value):
    columns = ["sensor_2", "sensor_11"]
    model = calibrated(
        restored(six_dir, tmp_path, subset="FD002", smoothing=smoothing, columns=columns)
    )
    fleet = read_fleet(six_dir / "test_FD002.txt")
    inputs = graph_inputs(model, fleet, fleet.last_rows[[0, 1]])
    graph = ExportGraph(model)
    expected = graph(**inputs.named())
    oldest = inputs.length - int(inputs.valid_length[0])
    for row in (oldest, inputs.length - 1):
        for column in range(24):
            found = graph(**inputs.with_value(row, column, value).named())
            used = column < 3 or column in (4, 13)  # three settings, sensors 2 and 11
            for part, whole in zip(found, expected, strict=True):
                assert part[0].isnan().all() if used else torch.equal(part[0], whole[0])
                assert torch.equal(part[1], whole[1])
    for row in range(oldest):
        found = graph(**inputs.with_value(row, 4, value).named())
        assert all(map(torch.equal, found, expected))


def test_under_hold_the_graph_fills_forward_as_the_reader_does(fleet_dir, tmp_path):
    model = restored(fleet_dir, tmp_path, missing="hold", max_hold=5, window=7)
    column = COLUMNS.index("sensor_4")
    text = (fleet_dir / "test_FD001.txt").read_text().splitlines()
    rows = [line.split() for line in text if line.split()[0] == "1"][:20]
    frame = pd.DataFrame(rows, columns=list(FILE_COLUMNS)).astype(float)
    whole = read_input(model, frame).fleet
    graph = ExportGraph(model)
    for gap in (range(10, 15), range(15, 20), range(18, 19), range(1, 5)):
        frame_with_gap = frame.copy()
        frame_with_gap.loc[list(gap), "sensor_4"] = np.nan
        held = read_input(model, frame_with_gap).fleet
        assert np.flatnonzero(held.held[:, column]).tolist() == list(gap)
        raw = dataclasses.replace(held, values=np.where(held.held, np.nan, held.values))
        last = np.array([19])
        found = graph(**graph_inputs(model, raw, last).named())[0].detach()
        expected = predict_fleet(model, held, last).rul
        np.testing.assert_allclose(found.detach(), expected, atol=1e-4)
        assert graph_inputs(model, raw, last).history.shape == (1, 5, 24)
    assert graph(**graph_inputs(model, whole, np.array([19])).named())[0].isfinite()
    for gap in (range(9, 15), range(14, 20)):  # six consecutive rows are one too many
        raw = dataclasses.replace(whole, values=whole.values.copy())
        raw.values[list(gap), column] = np.nan
        assert graph(**graph_inputs(model, raw, np.array([19])).named())[0].isnan()
    inputs = graph_inputs(model, whole, np.array([19]))
    for broken in (np.inf, 1e38):
        assert graph(**inputs.with_value(11, column, broken).named())[0].isnan()
    # rows before the window matter only as far as their values are held
    assert graph(**inputs.with_value(slice(0, 5), column, np.inf).named())[0].isfinite()


def test_hours_and_gaps_are_passed_as_times(fleet_dir, tmp_path):
    model = restored(fleet_dir, tmp_path, gaps="keep", window=7)
    fleet = read_fleet(fleet_dir / "test_FD001.txt")
    fleet = dataclasses.replace(fleet, cycle=3 * fleet.cycle**2 / 100)
    rows = np.concatenate([fleet.starts, fleet.last_rows, fleet.starts + 3])
    assert graph_inputs(model, fleet, rows).cycle.shape == (60, 7)
    assert max(differences(model, fleet, rows)) < 1e-3
    inputs = graph_inputs(model, fleet, rows[20:22])
    inputs.cycle[0, 2] = np.nan
    assert ExportGraph(model)(**inputs.named())[0].isnan().tolist() == [True, False]


def test_a_record_without_a_valid_row_has_no_prediction(model):
    fleet = fleet_of(40)
    inputs = graph_inputs(model, fleet, fleet.last_rows)
    for length in (0, -1):
        none = inputs._replace(valid_length=torch.tensor([length]))
        assert all(part.isnan().all() for part in ExportGraph(model)(**none.named()))


def test_a_non_finite_output_is_nan_before_clamping(model):
    fleet = fleet_of(40)
    inputs = graph_inputs(model, fleet, fleet.last_rows)
    graph = ExportGraph(countdown(model, float("inf")))
    assert all(part.isnan().all() for part in graph(**inputs.named()))


def test_a_valid_length_beyond_the_window_means_the_whole_window(model):
    fleet = fleet_of(40)
    inputs = graph_inputs(model, fleet, fleet.last_rows)
    longer = inputs._replace(valid_length=torch.tensor([400]))
    assert ExportGraph(model)(**inputs.named())[0] == ExportGraph(model)(**longer.named())[0]


@given(st.integers(-999_999, 999_999), st.integers(0, 6))
def test_short_decimals_are_exact(digits, places):
    number = digits / 10**places
    assert shortest_decimal(torch.tensor([number], dtype=torch.float32)).item() == number


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_values_stay_float32(value):
    raw = torch.tensor([value], dtype=torch.float32)
    assert shortest_decimal(raw).float() == raw
