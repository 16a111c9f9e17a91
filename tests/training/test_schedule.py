"""Learning rate schedules, compared with PyTorch's, for any number of epochs."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cmapss_rul.training.schedule import (
    ConstantConfig,
    CosineConfig,
    PlateauConfig,
    warmup_factor,
)
from cmapss_rul.training.step import StepPlan
from tests.training.inputs import tiny_config


def test_cosine_by_hand():
    cosine = CosineConfig(final=0.2).build()
    factors = [cosine.factor(progress) for progress in (0, 1 / 3, 0.5, 1)]
    assert factors == pytest.approx([1, 0.8, 0.6, 0.2])
    assert cosine.depends_on_length


def test_constant():
    constant = ConstantConfig().build()
    constant.epoch_end(5.0)
    assert constant.factor(0.7) == 1.0
    assert not constant.depends_on_length
    assert constant.state_dict() == {}


@given(
    st.lists(st.sampled_from([1.0, 2.0, 3.0]) | st.floats(0.1, 5), max_size=40),
    st.integers(0, 4),
)
def test_plateau_equals_pytorchs(figures, patience):
    mine = PlateauConfig(decay=0.5, patience=patience, floor=0.05).build()
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=0.5, patience=patience, threshold=0, min_lr=0.05, eps=0
    )
    for figure in figures:
        mine.epoch_end(figure)
        theirs.step(figure)
        assert mine.factor(0.3) == pytest.approx(optimiser.param_groups[0]["lr"])


@given(st.lists(st.floats(0.1, 5), max_size=20), st.lists(st.floats(0.1, 5), max_size=20))
def test_plateau_resumes_from_its_state(before, after):
    first, second = (PlateauConfig(patience=1).build() for _ in range(2))
    for figure in before:
        first.epoch_end(figure)
    second.load_state_dict(first.state_dict())
    for figure in after:
        first.epoch_end(figure)
        second.epoch_end(figure)
    assert first.state_dict() == second.state_dict()


def test_plateau_never_falls_below_its_floor():
    plateau = PlateauConfig(decay=0.1, patience=0, floor=0.02).build()
    for _ in range(5):
        plateau.epoch_end(1.0)
    assert plateau.factor(0.0) == 0.02
    assert plateau.best == 1.0


def test_warmup_by_hand():
    assert [warmup_factor(step, 4) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert warmup_factor(0, 0) == 1.0


@given(st.integers(1, 50), st.integers(1, 30), st.floats(0, 100))
def test_warmup_shrinks_with_the_run(epochs, per_epoch, warmup):
    config = tiny_config("anywhere", train={"epochs": epochs, "warmup": warmup})
    plan = StepPlan.count(config, per_epoch)
    assert plan.steps == epochs * per_epoch
    assert 0 <= plan.warmup <= plan.steps / 2
    assert plan.warmup <= math.ceil(warmup * per_epoch)


@pytest.mark.parametrize(
    "wrong",
    [(PlateauConfig, {"decay": 1}), (PlateauConfig, {"floor": 2}), (CosineConfig, {"final": -1})],
)
def test_wrong_values_are_refused(wrong):
    config, keys = wrong
    with pytest.raises(ValidationError):
        config(**keys)
