"""Calibration of a model's intervals: fit, choice of the form, guarantee, validation."""

import math

import numpy as np
import pytest
from pydantic import ValidationError
from scipy.special import bdtr

from cmapss_rul.intervals.calibration import (
    EPOCH_CAVEAT,
    Calibration,
    CalibrationPredictions,
    fit_calibration,
    unsupported_reason,
    validate_levels,
)
from cmapss_rul.intervals.conformal import engine_weights
from cmapss_rul.intervals.estimate import fit_shifts
from cmapss_rul.intervals.scales import ScaleCurve
from cmapss_rul.metrics.regression import nasa_mean
from cmapss_rul.system.errors import UsageError

PLAIN = {
    "kind": "validation",
    "engines": list(range(1, 11)),
    "levels": [0.8, 0.9],
    "quantiles": [1.5, 2.0],
    "form": "normalised",
    "knots": [20.0, 120.0],
    "late": [2.0, 10.0],
    "early": [4.0, 8.0],
}


def fleet(generator, engines, first=0, cap=125):
    """Engines whose predictions are off by an amount of each engine, more in the middle."""
    parts = []
    for engine in range(first, first + engines):
        life = int(generator.integers(130, 220))
        true = np.minimum(np.arange(life)[::-1], cap).astype(float)
        spread = 1 + true * (cap - true) / 250
        error = generator.normal(0, 1) * spread + generator.normal(0, 0.3, life) * spread
        lengths = np.arange(1, life + 1)
        parts.append((np.clip(true + error, 0, cap), true, np.full(life, engine), lengths))
    return CalibrationPredictions(*(np.concatenate(values) for values in zip(*parts, strict=True)))


def made(validation=20, calibration=None, levels=(0.8, 0.9), seed=0):
    generator = np.random.default_rng(seed)
    own = None if calibration is None else fleet(generator, calibration, first=1000)
    count = validation if calibration is None else calibration
    return fit_calibration(fleet(generator, validation), own, list(range(count)), levels, 125)


def test_the_ends_by_hand():
    calibration = Calibration(**PLAIN)
    predicted = np.array([0.0, 20.0, 70.0, 120.0, 125.0])
    lower, upper = calibration.bounds(predicted, 0.8, 125)
    assert lower.tolist() == [0.0, 17.0, 61.0, 105.0, 110.0]
    assert upper.tolist() == [6.0, 26.0, 79.0, 125.0, 125.0]
    assert calibration.bounds(predicted, 0.9, 125)[0].tolist() == [0.0, 16.0, 58.0, 100.0, 105.0]


def test_the_ends_in_bands_by_hand():
    banded = Calibration(
        **PLAIN, shortest_cut=20, edges=[70.0], band_quantiles=[[1.5, 2.5], [2.0, 3.0]]
    )
    predicted = np.array([20.0, 69.0, 70.0, 120.0])
    lower, upper = banded.bounds(predicted, 0.8, 125)
    # late scales 2, 5.92, 6, 10 and early ones 4, 5.96, 6, 8
    assert lower.tolist() == pytest.approx([17.0, 69 - 1.5 * 5.92, 55.0, 95.0])
    assert upper.tolist() == pytest.approx([26.0, 69 + 1.5 * 5.96, 85.0, 125.0])
    assert banded.bounds(predicted, 0.9, 125)[0].tolist()[2:] == [52.0, 90.0]


def test_a_calibration_of_before_is_one_of_whole_lives_without_bands():
    before = Calibration.model_validate(PLAIN)
    assert (before.shortest_cut, before.edges, before.band_quantiles) == (None, [], [])


def test_only_cycles_at_which_a_record_may_be_cut_count():
    predictions = fleet(np.random.default_rng(4), 8)
    early = predictions.lengths < 20
    altered = CalibrationPredictions(
        np.where(early, 0.0, predictions.predicted), *list(vars(predictions).values())[1:]
    )
    found, again = (
        fit_calibration(part, None, list(range(8)), (0.8,), 125) for part in (predictions, altered)
    )
    assert found == again
    assert found.shortest_cut == 20


def test_engines_of_short_records_do_not_calibrate():
    predictions = fleet(np.random.default_rng(5), 6)
    kept = (predictions.engine != 2) | (predictions.lengths < 20)
    found = fit_calibration(predictions.at(kept), None, [3, 5, 8, 11, 20, 21], None, 125)
    assert found.engines == [3, 5, 11, 20, 21]
    short = predictions.at(predictions.lengths < 15)
    assert fit_calibration(short, None, list(range(6)), None, 125).shortest_cut == 1


@pytest.mark.parametrize(("engines", "bands"), [(19, 0), (20, 5), (52, 5)])
def test_the_number_of_engines_alone_decides_on_bands(engines, bands):
    found = made(engines, levels=(0.5, 0.8))
    assert found.edges == ([25.0, 50.0, 75.0, 100.0] if bands else [])
    assert [len(row) for row in found.band_quantiles] == ([bands] * 2 if bands else [])
    for overall, row in zip(found.quantiles, found.band_quantiles, strict=False):
        assert min(row) >= overall
    if bands:
        assert max(found.band_quantiles[1]) > found.quantiles[1]


