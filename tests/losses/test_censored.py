"""Losses of windows with only a lower bound of the RUL."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cmapss_rul.losses.health import UNKNOWN_CLASS, CrossEntropy
from cmapss_rul.losses.rul import HuberConfig, MSEConfig, WeightedMSEConfig

CONFIGS = [WeightedMSEConfig(), MSEConfig(), HuberConfig(delta=5)]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        # windows: known, 10 above 50; censored, 30 above its bound of 0; censored, 10 below 100
        # weights 2 − y / 100 at cap 100: 1.5, 2, 1
        (WeightedMSEConfig(), (1.5 * 100 + 0 + 1 * 100) / 4.5),
        (MSEConfig(), (100 + 0 + 100) / 3),
        (HuberConfig(delta=5), (5 * (10 - 2.5) + 0 + 5 * (10 - 2.5)) / 3),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_by_hand(config, expected):
    loss = config.build(cap=100)
    predicted, target = torch.tensor([60.0, 30, 90]), torch.tensor([50.0, 0, 100])
    censored = torch.tensor([False, True, True])
    assert float(loss(predicted, target, censored)) == pytest.approx(expected)
    # without censored records, the ordinary loss bit for bit
    assert torch.equal(loss(predicted, target), loss(predicted, target, torch.zeros(3).bool()))


windows = st.lists(
    st.tuples(st.floats(-50, 250, width=32), st.integers(0, 125), st.booleans()), min_size=1
)


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
@given(windows=windows)
def test_a_censored_window_never_pushes_its_prediction_down(config, windows):
    predicted, target, censored = (torch.tensor(part) for part in zip(*windows, strict=True))
    predicted, target = predicted.float().requires_grad_(), target.float()
    total, weight = config.build(cap=125).sum_and_weight(predicted, target, censored)
    (total / weight).backward()
    slope = predicted.grad[censored]
    assert (slope <= 0).all()
    above = predicted[censored] >= target[censored]
    assert (slope[above] == 0).all()
    # below the bound the same slope as that of a window whose RUL is the bound
    plain = predicted.detach().clone().requires_grad_()
    config.build(cap=125)(plain, target).backward()
    assert torch.equal(slope[~above], plain.grad[censored][~above])
    assert torch.equal(predicted.grad[~censored], plain.grad[~censored])


def test_a_window_of_unknown_class_does_not_count():
    logits = torch.tensor([[0.0, 0, 0], [9, -9, 3], [0, 0, 0]], requires_grad=True)
    classes = torch.tensor([0, UNKNOWN_CLASS, 2])
    for smoothing in (0.0, 0.1):
        loss = CrossEntropy(3, smoothing)
        total, weight = loss.sum_and_weight(logits, classes)
        assert float(weight) == 2
        assert loss(logits, classes).item() == pytest.approx(math.log(3))
    total.backward()
    assert (logits.grad[1] == 0).all()


def test_without_any_known_class_the_loss_is_0_and_not_nan():
    logits = torch.randn(4, 3, requires_grad=True)
    loss = CrossEntropy(3)(logits, torch.full((4,), UNKNOWN_CLASS))
    loss.backward()
    assert loss.item() == 0
    assert (logits.grad == 0).all()
