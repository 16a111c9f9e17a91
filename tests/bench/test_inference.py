"""Predicting: as many rates and latencies as were asked for, and their quantiles."""

import pytest

from cmapss_rul.bench import inference as measured
from cmapss_rul.bench.inference import Speeds, inference, predictor


def test_as_many_as_were_asked_for(setting):
    speeds = predictor(setting.config, "cpu", threads=1, passes=4, single=5)()
    assert len(speeds.rates) == 4
    assert len(speeds.latencies) == 5
    assert min(speeds.rates + speeds.latencies) > 0


def test_latencies_are_said_in_milliseconds(setting, monkeypatch):
    """0 … 100 ms in steps of one: median 50, and 99 at the 99th percentile."""
    speeds = Speeds([10.0, 30.0], [k / 1000 for k in range(101)])
    monkeypatch.setattr(measured, "once", lambda *_: speeds)
    found = inference(setting)
    assert found["inference.windows_per_second"] == (20.0, 10.0)
    assert found["inference.one_window_ms"] == {
        "p50": pytest.approx(50.0),
        "p99": pytest.approx(99.0),
    }
