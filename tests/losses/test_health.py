import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cmapss_rul.losses.health import HealthLossConfig


def classes_that_occur(boundaries, cap):
    """Go through every label: its class is the number of boundaries it is on or below."""
    return {sum(rul < b if b == cap else rul <= b for b in boundaries) for rul in range(cap + 1)}


def test_cross_entropy_by_hand():
    # Logits (0, ln 3): probabilities ¼ and ¾; (0, 0): ½. −ln ¾ and −ln ½.
    loss = HealthLossConfig(boundaries=[50]).build()
    logits = torch.tensor([[0.0, math.log(3)], [0.0, 0.0]])
    found = loss(logits, torch.tensor([1, 0]))
    assert found.item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


def test_label_smoothing_by_hand():
    # ε = 0.2 over two classes: targets 0.9 and 0.1
    loss = HealthLossConfig(boundaries=[50], label_smoothing=0.2).build()
    found = loss(torch.tensor([[0.0, math.log(3)]]), torch.tensor([1]))
    assert found.item() == pytest.approx(0.9 * math.log(4 / 3) + 0.1 * math.log(4))


def test_terms_are_sum_and_count():
    total, count = (
        HealthLossConfig().build().sum_and_weight(torch.zeros(5, 3), torch.zeros(5).long())
    )
    assert total.item() == pytest.approx(5 * math.log(3))
    assert count.item() == 5


@pytest.mark.parametrize(
    ("logits", "classes"),
    [((4, 3), (4, 1)), ((4, 2), (4,)), ((4,), (4,)), ((1, 3), (4,)), ((4, 3, 4), (4, 4))],
)
def test_other_shapes_are_refused(logits, classes):
    with pytest.raises(ValueError) as caught:
        HealthLossConfig().build()(torch.zeros(logits), torch.zeros(classes).long())
    assert str(caught.value) == (
        "`logits` and `classes` should be [batch, 3] and [batch], "
        f"found {list(logits)} and {list(classes)}"
    )


def test_default_has_three_classes_under_the_default_cap():
    config = HealthLossConfig()
    assert config.boundaries == (125, 50)
    assert config.classes == config.build().classes == 3
    config.check(125)


@pytest.mark.parametrize(
    ("boundaries", "cap"),
    [((125, 50), 125), ((80, 30), 125), ((50, 15), 125), ((125, 100, 50, 25), 125), ((1,), 1)],
)
def test_published_boundaries_are_taken(boundaries, cap):
    HealthLossConfig(boundaries=boundaries).check(cap)
    assert classes_that_occur(boundaries, cap) == set(range(len(boundaries) + 1))


def test_boundary_over_the_cap_is_refused():
    with pytest.raises(ValueError) as caught:
        HealthLossConfig().check(120)
    assert str(caught.value) == (
        "no capped RUL lies above a boundary over the cap, so class 0 cannot occur: "
        "loss.health.boundaries should be at most data.cap, found [125, 50] and cap 120"
    )


def test_class_between_the_cap_and_the_cycle_below_is_refused():
    with pytest.raises(ValueError) as caught:
        HealthLossConfig(boundaries=[125, 124]).check(125)
    assert str(caught.value) == (
        "no whole RUL lies between the cap and the cycle below it, so class 1 cannot occur: "
        "the second of loss.health.boundaries should be below 124, "
        "found [125, 124] and cap 125"
    )
    HealthLossConfig(boundaries=[125, 123]).check(125)
    HealthLossConfig(boundaries=[125, 124]).check(126)


@given(st.sets(st.integers(1, 12), min_size=1, max_size=6), st.integers(1, 12))
def test_check_refuses_exactly_where_a_class_cannot_occur(boundaries, cap):
    config = HealthLossConfig(boundaries=sorted(boundaries, reverse=True))
    if classes_that_occur(config.boundaries, cap) == set(range(config.classes)):
        config.check(cap)
    else:
        with pytest.raises(ValueError, match="cannot occur"):
            config.check(cap)


@pytest.mark.parametrize("boundaries", [[50, 125], [50, 50], [125, 50, 60]])
def test_boundaries_that_are_not_descending_are_refused(boundaries):
    with pytest.raises(ValidationError) as caught:
        HealthLossConfig(boundaries=boundaries)
    assert f"should be descending, found {boundaries}" in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"boundaries": []},
        {"boundaries": [0]},
        {"boundaries": [-5]},
        {"boundaries": [50.5]},
        {"boundaries": [True]},
        {"boundaries": list(range(100, 30, -1))},
        {"label_smoothing": 1},
        {"label_smoothing": -0.1},
    ],
)
def test_other_options_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        HealthLossConfig(**options)


def test_repr_shows_the_options():
    assert repr(HealthLossConfig().build()) == "CrossEntropy(classes=3, label_smoothing=0.0)"
