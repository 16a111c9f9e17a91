"""Simulated fleets: statistics, manifest, refusals, and formatting of numbers."""

import json
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.data import simulate as module
from cmapss_rul.data.columns import SENSORS, SUBSETS
from cmapss_rul.data.degradation import CONDITIONS
from cmapss_rul.data.reader import read_fleet, read_rul
from cmapss_rul.data.simulate import Parameters, fixed_point, read_manifest, simulate
from cmapss_rul.data.verification import provenance
from cmapss_rul.system.errors import DataError, UsageError

KINDS = [(1, 1), (6, 1), (1, 2), (6, 2)]


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def fleets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fleets")
    for conditions, faults in KINDS:
        simulate(folder, engines=150, conditions=conditions, faults=faults)
    return folder


@pytest.mark.parametrize("subset", SUBSETS)
def test_the_strict_reader_accepts_simulated_files(fleets, subset):
    train = read_fleet(fleets / f"train_{subset}.txt")
    test = read_fleet(fleets / f"test_{subset}.txt")
    rul = read_rul(fleets / f"RUL_{subset}.txt", 150)
    assert train.engines.tolist() == test.engines.tolist() == list(range(1, 151))
    assert train.lengths.min() >= 50
    assert np.mean((train.lengths >= 120) & (train.lengths <= 360)) > 0.9
    assert test.lengths.min() >= 20
    assert 1 <= rul.min() <= rul.max() <= 195
    assert (test.lengths + rul).min() >= 50
    assert np.std(rul) > 30


@pytest.mark.parametrize(("subset", "count"), [("FD001", 1), ("FD002", 6)])
@pytest.mark.parametrize("kind", ["train", "test"])
def test_conditions_are_exact_after_rounding(fleets, subset, count, kind):
    settings = read_fleet(fleets / f"{kind}_{subset}.txt").values[:, :3]
    rounded = np.column_stack([np.round(settings[:, i], d) for i, d in enumerate((0, 2, 0))])
    assert np.unique(rounded + 0.0, axis=0).tolist() == CONDITIONS[:count].tolist()
    assert np.ptp(settings[:, 0]) > 0


def test_constant_sensors_and_levels_far_apart(fleets):
    single = read_fleet(fleets / "train_FD001.txt").values[:, 3:]
    constant = [
        name for name, spread in zip(SENSORS, np.ptp(single, axis=0), strict=True) if spread == 0
    ]
    assert constant == [f"sensor_{i}" for i in (1, 5, 10, 16, 18, 19)]
    several = read_fleet(fleets / "train_FD002.txt")
    altitude = several.values[:, 0].round()
    within = np.mean([several.values[altitude == a, 3:].var(axis=0) for a in CONDITIONS[:, 0]], 0)
    assert (within / several.values[:, 3:].var(axis=0)).mean() < 0.05


def test_degradation_is_visible_despite_noise(fleets):
    """Sensors drift by several standard deviations, yet no cycle determines its RUL exactly."""
    fleet = read_fleet(fleets / "train_FD001.txt")
    left = np.repeat(fleet.lengths, fleet.lengths) - fleet.cycle
    sensor_4 = fleet.values[:, 3 + 3]
    healthy, late = sensor_4[left > 140], sensor_4[left < 8]
    assert 3 < (late.mean() - healthy.mean()) / healthy.std() < 8
    assert sensor_4[(left >= 50) & (left < 55)].std() > 3


def test_fault_modes_move_different_sensors(fleets):
    def falls(subset):
        fleet = read_fleet(fleets / f"train_{subset}.txt")
        last = fleet.starts + fleet.lengths
        return sum(
            fleet.values[end - 5 : end, 9].mean() < fleet.values[start : start + 20, 9].mean()
            for start, end in zip(fleet.starts, last, strict=True)
        )

    assert falls("FD001") == 150
    assert 50 < falls("FD003") < 100


def test_same_seed_same_bytes(tmp_path):
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        simulate(tmp_path / name, engines=3, conditions=6, faults=2, seed=seed)
    a, b, c = (contents(tmp_path / name) for name in "abc")
    assert a == b
    assert sorted(a) == [
        "RUL_FD004.txt",
        "manifest_FD004.json",
        "test_FD004.txt",
        "train_FD004.txt",
    ]
    assert all(a[name] != c[name] for name in a)


def test_manifest(tmp_path):
    done = simulate(tmp_path, engines=2, seed=5)
    assert sorted(done.written) == ["RUL_FD001.txt", "test_FD001.txt", "train_FD001.txt"]
    manifest = json.loads((tmp_path / "manifest_FD001.json").read_text())
    assert manifest["simulated"] is True
    assert manifest["subset"] == "FD001"
    assert manifest["parameters"] == {"engines": 2, "conditions": 1, "faults": 1, "seed": 5}
    for name, sha256 in manifest["files"].items():
        found = provenance(tmp_path / name)
        assert found.sha256 == sha256
        assert found.simulated
        assert not found.official
    assert read_manifest(tmp_path, "FD001") == manifest
    assert read_manifest(tmp_path, "FD002") is None


def test_a_second_call_changes_nothing(tmp_path):
    simulate(tmp_path, engines=2)
    before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    done = simulate(tmp_path, engines=2)
    assert done.written == ()
    assert len(done.unchanged) == 3
    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_another_subset_is_added(tmp_path):
    simulate(tmp_path, engines=2)
    simulate(tmp_path, engines=3, faults=2)
    assert len(contents(tmp_path)) == 8


