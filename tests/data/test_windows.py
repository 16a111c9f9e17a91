"""Windows: comparison with a slow reference, counts and memory."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.data.columns import SUBSETS
from cmapss_rul.data.reader import read_fleet
from cmapss_rul.data.windows import Windows
from tests.data._fleets import fleet_of, lives

INSIDE = {  # windows that lie wholly inside a record: protocol of the project, computed once
    ("train", 30): (17_731, 46_219, 21_820, 54_028),
    ("train", 60): (14_731, 38_419, 18_820, 46_558),
    ("test", 30): (10_196, 26_505, 13_696, 34_081),
    ("test", 60): (7_351, 19_290, 10_762, 27_161),
}
SHORT_TEST_ENGINES = {30: (0, 6, 0, 11), 60: (12, 38, 6, 26)}


def series_of(fleet):
    """Two features that identify their row."""
    rows = torch.arange(fleet.rows, dtype=torch.float32)
    return torch.stack([rows, -rows], dim=1)


def slowly(series, fleet, length):
    """Every window as lists, cycle by cycle."""
    windows = []
    for start, life in zip(fleet.starts, fleet.lengths, strict=True):
        record = series[start : start + life].tolist()
        for end in range(1, life + 1):
            history = record[:end]
            windows.append(([history[0]] * length + history)[-length:])
    return windows


@given(lives, st.integers(1, 15))
def test_windows_equal_the_slow_reference(lengths, length):
    fleet = fleet_of(*lengths)
    series = series_of(fleet)
    windows = Windows.every_cycle(series, fleet, length)
    assert len(windows) == fleet.rows
    found = windows.gather(torch.arange(len(windows)))
    assert found.shape == (fleet.rows, length, 2)
    assert found.tolist() == slowly(series, fleet, length)


@given(lives, lives, st.integers(1, 15))
def test_concatenated_sets_have_the_windows_of_each(one, other, length):
    parts = [
        Windows.every_cycle(series_of(fleet) + 1000 * number, fleet, length)
        for number, fleet in enumerate((fleet_of(*one), fleet_of(*other)))
    ]
    joined = Windows.concatenate(parts)
    found = joined.gather(torch.arange(len(joined)))
    assert torch.equal(found, torch.cat([part.gather(torch.arange(len(part))) for part in parts]))
    assert torch.equal(joined.padded, torch.cat([part.padded for part in parts]))


@given(lives, st.integers(1, 15), st.data())
def test_any_batch_in_any_order_has_the_same_windows(lengths, length, data):
    fleet = fleet_of(*lengths)
    windows = Windows.every_cycle(series_of(fleet), fleet, length)
    everything = windows.gather(torch.arange(fleet.rows))
    index = torch.tensor(data.draw(st.lists(st.integers(0, fleet.rows - 1), min_size=1)))
    assert torch.equal(windows.gather(index), everything[index])
    some = windows.select(index)
    assert torch.equal(some.gather(torch.arange(len(index))), everything[index])
    assert torch.equal(some.padded, windows.padded[index])


@given(lives, st.integers(1, 15))
def test_the_last_windows_are_those_of_the_last_cycles(lengths, length):
    fleet = fleet_of(*lengths)
    series = series_of(fleet)
    last = Windows.last_cycle(series, fleet, length)
    every = Windows.every_cycle(series, fleet, length)
    rows = torch.from_numpy(fleet.starts + fleet.lengths - 1)
    assert torch.equal(last.gather(torch.arange(len(lengths))), every.gather(rows))
    assert last.padded.tolist() == [life < length for life in lengths]


def test_padding_repeats_the_first_cycle_of_the_engine():
    fleet = fleet_of(3, 2)
    windows = Windows.every_cycle(series_of(fleet), fleet, 4)
    rows = windows.gather(torch.arange(5))[:, :, 0].tolist()
    assert rows == [
        [0, 0, 0, 0],
        [0, 0, 0, 1],
        [0, 0, 1, 2],
        [3, 3, 3, 3],
        [3, 3, 3, 4],
    ]
    assert windows.padded.all()
    assert Windows.every_cycle(series_of(fleet), fleet, 2).padded.tolist() == [
        True, False, False, True, False,
    ]  # fmt: skip


def test_an_empty_index_gathers_no_windows():
    fleet = fleet_of(4, 2)
    windows = Windows.every_cycle(series_of(fleet), fleet, 3)
    assert windows.gather(torch.empty(0, dtype=torch.int64)).shape == (0, 3, 2)


def test_windows_share_the_series_and_take_two_numbers_each():
    fleet = fleet_of(500, 300)
    series = series_of(fleet)
    windows = Windows.every_cycle(series, fleet, 100)
    for some in (windows, windows.select(torch.arange(10)), windows.to(torch.device("cpu"))):
        assert some.series.data_ptr() == series.data_ptr()
        assert some.starts.numel() == some.ends.numel() == len(some)


def test_longer_windows_take_no_more_memory():
    fleet = fleet_of(50)
    short, long = (Windows.every_cycle(series_of(fleet), fleet, length) for length in (1, 10_000))
    assert vars(short).keys() == vars(long).keys()
    assert short.ends.numel() == long.ends.numel()


@pytest.mark.needs_data
@pytest.mark.parametrize("length", [30, 60])
@pytest.mark.parametrize("kind", ["train", "test"])
def test_the_official_counts(official, kind, length):
    for subset, inside in zip(SUBSETS, INSIDE[kind, length], strict=True):
        fleet = read_fleet(official / f"{kind}_{subset}.txt")
        series = torch.zeros(fleet.rows, 1)
        every = Windows.every_cycle(series, fleet, length)
        assert len(every) == fleet.rows
        assert int((~every.padded).sum()) == inside


@pytest.mark.needs_data
@pytest.mark.parametrize("length", [30, 60])
def test_the_official_test_engines_that_are_padded(official, length):
    for subset, short in zip(SUBSETS, SHORT_TEST_ENGINES[length], strict=True):
        fleet = read_fleet(official / f"test_{subset}.txt")
        last = Windows.last_cycle(torch.zeros(fleet.rows, 1), fleet, length)
        assert len(last) == len(fleet.engines)
        assert int(last.padded.sum()) == short


def test_rows_index_the_series_without_copying_it():
    fleet = fleet_of(4)
    windows = Windows.ending_at(series_of(fleet), fleet, np.array([1, 3]), 2)
    assert windows.ends.dtype == windows.starts.dtype == torch.int64
    assert windows.gather(torch.tensor([1]))[0, :, 0].tolist() == [2, 3]
