"""Whole evaluations: every metric follows from predictions, truth and protocol."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

from cmapss_rul.data.labels import cap_rul, run_to_failure_rul
from cmapss_rul.data.reader import read_fleet
from cmapss_rul.evaluation.evaluate import evaluate, rul_metrics
from cmapss_rul.evaluation.save import to_csv
from cmapss_rul.evaluation.tables import estimates_table
from cmapss_rul.metrics.bootstrap import rmse_interval
from cmapss_rul.metrics.regression import mae, nasa_score, rmse
from cmapss_rul.system.errors import DataError
from cmapss_rul.training.trained_model import restore
from tests.evaluation._models import (
    SHIFTS,
    calibrated,
    config_for,
    content_for,
    countdown,
    write_checkpoint,
)

NAMES = ["rmse", "rmse_interval", "mae", "bias", "nasa", "nasa_mean"]


@pytest.fixture
def fleet_copy(fleet_dir, tmp_path):
    """A writable copy of the fleet."""
    return shutil.copytree(fleet_dir, tmp_path / "own")


def test_keys(known):
    found = known.as_dict()
    assert list(found) == [
        "protocol", "metrics", "health", "floors", "baselines", "prognostics", "intervals",
    ]  # fmt: skip
    for windows in ("last", "every"):
        assert list(found["metrics"][windows]) == ["capped", "raw"]
        for labels in ("capped", "raw"):
            assert list(found["metrics"][windows][labels]) == NAMES
        assert list(found["health"][windows]) == [
            "accuracy", "macro_f1", "confusion_matrix", "ece", "brier",
        ]  # fmt: skip
        assert set(found["floors"][windows]) == {"raw"}
        for name in ("test_mean", "train_mean"):
            assert set(found["baselines"][name][windows]) == {"capped", "raw"}
    assert found["baselines"]["test_mean"]["oracle"] is True
    assert found["baselines"]["train_mean"]["oracle"] is False


def test_last_window_metrics_recomputed_from_the_files(known, fleet_dir):
    test = read_fleet(fleet_dir / "test_FD001.txt")
    raw = np.loadtxt(fleet_dir / "RUL_FD001.txt", dtype=int)
    predicted = np.clip(200.0 - test.lengths, 0, 125)  # 200 − the last cycle
    error = predicted - np.minimum(raw, 125)
    found = known.metrics.last.capped
    assert found.rmse == pytest.approx(np.sqrt(np.mean(error**2)), abs=1e-4)
    assert found.mae == pytest.approx(np.mean(np.abs(error)), abs=1e-4)
    assert found.bias == pytest.approx(np.mean(error), abs=1e-4)
    terms = np.where(error < 0, np.exp(-error / 13), np.exp(error / 10)) - 1
    assert found.nasa == pytest.approx(terms.sum(), rel=1e-4)
    assert found.nasa_mean == pytest.approx(terms.mean(), rel=1e-4)
    low, high = found.rmse_interval
    assert low < found.rmse < high


def test_raw_labels_differ_from_capped_ones(known, fleet_dir):
    test = read_fleet(fleet_dir / "test_FD001.txt")
    raw = np.loadtxt(fleet_dir / "RUL_FD001.txt", dtype=int)
    error = np.clip(200.0 - test.lengths, 0, 125) - raw
    assert known.metrics.last.raw.rmse == pytest.approx(np.sqrt(np.mean(error**2)), abs=1e-4)
    assert known.metrics.every.raw != known.metrics.every.capped


def test_every_window_is_every_row_and_its_interval_draws_whole_engines(known):
    predictions, truth = known.predictions, known.truth
    found = known.metrics.every.capped
    assert len(predictions.rul) == known.protocol.windows
    assert found.rmse == rmse(predictions.rul, truth.capped)
    assert found.rmse_interval == rmse_interval(predictions.rul, truth.capped, predictions.engine)
    by_window = rmse_interval(predictions.rul, truth.capped, np.arange(len(truth.raw)))
    low, high = found.rmse_interval
    assert high - low > 2 * (by_window[1] - by_window[0])


def test_metrics_use_the_clamped_prediction(model):
    """A prediction far above the cap is scored at the cap."""
    found = evaluate(countdown(model, 10_000.0))
    assert found.predictions.unclamped.min() > 5_000
    assert found.metrics.last.capped.rmse == rmse(
        np.full(len(found.last), 125.0), found.truth.capped[found.last]
    )
    assert found.metrics.last.raw.mae == mae(
        np.full(len(found.last), 125.0), found.truth.raw[found.last]
    )


def test_a_perfect_network_has_an_rmse_of_zero_or_the_floor(known):
    """Predicting the raw truth gives 0 on capped labels and the floor on raw ones."""
    perfect = np.clip(known.truth.raw, 0, 125).astype(float)
    predictions = dataclasses.replace(known.predictions, rul=perfect)
    found = rul_metrics(predictions, known.truth)
    assert found.capped.rmse == found.capped.nasa == 0
    without = {k: v for k, v in dataclasses.asdict(found.raw).items() if k != "rmse_interval"}
    assert without == dataclasses.asdict(known.floor.raw.every)


def test_health_counts(known):
    for windows, truth in (("last", known.truth.at(known.last)), ("every", known.truth)):
        health = getattr(known.health, windows)
        matrix = np.array(health.confusion_matrix)
        assert matrix.shape == (3, 3)
        assert matrix.sum(axis=1).tolist() == np.bincount(truth.health, minlength=3).tolist()
        assert health.accuracy == pytest.approx(np.trace(matrix) / matrix.sum())
        assert 0 <= health.macro_f1 <= 1


def test_floors_and_baselines(known, fleet_dir):
    last = known.truth.at(known.last)
    floor = known.floor.raw.last
    assert floor.rmse == rmse(np.minimum(last.raw, 125), last.raw)
    assert known.metrics.last.raw.rmse >= floor.rmse
    oracle = known.baselines.test_mean.metrics
    assert oracle.last.capped.constant == last.capped.mean()
    assert oracle.last.raw.constant == last.raw.mean()
    assert oracle.every.raw.constant == known.truth.raw.mean()
    train = read_fleet(fleet_dir / "train_FD001.txt")
    mean = cap_rul(run_to_failure_rul(train), 125).mean()
    honest = known.baselines.train_mean.metrics.last.capped
    assert honest.constant == pytest.approx(mean)
    assert honest.rmse == pytest.approx(rmse(np.full(len(last.raw), mean), last.capped))
    assert honest.nasa == pytest.approx(nasa_score(np.full(len(last.raw), mean), last.capped))


def test_the_training_constant_does_not_depend_on_the_split(fleet_dir):
    one, other = (
        content_for(config_for(fleet_dir).model_copy(update={"seed": seed}))["data"]
        for seed in (0, 1)
    )
    assert one["mean_label"] == other["mean_label"]


def test_evaluation_is_deterministic(model, evaluation):
    assert evaluate(model).as_dict() == evaluation.as_dict()


def test_the_train_file_is_not_needed(model, evaluation, fleet_copy):
    (fleet_copy / "train_FD001.txt").unlink()
    assert evaluate(model, data_dir=str(fleet_copy)).as_dict() == evaluation.as_dict()
    assert not (fleet_copy / "train_FD001.txt").exists()


def test_an_engine_of_one_row_is_scored(model, fleet_copy):
    """One engine, one row: metrics without an interval."""
    text = (fleet_copy / "test_FD001.txt").read_text().splitlines(keepends=True)[0]
    (fleet_copy / "test_FD001.txt").write_text(text)
    (fleet_copy / "RUL_FD001.txt").write_text("44\n")
    found = evaluate(model, data_dir=str(fleet_copy))
    assert found.metrics.last == found.metrics.every
    assert found.metrics.last.capped.rmse_interval is None
    assert found.protocol.engines == found.protocol.windows == found.protocol.padded == 1


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda lines: lines[:-1], "RUL_FD001.txt"),
        (lambda lines: [*lines, "12\n"], "RUL_FD001.txt"),
        (lambda lines: ["soon\n", *lines[1:]], "RUL_FD001.txt"),
        (lambda lines: ["-3\n", *lines[1:]], "RUL_FD001.txt"),
    ],
)
def test_a_wrong_rul_file_is_named(model, fleet_copy, spoil, message):
    path = fleet_copy / "RUL_FD001.txt"
    path.write_text("".join(spoil(path.read_text().splitlines(keepends=True))))
    with pytest.raises(DataError, match=message) as caught:
        evaluate(model, data_dir=str(fleet_copy))
    assert "\n" not in str(caught.value)


def test_a_test_file_with_another_number_of_columns_is_named(model, fleet_copy):
    path = fleet_copy / "test_FD001.txt"
    lines = path.read_text().splitlines()
    path.write_text("".join(line.rstrip() + " 1.0\n" for line in lines))
    with pytest.raises(DataError, match=r"test_FD001\.txt"):
        evaluate(model, data_dir=str(fleet_copy))


def test_another_cap_and_five_classes(fleet_dir, tmp_path):
    config = config_for(fleet_dir, boundaries=(110, 90, 50, 25), cap=110)
    found = evaluate(restore(write_checkpoint(tmp_path / "best.pt", config)))
    assert found.truth.capped.max() == 110
    assert found.predictions.rul.max() <= 110
    assert found.protocol.clamp == [0, 110]
    assert found.protocol.boundaries == [110, 90, 50, 25]
    assert np.shape(found.health.every.confusion_matrix) == (5, 5)
    assert np.sum(found.health.every.confusion_matrix) == found.protocol.windows
    assert "p_4" in to_csv(found).splitlines()[0]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_same_metrics(model, evaluation):
    found = evaluate(restore(model.path, "cuda"))
    np.testing.assert_allclose(
        found.predictions.unclamped, evaluation.predictions.unclamped, atol=1e-2
    )


def test_both_estimates_have_their_own_metrics(model, known_intervals):
    """No row mixes the RMSE of one estimate with the NASA score of the other."""
    found = evaluate(calibrated(countdown(model), **SHIFTS))
    assert found.metrics == known_intervals.metrics
    network = found.predictions.rul
    earlier = np.maximum(network - np.maximum((np.minimum(network, 120) - 10) / 10, 1), 0)
    for windows, rows in (("last", found.last), ("every", slice(None))):
        for labels in ("capped", "raw"):
            metrics = getattr(getattr(found.nasa, windows), labels)
            true = getattr(found.truth, labels)[rows]
            assert metrics.rmse == pytest.approx(np.sqrt(np.mean((earlier[rows] - true) ** 2)))
            d = earlier[rows] - true
            score = np.sum(np.where(d < 0, np.exp(-d / 13), np.exp(d / 10)) - 1)
            assert metrics.nasa == pytest.approx(score)
    plain = known_intervals.as_dict()
    both = found.as_dict()
    assert both.pop("estimate_nasa")["last"]["capped"]["rmse"] == found.nasa.last.capped.rmse
    assert both == plain
    rows = estimates_table(found).rows
    assert [row[0] for row in rows] == [
        "network's RUL, last window", "network's RUL, every window", "for NASA, last window",
        "for NASA, every window",
    ]  # fmt: skip
    assert rows[0][1] == f"{found.metrics.last.capped.rmse:.2f}"
    assert rows[2][1] == f"{found.nasa.last.capped.rmse:.2f}"