def test_a_missing_file_is_created_again(tmp_path):
    simulate(tmp_path, engines=2)
    before = contents(tmp_path)
    (tmp_path / "test_FD001.txt").unlink()
    assert simulate(tmp_path, engines=2).written == ("test_FD001.txt",)
    assert contents(tmp_path) == before


def test_only_the_requested_kinds_are_written(tmp_path):
    done = simulate(tmp_path, engines=2, kinds=("train",))
    assert done.written == ("train_FD001.txt",)
    assert sorted(contents(tmp_path)) == ["manifest_FD001.json", "train_FD001.txt"]
    (tmp_path / "test_FD001.txt").write_text("scrambled")
    (tmp_path / "train_FD001.txt").unlink()
    simulate(tmp_path, engines=2, kinds=("train",))
    assert (tmp_path / "test_FD001.txt").read_text() == "scrambled"
    assert provenance(tmp_path / "train_FD001.txt").simulated


def test_other_parameters_are_refused_by_name(tmp_path):
    simulate(tmp_path, engines=2, seed=1)
    before = contents(tmp_path)
    with pytest.raises(DataError, match="FD001 made with engines 2, not 3, seed 1, not 0; use"):
        simulate(tmp_path, engines=3)
    assert contents(tmp_path) == before


def test_unknown_and_modified_files_are_refused(tmp_path):
    (tmp_path / "RUL_FD001.txt").write_text("112\n")
    with pytest.raises(DataError, match=r"RUL_FD001.txt: was not made by `rul simulate`"):
        simulate(tmp_path)
    assert sorted(contents(tmp_path)) == ["RUL_FD001.txt"]
    simulate(tmp_path, engines=2, faults=2)
    with (tmp_path / "train_FD003.txt").open("a") as file:
        file.write(" ")
    with pytest.raises(DataError, match=r"train_FD003.txt: was altered after"):
        simulate(tmp_path, engines=2, faults=2)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"simulated": 1}'])
def test_an_unknown_manifest_is_refused(tmp_path, text):
    (tmp_path / "manifest_FD001.json").write_text(text)
    with pytest.raises(DataError, match=r"manifest_FD001.json: found no manifest of `rul sim"):
        simulate(tmp_path, engines=2)


@pytest.mark.parametrize("parameters", [3, {}, {"engines": "\x1b"}])
def test_a_manifest_with_invalid_parameters(tmp_path, parameters):
    simulate(tmp_path, engines=2)
    path = tmp_path / "manifest_FD001.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "parameters": parameters}))
    with pytest.raises(DataError, match=r"simulated FD001 made with|no manifest of"):
        simulate(tmp_path, engines=2)


def test_files_that_cannot_be_reproduced_are_refused(tmp_path, monkeypatch):
    simulate(tmp_path, engines=2)
    (tmp_path / "RUL_FD001.txt").unlink()
    monkeypatch.setattr(module, "_ROW_END", b"\n")
    simulate(tmp_path, engines=2)  # the RUL file has no such row end: the same bytes
    (tmp_path / "test_FD001.txt").unlink()
    with pytest.raises(DataError, match="cannot be made again as it was"):
        simulate(tmp_path, engines=2)
    assert not (tmp_path / "test_FD001.txt").exists()
    assert len(contents(tmp_path)) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engines": 0}, "engines: found 0, expected 1 to 1000000"),
        ({"engines": 1_000_001}, "engines: found 1000001"),
        ({"conditions": 2}, "conditions: found 2, expected 1 or 6"),
        ({"faults": 3}, "faults: found 3, expected 1 or 2"),
        ({"seed": -1}, "seed: found -1, expected a whole number from 0"),
        ({"seed": 2**63}, "seed: found 9223372036854775808"),
    ],
)
def test_wrong_parameters(tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        simulate(tmp_path / "new", **options)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("kind", "subset"), list(zip(KINDS, SUBSETS, strict=True)))
def test_subset_names(kind, subset):
    assert Parameters(conditions=kind[0], faults=kind[1]).subset == subset


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file: cannot be written"):
        simulate(tmp_path / "file", engines=1)


def test_nothing_is_left_behind_on_a_full_disk(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match="cannot be written: No space left on device"):
        simulate(tmp_path, engines=1)
    assert contents(tmp_path) == {}


def test_hand_worked():
    values = np.array([[1, -0.0007, 100.0], [12, 0.00004, 84.93], [305, 0.25, 0.5]])
    text = fixed_point(values, [0, 4, 1], b" \n")
    assert text == b"1 -0.0007 100.0  \n12 0.0000 84.9  \n305 0.2500 0.5  \n"


def test_no_rows():
    assert fixed_point(np.empty((0, 3)), [0, 1, 2]) == b""


@pytest.mark.parametrize("decimals", [0, 1, 2, 4])
@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20))
def test_every_number_reads_back(decimals, integers):
    values = np.array(integers)[:, None] / 10**decimals
    lines = fixed_point(values, [decimals]).decode().splitlines()
    expected = [f"{value:.{decimals}f} " for value in values[:, 0]]
    assert lines == [line.replace("-0 ", "0 ") if line == "-0 " else line for line in expected]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_rounds_to_the_nearest(numbers):
    values = np.array(numbers)[:, None]
    found = [float(line) for line in fixed_point(values, [2]).split()]
    assert np.abs(np.array(found) - values[:, 0]).max() <= 0.005 + 1e-9
