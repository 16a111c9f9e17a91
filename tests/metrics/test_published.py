"""Published results: complete, plausible, and equal to their sources."""

import dataclasses

import pytest

from cmapss_rul.data.columns import SUBSETS as NAMES
from cmapss_rul.metrics.published import (
    FLIGHT_SUBSETS,
    HONEST_BAND,
    LEAKAGE_ALARM,
    OWN_SUBSET,
    PUBLISHED,
    REPRODUCED,
    SUBSETS,
    TRUST,
    VALIDATION,
    PublishedResult,
    Setup,
)


def by_method(start):
    (entry,) = (entry for entry in PUBLISHED if entry.method.startswith(start))
    return entry


def test_the_subsets_are_those_of_the_data():
    assert tuple(NAMES) == SUBSETS == tuple(HONEST_BAND)


def test_every_entry_is_whole():
    assert len({entry.method for entry in PUBLISHED}) == len(PUBLISHED) == 21
    for entry in PUBLISHED:
        assert entry.results.keys() <= {*SUBSETS, *FLIGHT_SUBSETS}
        assert entry.trust in TRUST
        for figure in entry.results.values():
            assert 5 < figure.rmse < 25
            assert figure.nasa is None or 100 < figure.nasa < 5000


def test_every_degree_of_trust_occurs():
    assert {entry.trust for entry in PUBLISHED} == set(TRUST)


@pytest.mark.parametrize(
    ("method", "subset", "figure"),
    [
        ("DCNN", "FD001", PublishedResult(12.61, 274)),
        ("DCNN", "FD004", PublishedResult(23.31)),
        ("FFVE", "FD003", PublishedResult(12.43, 302)),
        ("STAR", "FD002", PublishedResult(13.47, 784)),
        ("AMNL", "FD002", PublishedResult(6.74, sd=0.91)),
        ("CNN-BiLSTM", "FD001", PublishedResult(17.52, 922)),
        ("LightGBM", "DS02", PublishedResult(10.05, sd=0.43)),
        ("DKAMFormer 2025, N-CMAPSS", "DS02", PublishedResult(6.40)),
    ],
)
def test_results_as_printed(method, subset, figure):
    assert by_method(method).results[subset] == figure


def test_the_best_reproduced_results():
    """12.31, 12.55, 12.43 and 14.08: the reference for new results."""
    best = [
        min(entry.results[name].rmse for entry in PUBLISHED if entry.trust in REPRODUCED)
        for name in SUBSETS
    ]
    assert best == [12.31, 12.55, 12.43, 14.08]


def test_what_is_below_the_alarm_was_chosen_on_the_test_set():
    # the alarm is of last windows of C-MAPSS; every flight of N-CMAPSS is another figure
    for entry in PUBLISHED:
        if any(entry.results[name].rmse < LEAKAGE_ALARM for name in {*entry.results} & {*SUBSETS}):
            assert entry.trust == "chosen on the test set"


def test_reproduced_results_are_in_or_near_the_honest_band():
    for entry in PUBLISHED:
        if entry.trust in REPRODUCED:
            for name, figure in entry.results.items():
                low, high = HONEST_BAND[name]
                assert low - 0.1 <= figure.rmse <= high + 0.1


OURS = Setup(OWN_SUBSET, window=90, cap=125, cycle_count=False, selection=VALIDATION, seeds=5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, ""),
        ({"window": 30, "seeds": 1}, ""),
        ({"trained_on": "FD001, FD002"}, "trained on FD001, FD002"),
        ({"trained_on": None}, "training data not stated"),
        ({"cycle_count": True}, "made with the cycle count as an input"),
        ({"cycle_count": None}, "inputs not stated"),
        ({"cap": 130}, "with labels capped at 130"),
        ({"selection": "the test set"}, "with the epoch chosen by the test set"),
    ],
)
def test_training_data_inputs_labels_and_selection_have_to_agree(change, reason):
    assert OURS.why_not_comparable(dataclasses.replace(OURS, **change)) == reason


def test_only_reproduced_results_state_a_comparable_setup():
    comparable = {e.method for e in PUBLISHED if not OURS.why_not_comparable(e.setup)}
    assert comparable == {e.method for e in PUBLISHED if e.trust in REPRODUCED}
    with_count = dataclasses.replace(OURS, cycle_count=True)
    assert all(with_count.why_not_comparable(entry.setup) for entry in PUBLISHED)
