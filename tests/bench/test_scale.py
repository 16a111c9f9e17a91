"""The scale measurement: its content, not its speed."""

import dataclasses

import pytest

from cmapss_rul.bench import scale as module
from cmapss_rul.bench.scale import Point, draw_scale, measure_scale, prepare_point
from cmapss_rul.data.reader import read_fleet
from cmapss_rul.data.simulate import simulate

POINT = Point(100, 30, False, 20_000, 0.5, 1e-6, base_mb=200.0, peak_mb=210.0)


def test_costs_per_row():
    assert POINT.microseconds_a_row == pytest.approx(25)
    assert POINT.bytes_a_row == pytest.approx(500)


@pytest.mark.parametrize("cached", [False, True])
def test_a_point_is_of_the_fleet_and_leaves_its_cache(tmp_path, cached):
    simulate(tmp_path, engines=10, kinds=["train"])
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "left").write_text("")
    point = prepare_point(tmp_path, 10, 9, cached=cached)()
    assert point.rows == read_fleet(tmp_path / "train_FD001.txt").rows
    assert (point.engines, point.window, point.cached) == (10, 9, cached)
    assert min(point.seconds, point.gather) > 0
    assert point.peak_mb >= point.base_mb > 0
    assert (tmp_path / "cache" / "left").exists() is cached
    assert list((tmp_path / "cache").glob("*.rows"))


def test_every_number_of_engines_and_every_window_is_measured_once(tmp_path, monkeypatch):
    def measure_once(prepare, place, engines, window, *, cached):
        assert prepare is prepare_point
        assert (place / "train_FD001.txt").exists()
        return dataclasses.replace(POINT, engines=engines, window=window, cached=cached)

    monkeypatch.setattr(module, "measure_once", measure_once)
    reported = []
    points = measure_scale(tmp_path, engines=(10, 12), windows=(5, 6), report=reported.append)
    found = [(point.engines, point.window, point.cached) for point in points]
    assert found == [(n, w, c) for n, w in ((10, 5), (12, 5), (12, 6)) for c in (False, True)]
    assert reported[0] == "10 engines, windows of 5 cycles"
    assert len(reported) == 3


def test_the_plot_is_a_png(tmp_path):
    points = [
        dataclasses.replace(POINT, engines=engines, cached=cached)
        for engines in (100, 1000)
        for cached in (False, True)
    ]
    draw_scale(points, tmp_path / "scale.png")
    assert (tmp_path / "scale.png").read_bytes().startswith(b"\x89PNG")
