"""Coverage of the intervals on the test engines, and the level shown."""

import json

import numpy as np
import pytest

from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.evaluation.intervals import (
    interval_bounds,
    interval_facts,
    interval_level,
    why_no_intervals,
)
from cmapss_rul.evaluation.save import to_json
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.trained_model import restore
from tests.evaluation._models import INTERVALS, calibrated, config_for, write_checkpoint


def test_coverage_follows_from_predictions_and_labels(known_intervals):
    predictions, truth = known_intervals.predictions, known_intervals.truth
    for found, level in zip(known_intervals.intervals.coverage, INTERVALS.levels, strict=True):
        assert found.level == level
        lower, upper = INTERVALS.bounds(predictions.rul, level, 125)
        for labels in ("capped", "raw"):
            true = getattr(truth, labels)
            held = (lower <= true) & (true <= upper)
            shares = [held[predictions.engine == engine].mean() for engine in range(1, 21)]
            assert getattr(found.every, labels).coverage == pytest.approx(np.mean(shares))
            last = held[known_intervals.last]
            assert getattr(found.last, labels).coverage == pytest.approx(last.mean())
            assert getattr(found.last, labels).engines == getattr(found.last, labels).windows == 20
        widths = (upper - lower)[known_intervals.last]
        assert found.last.capped.width == pytest.approx(widths.mean())
        assert found.every.capped.windows == len(predictions.rul)


def test_raw_labels_above_the_cap_are_outside_every_interval(known_intervals):
    truth, last = known_intervals.truth, known_intervals.last
    for found in known_intervals.intervals.coverage:
        raw = found.last.raw
        assert raw.above_cap == pytest.approx((truth.raw[last] > 125).mean())
        assert raw.coverage <= 1 - raw.above_cap
        assert raw.coverage <= found.last.capped.coverage


def test_bands_partition_the_windows_by_true_rul(known_intervals):
    truth = known_intervals.truth
    for found in known_intervals.intervals.coverage:
        for windows, rows in (("every", slice(None)), ("last", known_intervals.last)):
            bands = getattr(found, windows).bands
            assert [(band.low, band.below) for band in bands] == [
                (0, 25), (25, 50), (50, 75), (75, 100), (100, 125), (125, None),
            ]  # fmt: skip
            counts = [band.capped.windows if band.capped else 0 for band in bands]
            edges = [0, 25, 50, 75, 100, 125, np.inf]
            assert counts == np.histogram(truth.raw[rows], edges)[0].tolist()


def test_the_json_has_the_notes_on_intervals(known, known_intervals):
    found = json.loads(to_json(known_intervals))["intervals"]
    assert found["levels"] == [0.5, 0.8, 0.9]
    assert (found["level"], found["kind"], found["engines"]) == (0.9, "validation", 10)
    assert found["mark"] == "these engines also selected the epoch"
    assert "not for each RUL" in found["promise"]
    without = json.loads(to_json(known))["intervals"]
    assert without == {"levels": [], "why": "the run was not calibrated; run rul calibrate"}
    assert known.bounds is None


def test_the_guarantee_names_the_calibration_engines(model):
    banded = {"edges": [50.0], "band_quantiles": [[1.0, 1.0], [2.0, 2.0], [3.0, 4.0]]}
    before, cuts, bands = (
        interval_facts(calibrated(model, **changes)).promise
        for changes in ({}, {"shortest_cut": 20}, {"shortest_cut": 20, **banded})
    )
    assert "at a cycle drawn uniformly from the engine's life" in before
    assert "if a record ends at a random cycle from 20 on; not for each engine" in cuts
    assert "within one band of predicted RUL (bands begin at 0, 50)" in bands


def test_the_health_probabilities_are_scored(known):
    """The probabilities are always softmax(2, 0, 0)."""
    sure = np.exp(2) / (np.exp(2) + 2)
    for windows in ("last", "every"):
        found = getattr(known.health, windows)
        assert found.ece == pytest.approx(abs(found.accuracy - sure), abs=1e-6)
        rest = (1 - sure) / 2
        right, wrong = (1 - sure) ** 2 + 2 * rest**2, sure**2 + (1 - rest) ** 2 + rest**2
        by_hand = found.accuracy * right + (1 - found.accuracy) * wrong
        assert found.brier == pytest.approx(by_hand, abs=1e-6)


def test_the_default_and_the_requested_level(model):
    assert interval_level(calibrated(model)) == 0.9
    assert interval_level(calibrated(model), 0.5) == 0.5
    assert interval_level(model) is None
    assert interval_facts(model) is None
    with pytest.raises(UsageError, match="has no intervals"):
        interval_level(model, 0.5)
    lower, upper = interval_bounds(calibrated(model), np.array([25.0, 75.0]), 0.8)
    assert (lower.tolist(), upper.tolist()) == ([21.0, 61.0], [33.0, 83.0])


def test_a_split_by_windows_has_a_reason_instead_of_intervals(fleet_dir, tmp_path):
    config = config_for(fleet_dir)
    leaky = config.model_copy(update={"split": config.split.model_copy(update={"by": "windows"})})
    model = restore(write_checkpoint(tmp_path / "best.pt", leaky))
    assert why_no_intervals(model) == "every engine trained"
    assert evaluate(model).as_dict()["intervals"] == {"levels": [], "why": "every engine trained"}
