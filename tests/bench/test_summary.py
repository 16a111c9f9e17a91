"""Medians, spreads and keys of the result, by hand."""

import pytest

from cmapss_rul.bench.measurement import Summary, look_up, nest_keys, summarise_ratios


def test_the_spread_is_the_distance_between_the_quartiles():
    # quartiles of 1, 2, 4, 8, interpolated: 1.75, 3 and 5
    assert Summary.of([8, 1, 4, 2]) == Summary(3.0, 3.25)
    assert Summary.of([7.0]) == Summary(7.0, 0.0)


def test_a_ratio_is_taken_turn_by_turn():
    """Both turns of the second pair were slowed down tenfold, without effect on the ratio."""
    assert summarise_ratios([2, 20, 2], [1, 10, 1]) == Summary(2.0, 0.0)


def test_the_ratio_of_medians_would_be_another():
    # pairs 4, 3 and 1/2, so 3; the medians are 4 and 2, which would give 2
    assert summarise_ratios([4, 6, 4], [1, 2, 8]) == Summary(3.0, 1.75)


def test_turns_without_a_pair_are_refused():
    with pytest.raises(ValueError, match="shorter"):
        summarise_ratios([1, 2], [1])


def test_a_figure_becomes_two_keys_side_by_side():
    flat = {
        "step.seconds": Summary(0.5, 0.25),
        "published.step.seconds": Summary(1.0, 0.0),
        "loader.rates": {"30": Summary(3.0, 1.0), "60": Summary(2.0, 0.5)},
        "loader.peer": None,
        "accuracy.seeds": [{"seed": 0}],
        "inference.ms": {"p50": 1.5},
        "subset": "FD001",
    }
    assert nest_keys(flat) == {
        "step": {"seconds": 0.5, "seconds_spread": 0.25},
        "published": {"step": {"seconds": 1.0, "seconds_spread": 0.0}},
        "loader": {
            "rates": {"30": 3.0, "60": 2.0},
            "rates_spread": {"30": 1.0, "60": 0.5},
            "peer": None,
        },
        "accuracy": {"seeds": [{"seed": 0}]},
        "inference": {"ms": {"p50": 1.5}},
        "subset": "FD001",
    }


def test_looking_a_key_up():
    result = {"a": {"b": {"c": 1}}, "d": 2}
    assert look_up(result, "a.b.c") == 1
    assert look_up(result, "a.x.c") is None
    assert look_up(result, "d.e") is None
