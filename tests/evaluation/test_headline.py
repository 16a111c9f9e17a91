"""The short output of `rul evaluate`."""

import dataclasses
import io

import pytest
from rich.console import Console

from cmapss_rul.evaluation.headline import published_comparison, render_headline, verdict


def printed(evaluation):
    stream = io.StringIO()
    Console(file=stream, width=80).print(render_headline(evaluation))
    return stream.getvalue()


def with_protocol(evaluation, **changes):
    return dataclasses.replace(
        evaluation, protocol=dataclasses.replace(evaluation.protocol, **changes)
    )


def with_rmse(evaluation, rmse, interval):
    last = evaluation.metrics.last
    capped = dataclasses.replace(last.capped, rmse=rmse, rmse_interval=interval)
    metrics = dataclasses.replace(evaluation.metrics, last=dataclasses.replace(last, capped=capped))
    return dataclasses.replace(evaluation, metrics=metrics)


@pytest.fixture
def official(known):
    return with_protocol(known, official=True, simulated=False, files="official files")


def test_four_rows_and_their_protocol_fit_a_screen(known):
    text = printed(known)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 20
    assert sum(line.startswith((" last window", " every window")) for line in lines) == 4
    flat = " ".join(text.split())
    for words in (
        "at the last windows of 20 test engines of FD001, capped labels",
        "simulated, not the official files",
        "split by engines: 16 train, 4 validate",
        "trained on FD001 alone",
        "capped at 125",
        "cycle count is an input",
        "epoch 7 of one run (seed 0)",
    ):
        assert words in flat


def test_a_meaningless_score_is_omitted_only_in_its_row(known):
    rows = [line.split() for line in printed(known).splitlines() if " window, " in line]
    assert [cells[-1] == "–" for cells in rows] == [False, False, False, True]
    assert f"{known.metrics.every.capped.nasa:,.0f}" == rows[2][-1]


def test_the_verdict_compares_with_both_constants(known):
    good = verdict(with_rmse(known, 9.0, (8.0, 10.0)))
    assert good.startswith("RMSE 9.00 cycles (95 % interval 8.0–10.0)")
    train = known.baselines.train_mean.metrics.last.capped.rmse
    test = known.baselines.test_mean.metrics.last.capped.rmse
    names = (
        f"the mean training label (RMSE {train:.2f})",
        f"label (RMSE {test:.2f}, unknown in practice)",
    )
    assert f"; better than {names[0]} and the mean test {names[1]} as constant predictions" in good
    between = verdict(with_rmse(known, (train + test) / 2, None))
    assert f"; better than {names[0]}, but not better than the mean test" in between
    bad = verdict(with_rmse(known, 99.0, None))
    assert "none for one engine" in bad
    assert f"; not better than {names[0]} and the mean test {names[1]}" in bad


@pytest.mark.parametrize(
    ("interval", "place"),
    [
        ((12.0, 15.0), "inside this interval"),
        ((10.0, 12.0), "above this interval"),
        ((13.0, 16.0), "below this interval"),
    ],
)
def test_a_published_result_is_compared_through_the_interval(official, interval, place):
    evaluation = with_rmse(official, sum(interval) / 2, interval)
    text = published_comparison(with_protocol(evaluation, inputs=["sensor_2"]))
    assert "12.31 (FFVE 2023, corrected)" in text
    assert place in text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"official": False, "files": "own files"}, "these data are own files"),
        ({"auxiliary": {"FD002": 260}}, "which are trained on the subset alone"),
        (
            {"inputs": ["sensor_2", "cycle_count"]},
            "made without the cycle count as an input",
        ),
        ({"inputs": ["sensor_2"], "cap": 130}, "which are with labels capped at 125"),
    ],
)
def test_a_different_protocol_is_not_compared(official, changes, reason):
    text = published_comparison(with_protocol(official, **changes))
    assert text.startswith("Not comparable with ")
    assert reason in text
    assert "13.42" not in text
    assert "12.31" not in text


def test_a_leak_is_not_compared(official):
    leaky = dataclasses.replace(official.protocol.split, leak="a leak")
    assert "split by windows, a leak" in published_comparison(with_protocol(official, split=leaky))
