"""The tables of an evaluation, as printed on the terminal."""

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


def test_tables_fit_80_columns_and_have_the_protocol(known):
    text = printed(known)
    assert max(map(len, text.splitlines())) <= 80
    flat = " ".join(text.split())
    for expected in [
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
        assert expected in flat


def test_metrics_are_only_rounded(known):
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


def test_huge_metrics_stay_in_their_columns(known):
    last = known.metrics.last
    absurd = dataclasses.replace(last.capped, nasa=math.inf, nasa_mean=3.2e250, rmse_interval=None)
    metrics = dataclasses.replace(known.metrics, last=dataclasses.replace(last, capped=absurd))
    text = printed(dataclasses.replace(known, metrics=metrics))
    assert max(map(len, text.splitlines())) <= 80
    assert row(text, "last window, capped")[-2:] == ["∞", "3.2e+250"]


def test_no_escape_codes_in_a_pipe(known):
    assert "\x1b" not in printed(known)
    assert "\x1b" in printed(known, terminal=True)


@pytest.mark.parametrize("width", [40, 200])
def test_other_widths_are_possible(known, width):
    assert max(map(len, printed(known, width).splitlines())) <= width


def test_brackets_are_not_markup(known):
    odd = dataclasses.replace(known.protocol, runs="[red]brackets[/red] stay")
    assert "[red]brackets[/red] stay" in printed(dataclasses.replace(known, protocol=odd))


def test_without_intervals_there_is_a_reason(known):
    flat = " ".join(printed(known).split())
    assert "intervals none: the run was not calibrated; run rul calibrate" in flat
    assert "Coverage by true RUL" not in flat


def test_intervals_have_their_caveats(known_intervals):
    text = printed(known_intervals)
    assert max(map(len, text.splitlines())) <= 80
    found = known_intervals.intervals.coverage[1]
    for windows, part in found.items():
        low, high = part.capped.interval
        cells = [f"{part.capped.coverage:.3f}", f"{low:.2f}–{high:.2f}", f"{part.capped.width:.1f}",
                 f"{part.raw.coverage:.3f}", f"{part.raw.above_cap:.1%}"]  # fmt: skip
        assert row(text, f"0.8, {windows} window")[3:] == cells
    flat = " ".join(text.split())
    for expected in [
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
        assert expected in flat


def test_bands_of_the_true_rul_count_their_windows(known_intervals):
    text = printed(known_intervals)
    assert "Coverage by true RUL at level 0.9" in text
    bands = known_intervals.intervals.coverage[2].every.bands
    names = ["0–24", "25–49", "50–74", "75–99", "100–124", "125 or more"]
    for name, band in zip(names, bands, strict=True):
        windows = 0 if band.capped is None else band.capped.windows
        assert row(text, f"{name} ")[-1] == f"{windows:,}"


def test_separate_calibration_engines_are_noted_as_not_trained_on(known_intervals):
    found = known_intervals.intervals
    facts = dataclasses.replace(found.facts, kind="calibration", mark=None)
    intervals = dataclasses.replace(found, facts=facts)
    text = printed(dataclasses.replace(known_intervals, intervals=intervals))
    assert "10 calibration engines (held out for this alone, so fewer trained)" in " ".join(
        text.split()
    )
