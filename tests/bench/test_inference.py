"""Inference: the requested number of rates and latencies, and their quantiles."""

import pytest

from cmapss_rul.bench import inference as measured
from cmapss_rul.bench.inference import InferenceTimes, measure_inference, prepare_inference


def test_the_requested_number_of_measurements(options):
    times = prepare_inference(options.config, "cpu", threads=1, passes=4, single=5)()
    assert len(times.rates) == 4
    assert len(times.latencies) == 5
    assert min(times.rates + times.latencies) > 0


def test_latencies_are_in_milliseconds(options, monkeypatch):
    """0 … 100 ms in steps of one: median 50, and 99 at the 99th percentile."""
    times = InferenceTimes([10.0, 30.0], [k / 1000 for k in range(101)])
    monkeypatch.setattr(measured, "measure_once", lambda *_: times)
    found = measure_inference(options)
    assert found["inference.windows_per_second"] == (20.0, 10.0)
    assert found["inference.one_window_ms"] == {
        "p50": pytest.approx(50.0),
        "p99": pytest.approx(99.0),
    }
