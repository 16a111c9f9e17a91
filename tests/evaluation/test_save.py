"""The files of an evaluation."""

import csv
import dataclasses
import io
import json
import math
from pathlib import Path

import numpy as np
import pytest

from cmapss_rul.evaluation.results import ByLabels
from cmapss_rul.evaluation.save import EvaluationFiles, save, to_csv, to_json
from cmapss_rul.metrics.health import (
    accuracy,
    brier_score,
    confusion_matrix,
    expected_calibration_error,
    macro_f1,
)
from cmapss_rul.metrics.prognostics import prognostic_metrics
from cmapss_rul.metrics.regression import regression_metrics
from cmapss_rul.system import files
from cmapss_rul.system.errors import RulError

COLUMNS = [
    "engine",
    "cycle",
    "true_rul_raw",
    "true_rul_capped",
    "predicted_rul",
    "predicted_rul_unclamped",
    "rul_lower",
    "rul_upper",
    "padded",
    "true_health",
    "predicted_health",
    "p_0",
    "p_1",
    "p_2",
]


def read(evaluation):
    """Columns of the predictions, each number as Python reads it."""
    rows = list(csv.DictReader(io.StringIO(to_csv(evaluation))))
    return {name: np.array([_number(row[name]) for row in rows]) for name in COLUMNS}


def _number(text):
    plain = {"True": True, "False": False, "": math.nan}
    return plain[text] if text in plain else float(text)


def refuse(constant):
    raise AssertionError(f"{constant} is no JSON")


def test_predictions_have_one_row_an_engine(known):
    rows = list(csv.DictReader(io.StringIO(to_csv(known))))
    assert list(rows[0]) == COLUMNS
    assert [int(row["engine"]) for row in rows] == list(range(1, known.protocol.engines + 1))
    assert {row["padded"] for row in rows} <= {"True", "False"}
    assert sum(row["padded"] == "True" for row in rows) == known.protocol.padded


def test_interval_bounds_are_beside_the_prediction(known, known_intervals):
    assert np.isnan(read(known)["rul_lower"]).all()
    table = read(known_intervals)
    last = known_intervals.intervals.coverage[2].last
    for labels in ("capped", "raw"):
        true = table[f"true_rul_{labels}"]
        held = (table["rul_lower"] <= true) & (true <= table["rul_upper"])
        assert held.mean() == pytest.approx(getattr(last, labels).coverage)
    assert (table["rul_upper"] - table["rul_lower"]).mean() == pytest.approx(last.capped.width)


def test_last_window_metrics_follow_from_the_predictions(evaluation):
    table = read(evaluation)
    for labels in ("capped", "raw"):
        again = regression_metrics(table["predicted_rul"], table[f"true_rul_{labels}"])
        found = dataclasses.asdict(getattr(evaluation.metrics.last, labels))
        del found["rmse_interval"]
        assert dataclasses.asdict(again) == found
    chances = np.stack([table["p_0"], table["p_1"], table["p_2"]], axis=1)
    true = table["true_health"].astype(int)
    confusion = confusion_matrix(table["predicted_health"].astype(int), true, classes=3)
    assert dataclasses.asdict(evaluation.health.last) == {
        "accuracy": accuracy(confusion),
        "macro_f1": macro_f1(confusion),
        "confusion_matrix": confusion.tolist(),
        "ece": pytest.approx(expected_calibration_error(chances, true)),
        "brier": pytest.approx(brier_score(chances, true)),
    }


def test_columns_agree_with_each_other(known):
    table = read(known)
    cap = known.protocol.cap
    unclamped, raw = table["predicted_rul_unclamped"], table["true_rul_raw"]
    assert (table["predicted_rul"] == np.clip(unclamped, 0, cap)).all()
    assert (table["true_rul_capped"] == np.minimum(raw, cap)).all()
    chances = np.stack([table["p_0"], table["p_1"], table["p_2"]], axis=1)
    assert (chances.argmax(axis=1) == table["predicted_health"]).all()
    np.testing.assert_allclose(chances.sum(axis=1), 1, rtol=1e-6)


def test_json_is_strict_and_has_the_same_metrics(evaluation):
    found = json.loads(to_json(evaluation), parse_constant=refuse)
    assert list(found) == [
        "protocol", "metrics", "health", "floors", "baselines", "prognostics", "intervals",
    ]  # fmt: skip
    assert found["metrics"]["last"]["capped"]["rmse"] == evaluation.metrics.last.capped.rmse
    assert found["protocol"]["simulated"] is True
    assert "simulated" in found["protocol"]["files"]
    assert len(found["metrics"]["every"]["raw"]["rmse_interval"]) == 2


