"""Data preparation and batches: ours, and the peer's if installed."""

import pytest

from cmapss_rul.bench import data as measured
from cmapss_rul.bench.data import (
    WINDOWS,
    fill_peer_root,
    measure_data,
    measure_loader,
    peer_version,
    prepare_our_data,
    prepare_our_loader,
    prepare_peer_data,
    prepare_peer_loader,
)
from cmapss_rul.bench.measurement import Measurement, measure_once
from cmapss_rul.data.columns import LITERATURE_SENSORS
from cmapss_rul.training.inputs import load_data

needs_peer = pytest.mark.skipif(peer_version() is None, reason="needs the extra bench")


def test_the_same_data_are_read_as_by_the_peer(options):
    config = options.peer_config.data
    assert (config.columns, config.window, config.cap) == (LITERATURE_SENSORS, 30, 125)
    assert (config.auxiliary, config.cycle_count, config.smoothing) == ((), False, None)
    assert config.dir == options.config.data.dir


@pytest.mark.usefixtures("in_process")
def test_without_the_peer_ours_is_measured(options):
    found = measure_data(options)
    for key in ("cold_ratio_to_peer", "cached_ratio_to_peer", "peer_peak_memory_mb"):
        assert found[f"data.{key}"] is None
    assert found["data.cold_seconds"].median > 0
    assert found["data.peak_memory_mb"].median > 50  # PyTorch alone has more


@pytest.mark.usefixtures("in_process")
def test_the_users_folder_is_not_changed(options):
    before = sorted(path.name for path in options.folder.parent.iterdir())
    measure_data(options)
    assert (options.folder / "ours" / "train_FD001.txt").exists()
    assert sorted(path.name for path in options.folder.parent.iterdir()) == before


def test_a_cold_start_removes_the_cache(options):
    config = measured._copy_train_file(options)
    cache = options.folder / "ours" / "cache"
    cache.mkdir()
    (cache / "old").touch()
    prepare_our_data(config, fresh=False)
    assert (cache / "old").exists()
    measurement = prepare_our_data(config, fresh=True)()
    assert not (cache / "old").exists()
    assert measurement.value > 0


def test_ratios_are_formed_turn_by_turn(options, monkeypatch):
    """Peer 8 and 4 s, then 2 s and 1 s; ours 4 s, then 0.1 s: made up."""
    seconds = {
        (prepare_peer_data, True): 8.0, (prepare_peer_data, False): 2.0,
        (prepare_our_data, True): 4.0, (prepare_our_data, False): 0.1,
    }  # fmt: skip
    peaks = {prepare_peer_data: 500.0, prepare_our_data: 300.0}
    monkeypatch.setattr(measured, "peer_version", lambda: "0.18.0")
    monkeypatch.setattr(
        measured,
        "measure_once",
        lambda make, *_, fresh: Measurement(seconds[make, fresh], peaks[make]),
    )
    found = measure_data(options)
    assert found["data.cold_ratio_to_peer"] == (2.0, 0.0)
    assert found["data.cached_ratio_to_peer"] == (pytest.approx(20.0), 0.0)
    assert found["data.peak_memory_mb"] == (300.0, 0.0)
    assert found["data.peer_peak_memory_mb"] == (500.0, 0.0)


def test_every_window_is_gathered_once_in_a_turn(options, monkeypatch):
    config = options.peer_config
    training = load_data(config).training
    gathered = []
    kind = type(training)
    monkeypatch.setattr(kind, "batch", lambda _, index: gathered.extend(index.tolist()))
    assert prepare_our_loader(config, 1)().value > 0
    assert sorted(gathered) == list(range(len(training)))
    assert gathered != sorted(gathered)


@pytest.mark.usefixtures("in_process")
def test_rates_by_the_length_of_the_window(options):
    found = measure_loader(options)
    names = [str(window) for window in WINDOWS]
    assert list(found["loader.windows_per_second"]) == names == ["30", "60", "120"]
    assert list(found["loader.peak_memory_mb"]) == names
    assert found["loader.peer_windows_per_second"] is None


@needs_peer
def test_the_peer_prepares_the_users_files(eight_engine_dir, tmp_path):
    root = tmp_path / "root"
    fill_peer_root(eight_engine_dir, "FD001", root)
    made = root / "CMAPSS" / "dev_FD001.txt"
    first = measure_once(prepare_peer_data, root, "FD001", 30, fresh=True)
    assert first.value > 0
    assert first.peak_mb > 50
    assert made.exists()
    stamp = made.stat().st_mtime_ns
    measure_once(prepare_peer_data, root, "FD001", 30, fresh=False)
    assert made.stat().st_mtime_ns == stamp  # what it made is used again
    measure_once(prepare_peer_data, root, "FD001", 30, fresh=True)
    assert made.stat().st_mtime_ns > stamp
    assert sorted(path.name for path in eight_engine_dir.iterdir() if "dev" in path.name) == []


@needs_peer
def test_the_peers_loader_goes_through_its_windows(eight_engine_dir, tmp_path):
    root = tmp_path / "root"
    fill_peer_root(eight_engine_dir, "FD001", root)
    assert measure_once(prepare_peer_loader, root, "FD001", 30, 64).value > 0
