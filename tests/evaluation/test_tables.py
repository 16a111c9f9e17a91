"""The tables of an evaluation, as they are printed on the terminal."""

import dataclasses
import io
import math

import pytest
from rich.console import Console

from cmapss_rul.evaluation.tables import render


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
        "last window, capped",
        "last window, raw",
        "every window, capped",
        "every window, raw",
        "perfect below the cap, raw",
        "test mean, capped",
        "training mean, raw",
        "Test mean: constant: mean of the scored test labels, unknown in practice",
        "clamped to [0, 125]",
        "95 % confidence interval (bootstrap over engines)",
    ]:
        assert said in flat


def test_the_figures_are_rounded_and_nothing_else(known):
    found = known.metrics.last.capped
    low, high = found.rmse_interval
    assert row(printed(known), "last window, capped")[3:6] == [
        f"{found.rmse:.2f}",
        f"{low:.1f}–{high:.1f}",
        f"{found.mae:.2f}",
    ]


def test_a_constant_has_no_interval(known):
    cells = row(printed(known), "training mean, capped")[3:]
    constant = known.baselines.train_mean.metrics.last.capped
    assert cells[:3] == [f"{constant.rmse:.2f}", "–", f"{constant.mae:.2f}"]


def test_absurd_figures_stay_in_their_columns(known):
    last = known.metrics.last
    absurd = dataclasses.replace(last.capped, nasa=math.inf, nasa_mean=3.2e250, rmse_interval=None)
    metrics = dataclasses.replace(known.metrics, last=dataclasses.replace(last, capped=absurd))
    text = printed(dataclasses.replace(known, metrics=metrics))
    assert max(map(len, text.splitlines())) <= 80
    assert row(text, "last window, capped")[-2:] == ["∞", "3.2e+250"]


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
    assert "intervals none: the run was not calibrated; run rul calibrate" in flat
    assert "Coverage by true RUL" not in flat


def test_the_intervals_stand_with_all_that_must_be_said(known_intervals):
    text = printed(known_intervals)
    assert max(map(len, text.splitlines())) <= 80
    found = known_intervals.intervals.coverage[1]
    for windows, part in found.items():
        low, high = part.capped.interval
        cells = [f"{part.capped.coverage:.3f}", f"{low:.2f}–{high:.2f}", f"{part.capped.width:.1f}",
                 f"{part.raw.coverage:.3f}", f"{part.raw.above_cap:.1%}"]  # fmt: skip
        assert row(text, f"0.8, {windows} window")[3:] == cells
    flat = " ".join(text.split())
    for said in [
        "calibrated on 10 validation engines (these engines also selected the epoch)",
        "divided by the typical error near the predicted RUL",
        "at least the level on average over engines of the same population, at a cycle",
        "not for each RUL, nor at the last cycle of truncated records",
        "upper bound at the cap it means 'the cap or more'",
        "engines weighted equally",
        "binomial interval over engines",
        "ECE",
        "Brier score",
    ]:
        assert said in flat


def test_bands_of_the_true_rul_count_their_windows(known_intervals):
    text = printed(known_intervals)
    assert "Coverage by true RUL at level 0.9" in text
    bands = known_intervals.intervals.coverage[2].every.bands
    names = ["0–24", "25–49", "50–74", "75–99", "100–124", "125 or more"]
    for name, band in zip(names, bands, strict=True):
        windows = 0 if band.capped is None else band.capped.windows
        assert row(text, f"{name} ")[-1] == f"{windows:,}"


def test_engines_of_their_own_are_said_to_have_cost_training(known_intervals):
    found = known_intervals.intervals
    facts = dataclasses.replace(found.facts, kind="calibration", mark=None)
    intervals = dataclasses.replace(found, facts=facts)
    text = printed(dataclasses.replace(known_intervals, intervals=intervals))
    assert "10 calibration engines (held out for this alone, so fewer trained)" in " ".join(
        text.split()
    )