def test_non_finite_values_become_null(evaluation):
    last = evaluation.metrics.last
    raw = dataclasses.replace(last.raw, nasa=math.inf, mae=math.nan)
    capped = dataclasses.replace(last.capped, rmse_interval=None)
    metrics = dataclasses.replace(evaluation.metrics, last=ByLabels(capped, raw))
    odd = dataclasses.replace(evaluation, metrics=metrics)
    found = json.loads(to_json(odd), parse_constant=refuse)["metrics"]["last"]
    assert found["raw"]["nasa"] is found["raw"]["mae"] is None
    assert found["raw"]["rmse"] == raw.rmse
    assert found["capped"]["rmse_interval"] is None


@pytest.mark.parametrize(
    ("name", "metrics_name", "predictions_name"),
    [
        ("best.pt", "evaluation.json", "predictions.csv"),
        ("last.pt", "evaluation-last.json", "predictions-last.csv"),
        ("my.model.pt", "evaluation-my.model.json", "predictions-my.model.csv"),
    ],
)
def test_names(name, metrics_name, predictions_name):
    beside = EvaluationFiles.of(Path("run") / name)
    assert beside == EvaluationFiles(Path("run") / metrics_name, Path("run") / predictions_name)
    other = EvaluationFiles.of(Path("run") / name, Path("out"))
    assert other.metrics == Path("out") / metrics_name


def test_saving_creates_the_folder_and_replaces_both_files(evaluation, known, tmp_path):
    targets = EvaluationFiles.of(Path("best.pt"), tmp_path / "a" / "b")
    targets.check()
    assert not (tmp_path / "a").exists()
    save(known, targets)
    save(evaluation, targets)
    assert targets.metrics.read_text() == to_json(evaluation)
    assert targets.predictions.read_text() == to_csv(evaluation)
    assert sorted(path.name for path in targets.metrics.parent.iterdir()) == [
        "evaluation.json",
        "predictions.csv",
    ]


def test_checking_the_folder_leaves_nothing_behind(tmp_path):
    EvaluationFiles.of(Path("best.pt"), tmp_path).check()
    assert list(tmp_path.iterdir()) == []


def obstructed_folder(tmp_path):
    (tmp_path / "file").write_text("")
    return tmp_path / "file"


@pytest.mark.parametrize(
    "place",
    [
        obstructed_folder,
        lambda tmp_path: obstructed_folder(tmp_path) / "below",
        lambda _: Path("/proc/no/such"),
        lambda tmp_path: tmp_path / ("x" * 300),
    ],
)
def test_an_unwritable_folder_is_detected_beforehand(tmp_path, place):
    with pytest.raises(RulError, match=r"cannot be written .*--output") as caught:
        EvaluationFiles.of(Path("best.pt"), place(tmp_path)).check()
    assert str(place(tmp_path)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_broken_link_is_detected(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(RulError, match="link: cannot be written"):
        EvaluationFiles.of(Path("best.pt"), tmp_path / "link").check()


@pytest.mark.parametrize("name", ["evaluation.json", "predictions.csv"])
def test_a_folder_in_place_of_a_file_is_detected(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(RulError, match=f"{name}: cannot be written .a folder of that name"):
        EvaluationFiles.of(Path("best.pt"), tmp_path).check()


def test_a_full_disk_is_one_line_and_keeps_the_old_files(known, tmp_path, monkeypatch):
    targets = EvaluationFiles.of(Path("best.pt"), tmp_path)
    save(known, targets)
    before = targets.metrics.read_bytes()

    def full(path, _):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(files, "write_atomic", full)
    with pytest.raises(RulError, match=r"predictions\.csv: cannot be written \(No space left"):
        save(known, targets)
    assert targets.metrics.read_bytes() == before


def test_prognostics_are_in_the_json(known):
    found = json.loads(to_json(known))["prognostics"]
    assert list(found) == ["definition", "mean", "engines"]
    assert found["definition"]["labels"] == "raw"
    assert (found["definition"]["alpha"], found["definition"]["lambda"]) == (0.2, 0.5)
    assert [engine["engine"] for engine in found["engines"]] == list(range(1, 21))
    one = next(engine for engine in found["engines"] if engine["scored"])
    rows = (known.predictions.engine == one["engine"]) & (known.truth.raw <= 125)
    assert one["scored"] == rows.sum()
    expected = prognostic_metrics(
        known.predictions.cycle[rows], known.predictions.rul[rows], known.truth.raw[rows]
    )
    assert one["prognostic_horizon"] == expected.prognostic_horizon
    assert one["relative_accuracy"] == expected.relative_accuracy
