"""RUL and health classes: hand-worked values and properties."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.data.columns import SUBSETS, file_name
from cmapss_rul.data.labels import (
    cap_rul,
    health_class_names,
    health_classes,
    run_to_failure_rul,
    truncated_rul,
)
from cmapss_rul.data.reader import read_fleet, read_rul
from tests.data._fleets import fleet_of, lives

boundaries = st.lists(st.integers(1, 150), min_size=1, max_size=5, unique=True).map(
    lambda found: tuple(sorted(found, reverse=True))
)


def test_rul_counts_down_to_0_at_the_failure_cycle():
    assert run_to_failure_rul(fleet_of(3, 1, 2)).tolist() == [2, 1, 0, 0, 1, 0]


def test_rul_of_a_truncated_record_ends_at_the_given_rul():
    rows = truncated_rul(fleet_of(3, 1, 2), np.array([10, 0, 7]))
    assert rows.tolist() == [12, 11, 10, 0, 8, 7]
    assert rows.dtype == np.int64


@given(lives)
def test_rul_falls_by_one_a_cycle_and_is_0_only_at_the_end(lengths):
    fleet = fleet_of(*lengths)
    rul = run_to_failure_rul(fleet)
    life = np.repeat(fleet.lengths, fleet.lengths)
    assert (rul + fleet.cycle == life).all()
    assert np.flatnonzero(rul == 0).tolist() == (fleet.starts + fleet.lengths - 1).tolist()


@given(lives, st.data())
def test_a_truncated_record_has_the_labels_of_the_whole_one(lengths, data):
    whole = fleet_of(*lengths)
    kept = [data.draw(st.integers(1, length)) for length in lengths]
    cut = fleet_of(*kept)
    left = np.array(lengths) - np.array(kept)
    expected = run_to_failure_rul(whole)[np.concatenate(
        [np.arange(start, start + keep) for start, keep in zip(whole.starts, kept, strict=True)]
    )]  # fmt: skip
    assert (truncated_rul(cut, left) == expected).all()


@given(st.lists(st.integers(0, 600), min_size=1), st.integers(1, 300))
def test_the_cap_changes_only_values_above_it(rul, cap):
    labels = cap_rul(np.array(rul), cap)
    assert labels.tolist() == [cap if value > cap else value for value in rul]


def test_five_classes_by_hand():
    classes = health_classes(np.arange(126), (125, 100, 50, 25), 125)
    ranges = {0: (125, 125), 1: (101, 124), 2: (51, 100), 3: (26, 50), 4: (0, 25)}
    for number, (low, high) in ranges.items():
        assert np.flatnonzero(classes == number).tolist() == list(range(low, high + 1))


@pytest.mark.parametrize(
    ("bounds", "cap", "expected"),
    [
        ((125, 50), 125, {125: 0, 124: 1, 51: 1, 50: 2, 0: 2}),
        ((80, 30), 125, {125: 0, 81: 0, 80: 1, 31: 1, 30: 2, 0: 2}),
        ((50, 15), 125, {125: 0, 51: 0, 50: 1, 16: 1, 15: 2}),
        ((125, 50), 130, {130: 0, 126: 0, 125: 1, 124: 1, 50: 2}),
    ],
)
def test_published_boundaries_by_hand(bounds, cap, expected):
    found = health_classes(np.array(list(expected)), bounds, cap)
    assert found.tolist() == list(expected.values())


@given(boundaries, st.integers(1, 150), st.lists(st.integers(0, 600), min_size=1))
def test_the_class_follows_the_written_rule(bounds, cap, rul):
    """RUL ≤ b is the worse side of each b, but on a boundary equal to the cap it is RUL < b."""

    def slowly(value):
        worse = 0
        for bound in bounds:
            if value < bound or (value == bound and bound != cap):
                worse += 1
        return worse

    labels = cap_rul(np.array(rul), cap)
    assert health_classes(labels, bounds, cap).tolist() == [slowly(value) for value in labels]


@given(boundaries, st.integers(1, 150))
def test_classes_decay_with_the_rul(bounds, cap):
    classes = health_classes(np.arange(cap + 1), bounds, cap)
    assert (np.diff(classes) <= 0).all()
    assert classes.max() <= len(bounds)


@pytest.mark.needs_data
@pytest.mark.parametrize("subset", SUBSETS)
def test_the_official_labels(official, subset):
    lowest = {"FD001": 7, "FD002": 6, "FD003": 6, "FD004": 6}
    highest = {"FD001": 145, "FD002": 194, "FD003": 145, "FD004": 195}
    over = {"FD001": 11, "FD002": 57, "FD003": 15, "FD004": 67}
    test = read_fleet(official / file_name("test", subset))
    rul = read_rul(official / file_name("RUL", subset), len(test.engines))
    rows = truncated_rul(test, rul)
    assert (rows[test.starts + test.lengths - 1] == rul).all()
    assert (rul.min(), rul.max()) == (lowest[subset], highest[subset])
    assert (rul > 125).sum() == over[subset]


@pytest.mark.parametrize(
    ("bounds", "cap"), [((125, 50), 125), ((80, 30), 125), ((125, 100, 50, 25), 125)]
)
def test_names_of_classes_state_their_rul(bounds, cap):
    names = health_class_names(bounds, cap)
    for rul in range(cap + 1):
        (health,) = health_classes(np.array([rul]), bounds, cap)
        low, *high = map(int, re.findall(r"\d+(?=[–)])", names[health]))
        assert low <= rul <= (high or [cap])[0]
