"""The table on the terminal."""

import dataclasses
import io
import math

import pytest
from rich.console import Console

from cmapss_rul.evaluation.table import render


def printed(evaluation, width=80, terminal=False):
    stream = io.StringIO()
    Console(file=stream, width=width, force_terminal=terminal).print(render(evaluation))
    return stream.getvalue()


def row(text, name):
    return next(line for line in text.splitlines() if line.strip().startswith(name)).split()


def test_it_fits_80_columns_and_says_the_protocol(known):
    text = printed(known)
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    for said in [
        "simulated, not the official files",
        "one seed (0)",
        "one run is one seed",
        "last, capped",
        "last, raw",
        "every, capped",
        "every, raw",
        "floor, raw",
        "oracle, capped",
        "train mean, raw",
        "oracle: the mean of the test labels",
        "clamped to [0, 125]",
        "interval of the RMSE by bootstrap over engines",
    ]:
        assert said in flat


def test_the_figures_are_rounded_and_nothing_else(known):
    found = known.metrics["last"]["capped"]
    low, high = found["rmse_interval"]
    assert row(printed(known), "last, capped")[2:5] == [
        f"{found['rmse']:.2f}",
        f"{low:.1f}–{high:.1f}",
        f"{found['mae']:.2f}",
    ]


def test_a_constant_has_no_interval(known):
    cells = row(printed(known), "train mean, capped")[3:]
    constant = known.baselines["train_mean"]["last"]["capped"]
    assert cells[:2] == [f"{constant['rmse']:.2f}", f"{constant['mae']:.2f}"]


def test_absurd_figures_stay_in_their_columns(known):
    absurd = {
        **known.metrics["last"]["capped"],
        "nasa": math.inf,
        "nasa_mean": 3.2e250,
        "rmse_interval": None,
    }
    metrics = {**known.metrics, "last": {"capped": absurd}}
    text = printed(dataclasses.replace(known, metrics=metrics))
    assert max(map(len, text.splitlines())) <= 80
    assert row(text, "last, capped")[-2:] == ["∞", "3.2e+250"]


def test_no_codes_in_a_pipe(known):
    assert "\x1b" not in printed(known)
    assert "\x1b" in printed(known, terminal=True)


@pytest.mark.parametrize("width", [40, 200])
def test_other_widths_do_no_harm(known, width):
    assert max(map(len, printed(known, width).splitlines())) <= width


def test_strange_texts_are_no_markup(known):
    odd = dataclasses.replace(known.protocol, runs="[red]brackets[/red] stay")
    assert "[red]brackets[/red] stay" in printed(dataclasses.replace(known, protocol=odd))


def test_without_intervals_it_says_why(known):
    flat = " ".join(printed(known).split())
    assert "intervals none: the run was not calibrated; rul calibrate does it" in flat
    assert "true RUL" not in flat


def test_the_intervals_stand_with_all_that_must_be_said(known_intervals):
    text = printed(known_intervals)
    assert max(map(len, text.splitlines())) <= 80
    found = known_intervals.intervals["coverage"][1]
    cells = []
    for windows in ("last", "every"):
        capped = found[windows]["capped"]
        low, high = capped["interval"]
        cells += [f"{capped['coverage']:.3f}", f"{low:.2f}–{high:.2f}", f"{capped['width']:.1f}",
                  f"{found[windows]['raw']['coverage']:.3f}"]  # fmt: skip
    assert row(text, "0.8 ") == ["0.8", *cells]
    flat = " ".join(text.split())
    for said in [
        "from 10 validation engines (these engines also chose the epoch)",
        "around the predicted RUL",
        "at least the level, for a cycle drawn evenly from the whole life of an engine",
        "not for each RUL, nor for cut records' last cycles",
        "an upper end at the cap means 'the cap or more'",
        f"{known_intervals.intervals['coverage'][0]['last']['raw']['above_cap']:.1%} of the",
        "ECE",
        "Brier score",
    ]:
        assert said in flat


def test_bands_of_the_true_rul_count_their_windows(known_intervals):
    text = printed(known_intervals)
    assert "true RUL, 0.9" in text
    bands = known_intervals.intervals["coverage"][2]["every"]["bands"]
    names = ["0–24", "25–49", "50–74", "75–99", "100–124", "125 or more"]
    for name, band in zip(names, bands, strict=True):
        windows = 0 if band["capped"] is None else band["capped"]["windows"]
        assert row(text, f"{name} ")[-1] == f"{windows:,}"


def test_engines_of_their_own_are_said_to_have_cost_training(known_intervals):
    intervals = {**known_intervals.intervals, "kind": "calibration", "mark": None}
    text = printed(dataclasses.replace(known_intervals, intervals=intervals))
    assert "10 calibration engines (kept for this alone, so fewer trained)" in " ".join(
        text.split()
    )