def test_the_estimate_for_the_nasa_score_by_hand():
    shifted = Calibration(**PLAIN, nasa_knots=[20.0, 120.0], nasa_shifts=[-1.0, -11.0])
    predicted = np.array([0.0, 0.5, 20.0, 70.0, 125.0])
    assert shifted.nasa_estimate(predicted).tolist() == [0.0, 0.0, 19.0, 64.0, 114.0]


def test_the_shifts_are_those_of_the_calibrating_engines_at_cuts():
    predictions = fleet(np.random.default_rng(6), 20)
    found = fit_calibration(predictions, None, list(range(20)), None, 125)
    cuts = predictions.at_cuts()
    band = np.minimum(cuts.predicted // 25, 4).astype(int)
    expected = fit_shifts(cuts.predicted, cuts.true, cuts.engine, band)
    assert (found.nasa_knots, found.nasa_shifts) == expected
    assert len(found.nasa_knots) == 5
    own = fleet(np.random.default_rng(7), 6, first=50)
    by_own = fit_calibration(predictions, own, list(range(6)), None, 125)
    assert len(by_own.nasa_knots) == 1
    assert made(3, levels=None).nasa_knots == []  # too few engines


def test_the_estimate_lowers_the_nasa_score_of_further_engines():
    scores = []
    for seed in range(10):
        generator = np.random.default_rng([8, seed])
        found = fit_calibration(fleet(generator, 20), None, list(range(20)), None, 125)
        cuts = fleet(generator, 30, first=50).at_cuts()
        weights = engine_weights(cuts.engine)
        scores.append([
            nasa_mean(estimate, cuts.true, weights)
            for estimate in (cuts.predicted, found.nasa_estimate(cuts.predicted))
        ])  # fmt: skip
    network, earlier = np.mean(scores, axis=0)
    assert earlier < 0.9 * network


def test_the_kind_decides_the_caveat():
    assert Calibration(**PLAIN).caveat == EPOCH_CAVEAT == "these engines also selected the epoch"
    assert Calibration(**{**PLAIN, "kind": "calibration"}).caveat == ""
    assert "no guaranteed" in Calibration(**{**PLAIN, "kind": "out-of-fold"}).caveat
    assert Calibration(**PLAIN).default_level == 0.9
    assert Calibration(**{**PLAIN, "levels": [], "quantiles": []}).default_level is None


def test_levels_that_are_not_supported_are_left_out():
    assert made(20, levels=(0.8, 0.9, 0.95)).levels == [0.8, 0.9, 0.95]
    assert made(10, levels=(0.8, 0.9, 0.95)).levels == [0.8, 0.9]
    few = made(3, levels=(0.8, 0.9, 0.95))
    assert (few.levels, few.quantiles) == ([], [])
    assert made(1, levels=(0.5,)).levels == [0.5]
    assert made(20, calibration=4, levels=(0.8, 0.9)).levels == [0.8]
    assert made(20, levels=None).levels == [0.8, 0.9]
    assert made(20, calibration=4, levels=None).levels == [0.8]


def test_higher_levels_are_wider():
    calibration = made(20, levels=(0.5, 0.8, 0.95))
    assert calibration.quantiles == sorted(calibration.quantiles)
    assert calibration.quantiles[0] < calibration.quantiles[-1]


def test_engines_of_their_own_give_the_quantiles_and_nothing_else():
    """Scales and form stay those of the validation engines, whatever calibrates."""
    generator = np.random.default_rng(1)
    validation, own = fleet(generator, 12), fleet(generator, 9, first=50)
    without = fit_calibration(validation, None, list(range(12)), (0.8,), 125)
    by_own = fit_calibration(validation, own, list(range(50, 59)), (0.8,), 125)
    assert (without.kind, by_own.kind) == ("validation", "calibration")
    for name in ("form", "knots", "late", "early"):
        assert getattr(without, name) == getattr(by_own, name)
    scores = by_own.scales.at(own.predicted).scores(own.predicted, own.true)
    assert by_own.quantiles[0] in scores
    assert by_own.quantiles[0] not in without.quantiles
    doubled = CalibrationPredictions(
        own.predicted, np.clip(2 * own.true - own.predicted, 0, 125), own.engine, own.lengths
    )
    wider = fit_calibration(validation, doubled, list(range(50, 59)), (0.8,), 125)
    assert wider.quantiles[0] > by_own.quantiles[0]


def test_validation_engines_are_scored_by_the_scales_of_other_ones():
    """An engine with errors like no other's would make its own scale, and look harmless."""
    generator = np.random.default_rng(2)
    plain = fleet(generator, 9)
    odd = plain.engine == 4
    predicted = np.where(odd, np.clip(plain.true + 60, 0, 125), plain.predicted)
    strange = CalibrationPredictions(predicted, plain.true, plain.engine, plain.lengths)
    found = fit_calibration(strange, None, list(range(9)), (0.9,), 125)
    strange = strange.at_cuts()
    scales = ScaleCurve.fit(strange.predicted, strange.true, strange.engine, found.form)
    by_itself = scales.at(strange.predicted).scores(strange.predicted, strange.true)
    assert found.quantiles[0] > by_itself.max()


def test_the_form_is_the_one_that_validation_prefers():
    generator = np.random.default_rng(3)
    smooth = fleet(generator, 40)
    assert fit_calibration(smooth, None, list(range(40)), (0.8,), 125).form == "normalised"
    # errors that jump between two predictions, which no line follows
    predicted, engine = generator.uniform(0, 125, 4000), np.repeat(np.arange(40), 100)
    error = np.where(predicted > 62.5, 30, 1) * generator.uniform(-1, 1, 4000)
    lengths = np.tile(np.arange(20, 120), 40)
    jump = CalibrationPredictions(predicted, np.clip(predicted - error, 0, 125), engine, lengths)
    assert fit_calibration(jump, None, list(range(40)), (0.8,), 125).form == "bins"


def test_the_promise_holds_for_further_engines():
    """Simulated: 9 calibration engines at 0.8, beside 6 that gave the scales."""
    held = []
    for seed in range(80):
        generator = np.random.default_rng([7, seed])
        validation, own = fleet(generator, 6), fleet(generator, 9, first=50)
        found = fit_calibration(validation, own, list(range(9)), (0.8,), 125)
        further = fleet(generator, 1, first=99).at_cuts()
        lower, upper = found.bounds(further.predicted, 0.8, 125)
        held.append(np.mean((lower <= further.true) & (further.true <= upper)))
    error = 3 * np.std(held) / math.sqrt(len(held))
    assert 0.8 - error <= np.mean(held) <= 0.9 + error


@pytest.mark.parametrize(("engines", "levels"), [(20, [0.8, 0.9]), (40, [0.8, 0.9, 0.95])])
def test_coverage_of_the_record_that_is_read(engines, levels):
    """Twenty fleets of 100 records, each cut once: the levels hold, in bands of predictions, too.

    The errors depend on the RUL, and each engine has a bias and a spread of its own.
    """
    predicted, held = [], {level: [] for level in levels}
    for seed in range(20):
        generator = np.random.default_rng([engines, seed])
        found = fit_calibration(fleet(generator, engines), None, list(range(engines)), None, 125)
        assert found.levels == levels
        whole = fleet(generator, 100).at_cuts()
        starts = np.flatnonzero(whole.lengths == 20)
        cuts = starts + generator.integers(0, np.diff(np.append(starts, len(whole.engine))))
        predicted.append(whole.predicted[cuts])
        for level in levels:
            lower, upper = found.bounds(whole.predicted[cuts], level, 125)
            held[level].append((lower <= whole.true[cuts]) & (whole.true[cuts] <= upper))
    band = np.minimum(np.concatenate(predicted) // 25, 4)
    for level in levels:
        inside = np.concatenate(held[level])
        # the probability of so few, or fewer, at the level itself
        assert bdtr(inside.sum(), len(inside), level) > 0.05
        for number in range(5):
            some = inside[band == number]
            assert len(some) < 200 or some.mean() >= level - 0.05


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "training"},
        {"engines": []},
        {"engines": [1.5]},
        {"levels": [0.9, 0.8]},
        {"levels": [0.8, 0.8]},
        {"levels": [0.8, 1.0]},
        {"levels": [0.8, 0.95]},
        {"levels": [0.8]},
        {"quantiles": [1.5, math.inf]},
        {"quantiles": [1.5, -1.0]},
        {"quantiles": ["1.5", 2.0]},
        {"form": "other"},
        {"knots": []},
        {"knots": [120.0, 20.0]},
        {"knots": [20.0]},
        {"late": [0.0, 1.0]},
        {"early": [1.0, math.nan]},
        {"early": [1.0, 1e300]},
        {"shortest_cut": 0},
        {"nasa_knots": [20.0]},
        {"nasa_knots": [20.0], "nasa_shifts": [1.0]},
        {"nasa_knots": [20.0, 10.0], "nasa_shifts": [-1.0, -1.0]},
        {"edges": [50.0]},
        {"edges": [50.0], "band_quantiles": [[1.0, 2.0]]},
        {"edges": [50.0, 25.0], "band_quantiles": [[1.0, 2.0, 3.0]] * 2},
        {"band_quantiles": [[1.0], [2.0]]},
    ],
    ids=str,
)
def test_what_cannot_be_intervals_is_refused(change):
    with pytest.raises(ValidationError):
        Calibration(**{**PLAIN, **change})


def test_a_level_asked_for_that_is_not_supported_names_the_number_that_is_needed():
    assert validate_levels([0.9, 0.8, 0.8], 9) == (0.8, 0.9)
    with pytest.raises(UsageError) as caught:
        validate_levels([0.8, 0.95], 10)
    assert str(caught.value) == (
        "found 10 calibration engines, which support levels up to 10/11; level 0.95 needs at "
        "least 19"
    )
    assert unsupported_reason(1, (0.8, 0.9)) == (
        "1 calibration engine for levels 0.8, 0.9, of which 0.8 needs at least 4"
    )
