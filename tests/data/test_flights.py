"""N-CMAPSS: the columns read, conversion of flights to rows, and refusals."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cmapss_rul.data import flights as module
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.flights import flight_provenance, flight_row, phases, raw_columns, read_flights
from cmapss_rul.data.labels import run_to_failure_rul
from cmapss_rul.data.ncmapss import FILES
from cmapss_rul.data.preprocess import _smooth
from cmapss_rul.data.windows import Windows
from cmapss_rul.system.errors import DataError

h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'cmapss_rul[ncmapss]'")

from scripts.synthetic_ncmapss import DS02, write_ncmapss  # noqa: E402  # it imports h5py

UNITS = {"dev": {2: 4, 5: 3}, "test": {11: 3}}
NAME = FILES["DS02"].file


@pytest.fixture
def file(tmp_path):
    return write_ncmapss(tmp_path / NAME, UNITS, seconds=90)


def values_of(path, **options):
    return read_flights(path, "dev", virtual=False, **options).records.fleet.values


def test_each_row_is_a_flight_with_unit_and_rul_of_the_file(file):
    found = read_flights(file, "dev", virtual=False)
    fleet = found.records.fleet
    assert found.records.names == [2, 5]
    assert fleet.engine.tolist() == [1, 1, 1, 1, 2, 2, 2]
    assert fleet.cycle.tolist() == [1, 2, 3, 4, 1, 2, 3]
    assert found.rul.tolist() == [0, 0]
    assert fleet.columns == raw_columns(virtual=False)
    assert fleet.values.shape == (7, 3 + 12 * 18)
    assert "RUL" not in fleet.columns
    assert read_flights(file, "test", virtual=False).records.names == [11]
    assert len(read_flights(file, "dev", virtual=True).records.fleet.columns) == 3 + 12 * 32


def test_statistics_of_a_flight_by_hand():
    # 100 s up at 10 ft/s, 100 s level, 100 s down; another channel counts the seconds
    altitude = np.concatenate(
        [np.arange(0.0, 1000, 10), np.full(100, 1000.0), np.arange(1000.0, 0, -10)]
    )
    phase = phases(altitude)
    # the slope over a minute exceeds 5 ft/s where half of it is level
    assert np.flatnonzero(np.diff(phase)).tolist() == [99, 200]
    assert (phase[0], phase[150], phase[-1]) == (0, 1, 2)
    channels = np.zeros((300, 18))
    channels[:, 0], channels[:, 4] = altitude, np.arange(300)
    row = dict(zip(raw_columns(virtual=False), flight_row(channels), strict=True))
    assert [row[f"seconds_{name}"] for name in ("climb", "cruise", "descent")] == [100, 101, 99]
    assert row["T24_climb_mean"] == np.mean(range(100)) == 49.5
    assert row["T24_climb_std"] == pytest.approx(28.866070)  # √((100² − 1) ÷ 12)
    assert (row["T24_cruise_min"], row["T24_cruise_max"]) == (100, 200)
    assert row["alt_cruise_mean"] == 1000


def test_a_missing_phase_has_the_statistics_of_the_flight():
    channels = np.zeros((50, 18))
    channels[:, 0], channels[:, 4] = 9000, np.arange(50)
    row = dict(zip(raw_columns(virtual=False), flight_row(channels), strict=True))
    assert (row["seconds_climb"], row["seconds_cruise"], row["seconds_descent"]) == (0, 50, 0)
    assert row["T24_climb_mean"] == row["T24_cruise_mean"] == 24.5


def test_each_row_is_one_second_out_of_a_stride(file):
    found = read_flights(file, "dev", virtual=False, stride=40)
    fleet = found.records.fleet
    with h5py.File(file) as h5:
        index, scenario, sensors = (np.asarray(h5[f"{name}_dev"]) for name in ("A", "W", "X_s"))
    expected, cycle = [], []
    for unit, number in ((2, 1), (2, 2), (2, 3), (2, 4), (5, 1), (5, 2), (5, 3)):
        (rows,) = np.nonzero((index[:, 0] == unit) & (index[:, 1] == number))
        kept = rows[0] + np.arange(0, len(rows), 40)  # seconds 1, 41, 81, … of each flight
        expected.append(np.hstack([scenario[kept], sensors[kept]]))
        cycle += [number] * len(kept)
    np.testing.assert_array_equal(fleet.values, np.concatenate(expected))
    assert fleet.cycle.tolist() == cycle
    assert fleet.columns == raw_columns(virtual=False, seconds=True)
    assert fleet.columns[:5] == ("alt", "Mach", "TRA", "T2", "T24")
    assert (found.records.names, found.rul.tolist(), fleet.seconds) == ([2, 5], [0, 0], True)
    assert run_to_failure_rul(fleet).tolist() == [
        {2: 4, 5: 3}[unit] - number
        for unit, number in zip(np.array([2, 5])[fleet.engine - 1], cycle, strict=True)
    ]
    # entries of another stride, and of flights, stand beside these
    assert read_flights(file, "dev", virtual=False, stride=80).records.fleet.rows < fleet.rows
    assert values_of(file).shape == (7, 3 + 12 * 18)
    assert len(read_flights(file, "dev", virtual=True, stride=40).records.fleet.columns) == 32


def test_windows_and_smoothing_stay_within_a_flight():
    # unit 1: flights of 3 and 2 rows; unit 2: a flight of 2 rows
    rows = np.arange(7.0)[:, None]
    engine, cycle = np.array([1, 1, 1, 1, 1, 2, 2]), np.array([1, 1, 1, 2, 2, 1, 1])
    fleet = replace(Fleet.from_rows(engine, cycle, rows, ("x",)), seconds=True)
    assert fleet.cycle_starts.tolist() == [0, 3, 5]
    assert fleet.cycle_ends.tolist() == [2, 4, 6]
    assert fleet.cycles_seen.tolist() == [1, 1, 1, 2, 2, 1, 1]
    windows = Windows.every_cycle(torch.arange(7.0)[:, None], fleet, 3)
    assert windows.gather(torch.arange(7)).squeeze(-1).tolist() == [
        [0, 0, 0], [0, 0, 1], [0, 1, 2], [3, 3, 3], [3, 3, 4], [5, 5, 5], [5, 5, 6],
    ]  # fmt: skip
    assert windows.padding(torch.arange(7)).tolist() == [2, 1, 0, 2, 1, 2, 1]
    assert windows.padded.tolist() == [True, True, False, True, True, True, True]
    # engines weigh the same, and calibration counts engines
    assert windows.engine_starts.tolist() == [0, 0, 0, 0, 0, 5, 5]
    assert windows.record_lengths.tolist() == [1, 2, 3, 4, 5, 1, 2]
    part = Windows.concatenate([windows.select(torch.tensor([4, 6])), windows])
    assert part.engine_starts.tolist() == [0, 5, 7, 7, 7, 7, 7, 12, 12]
    smoothed = rows.astype(np.float32)
    _smooth(smoothed, fleet, 0.5)
    assert smoothed.ravel().tolist() == [0, 0.5, 1.25, 3, 3.5, 5, 5.5]
    first = fleet.select_engines(np.array([1]))
    assert first.cycle_ends.tolist() == [2, 4]
    plain = replace(fleet, seconds=False, cycle=np.array([1, 2, 3, 4, 5, 1, 2]))
    assert plain.cycle_ends.tolist() == [*range(7)]
    assert plain.cycles_seen.tolist() == [1, 2, 3, 4, 5, 1, 2]


@pytest.mark.parametrize("stride", [None, 30])
def test_hidden_health_parameters_are_never_read(file, monkeypatch, stride):
    """Neither T nor hs; X_v only on request; Y only for labels; no test unit."""
    read = set()
    plain = h5py.Dataset.__getitem__

    def spy(dataset, rows, *args):
        columns = rows[1] if isinstance(rows, tuple) and len(rows) > 1 else "all"
        read.add((dataset.name, columns))
        return plain(dataset, rows, *args)

    monkeypatch.setattr(h5py.Dataset, "__getitem__", spy)
    values_of(file, stride=stride)
    assert {name for name, _ in read} == {"/A_dev", "/W_dev", "/X_s_dev", "/Y_dev"}
    assert {columns for name, columns in read if name == "/A_dev"} == {0, 1}
    read.clear()
    read_flights(file, "test", virtual=True, stride=stride, labels=False)
    assert {name for name, _ in read} == {"/A_test", "/W_test", "/X_s_test", "/X_v_test"}


@pytest.mark.parametrize("stride", [None, 30])
def test_poisoned_health_changes_nothing(file, tmp_path, stride):
    before = values_of(file, stride=stride)
    other = tmp_path / "poisoned" / NAME
    other.parent.mkdir()
    other.write_bytes(file.read_bytes())
    with h5py.File(other, "r+") as h5:
        for part in ("dev", "test"):
            h5[f"T_{part}"][:] = np.nan
            h5[f"X_v_{part}"][:] = np.nan
            h5[f"A_{part}"][:, 2:] = np.nan
            h5["A_test"][:] = np.nan  # test units do not matter either
    np.testing.assert_array_equal(values_of(other, stride=stride), before)


def test_labels_are_not_among_the_values(file, tmp_path):
    before = values_of(file)
    # the same records, of units that fly on: other labels
    shifted = write_ncmapss(tmp_path / "b.h5", UNITS, seconds=90)
    with h5py.File(shifted, "r+") as h5:
        h5["Y_dev"][:] = np.asarray(h5["Y_dev"]) + 5
    found = read_flights(shifted, "dev", virtual=False)
    assert found.rul.tolist() == [5, 5]
    np.testing.assert_array_equal(found.records.fleet.values, before)


@pytest.mark.parametrize("stride", [None, 30])
def test_the_second_call_reads_the_cache(file, monkeypatch, stride):
    before = values_of(file, stride=stride)
    monkeypatch.setattr(module, "open_flight_file", lambda *_, **__: pytest.fail("opened"))
    np.testing.assert_array_equal(values_of(file, stride=stride), before)


@pytest.mark.parametrize("stride", [None, 30])
def test_an_interrupted_conversion_resumes_at_the_next_unit(file, tmp_path, monkeypatch, stride):
    whole = shutil.copy(file, tmp_path / "whole.h5")
    expected = values_of(whole, stride=stride)
    converted, plain = [], module._unit_rows

    def interrupted(source, flights, entries):
        if flights[0].unit == 5 and not converted.count(5):
            converted.append(5)
            raise KeyboardInterrupt
        converted.append(flights[0].unit)
        return plain(source, flights, entries)

    monkeypatch.setattr(module, "_unit_rows", interrupted)
    with pytest.raises(KeyboardInterrupt):
        values_of(file, stride=stride)
    np.testing.assert_array_equal(values_of(file, stride=stride), expected)
    assert converted == [2, 5, 5]


def test_a_damaged_entry_is_rewritten(file):
    before = values_of(file)
    entry = next((file.parent / "cache").glob("*-dev-5-*.rows"))
    entry.write_bytes(entry.read_bytes()[:-8])
    np.testing.assert_array_equal(values_of(file), before)


def test_an_unwritable_cache_is_not_used(file):
    (file.parent / "cache").write_text("in the way")
    assert values_of(file).shape[0] == 7


def test_columns_are_found_by_their_names(file, tmp_path):
    before = values_of(file)
    other = tmp_path / "other.h5"
    with h5py.File(file) as source, h5py.File(other, "w") as target:
        for name in source:
            data = np.asarray(source[name])
            if name.startswith(("X_s", "W", "A")):
                data = data[..., ::-1]
            target[name] = data
    np.testing.assert_array_equal(values_of(other), before)


def test_provenance_is_recorded_once_and_marks_synthetic_files(file, monkeypatch):
    found = flight_provenance(file)
    assert (found.simulated, found.official, len(found.sha256)) == (True, False, 64)
    monkeypatch.setattr(module, "open_flight_file", lambda *_, **__: pytest.fail("opened"))
    assert flight_provenance(file) == found


def test_a_file_with_the_published_digest_is_official(file, monkeypatch):
    with h5py.File(file, "r+") as h5:
        del h5.attrs["simulated"]
        records = h5["A_dev"].shape[0], h5["A_test"].shape[0]
    assert not flight_provenance(file).official
    known = {**FILES, "DS02": module_facts(records)}
    monkeypatch.setattr("cmapss_rul.data.flight_file.FILES", known)
    file.touch()
    assert flight_provenance(file).official


def module_facts(records):
    return replace(FILES["DS02"], records=records)


def test_the_units_in_the_documents_are_those_of_the_writer():
    page = (Path(__file__).parents[2] / "docs/data.md").read_text(encoding="utf-8")
    (row,) = [line for line in page.splitlines() if line.startswith("| DS02 |")]
    units = [", ".join(map(str, DS02[part])) for part in ("dev", "test")]
    assert [cell.strip() for cell in row.split("|")[4:6]] == units


# ---- refusals ----------------------------------------------------------------------------


def change(**datasets):
    def edit(path):
        with h5py.File(path, "r+") as h5:
            for name, function in datasets.items():
                data = function(np.asarray(h5[name]))
                del h5[name]
                if data is not None:
                    h5[name] = data

    return edit


def put(row, column, value):
    def edit(data):
        data[row, column] = value
        return data

    return edit


def cut(path):
    path.write_bytes(path.read_bytes()[:-64])


def other_kind(path):
    with h5py.File(path, "w") as h5:
        h5["weights"] = np.zeros(3)


def unknown_filter(path):
    with h5py.File(path, "r+") as h5:
        del h5["X_s_dev"]
        rows = h5["A_dev"].shape[0]
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_chunk((rows, 14))
        properties.set_filter(32123, h5py.h5z.FLAG_OPTIONAL, (1,))
        space = h5py.h5s.create_simple((rows, 14))
        h5py.h5d.create(h5.id, b"X_s_dev", h5py.h5t.IEEE_F64LE, space, properties)


BAD = {
    "cut": (cut, "the file ends early; get it again"),
    "no HDF5": (lambda path: path.write_text("<html>"), "found no HDF5 file"),
    "another kind": (other_kind, "has no dataset A_dev; found weights"),
    "no X_s": (change(X_s_dev=lambda _: None), "has no dataset X_s_dev"),
    "no names": (change(W_var=lambda _: None), "has no readable W_var"),
    "another name": (change(X_s_var=lambda names: names[::-1][:13]), "has 13 names for 14 columns"),
    "unequal": (change(W_dev=lambda data: data[:-1]), "records in W_dev, expected"),
    "one column": (change(W_dev=lambda data: data[:, 0]), "expected numbers in rows and columns"),
    "NaN": (change(X_s_dev=put(3, 2, np.nan)), r"found nan in T48 \(X_s_dev\) in second 4 of"),
    "half a flight": (change(A_dev=put(0, 1, 1.5)), "cycle 1.5, expected whole numbers"),
    "no unit": (change(A_dev=put(0, 0, np.nan)), "found unit nan"),
    "order": (change(A_dev=lambda data: data[::-1]), "after flight"),
    "two places": (change(A_dev=put(-1, 0, 2)), "unit 2 in two places"),
    "label": (change(Y_dev=put(5, 0, 77)), r"found RUL 3 to 77 \(Y\) in flight 1 of unit 2"),
    "labels": (change(Y_dev=lambda data: data * 2), "falls by one per flight"),
    "filter": (unknown_filter, "compressed with filter 32123 .* h5repack"),
}  # fmt: skip


@pytest.mark.parametrize(("damage", "message"), BAD.values(), ids=BAD.keys())
def test_invalid_files_are_one_line(file, damage, message):
    damage(file)
    with pytest.raises(DataError, match=message) as caught:
        values_of(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match=r"a\.h5: cannot be read: No such file"):
        values_of(tmp_path / "a.h5")


def test_the_truncation_of_ds08d_is_reported(tmp_path):
    path = write_ncmapss(tmp_path / FILES["DS08d"].file, UNITS, seconds=90)
    cut(path)
    with pytest.raises(DataError, match="so does the one that NASA serves"):
        values_of(path)


def test_h5py_is_imported_only_for_these_files():
    code = "import sys, cmapss_rul.training.inputs as _; print('h5py' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_without_h5py_the_extra_is_named(file, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(DataError, match=r"pip install 'cmapss_rul\[ncmapss\]'"):
        values_of(file)


def test_the_list_of_units_is_plain_json(file):
    values_of(file)
    note = next((file.parent / "cache").glob("*-dev-*.json"))
    assert json.loads(note.read_text()) == [2, 5]
