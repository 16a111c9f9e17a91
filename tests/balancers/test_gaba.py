"""GABA: weights inverse to the gradient norms, by hand, and what they are invariant to."""

import pytest
import torch
from pydantic import ValidationError

from cmapss_rul.balancers.gaba import GABAConfig
from tests.balancers.test_gradnorm import straight
from tests.balancers.variants import Toy

PLAIN = {"decay": 0, "uniform_steps": 0, "floor": 1e-9}


def weights_of(config, sizes, steps=1):
    balancer = config.build()
    for _ in range(steps):
        shared, losses = straight(sizes)
        balanced = balancer(losses, shared)
    return balanced.weights.tolist()


def test_weights_by_hand():
    # g = (3, 1): λ₁ = 1/4, λ₂ = 3/4; the total is ¼·3·3 + ¾·1·3
    shared, losses = straight((3.0, 1.0))
    total, weights = GABAConfig(**PLAIN).build()(losses, shared)
    assert weights.tolist() == [0.25, 0.75]
    assert total.item() == 4.5
    total.backward()
    assert shared.grad.tolist() == [1.5, 0.0]  # constants: λ₁ g₁ + λ₂ g₂ and nothing more


def test_the_first_steps_are_uniform_while_the_mean_moves():
    config = GABAConfig(decay=0.5, uniform_steps=2, floor=1e-9)
    assert weights_of(config, (3.0, 1.0), steps=2) == [0.5, 0.5]
    # μ₁ after three steps from ½ towards ¼: ½ → 0.375 → 0.3125 → 0.28125
    assert weights_of(config, (3.0, 1.0), steps=3) == pytest.approx([0.28125, 0.71875])


def test_defaults_are_the_books():
    assert GABAConfig().model_dump() == {
        "name": "gaba", "decay": 0.99, "uniform_steps": 100, "floor": 0.05,
    }  # fmt: skip


def test_the_floor_is_renormalised():
    # λ̂ = (1/450, 449/450): floored to 0.05, then divided by the sum
    floored = torch.tensor([0.05, 449 / 450])
    expected = (floored / floored.sum()).tolist()
    found = weights_of(GABAConfig(decay=0, uniform_steps=0), (449.0, 1.0))
    assert found == pytest.approx(expected, rel=1e-6)


def test_without_gradients_the_weights_are_uniform():
    assert weights_of(GABAConfig(**PLAIN), (0.0, 0.0)) == [0.5, 0.5]


def direction(config, scale):
    """Direction of the total gradient of the toy, the first loss multiplied by `scale`."""
    toy = Toy(torch.float64)
    losses = toy.losses() * torch.tensor([scale, 1.0], dtype=torch.float64)
    balancer = config.build().to(torch.float64)
    (gradient,) = torch.autograd.grad(balancer(losses, toy.shared).total, toy.shared)
    return gradient / gradient.norm(), gradient.norm().item()


def test_plain_weights_keep_the_direction_under_another_unit_of_a_loss_but_not_the_length():
    one, length = direction(GABAConfig(**PLAIN), 1.0)
    other, changed = direction(GABAConfig(**PLAIN), 1e-3)
    torch.testing.assert_close(one, other)
    assert changed < 0.5 * length


def test_with_running_weights_or_a_floor_the_unit_matters():
    for change in ({"decay": 0.9}, {"floor": 0.4}):
        config = GABAConfig(**{**PLAIN, **change})
        assert not torch.allclose(direction(config, 1.0)[0], direction(config, 1e-3)[0], atol=1e-3)


def test_both_tasks_pull_equally_hard():
    toy = Toy(torch.float64)
    losses = toy.losses()
    weights = GABAConfig(**PLAIN).build().to(torch.float64)(losses, toy.shared).weights
    norms = [torch.autograd.grad(loss, toy.shared, retain_graph=True)[0].norm() for loss in losses]
    assert weights[0] * norms[0] == pytest.approx((weights[1] * norms[1]).item())
    assert weights.sum().item() == pytest.approx(1)


def test_ranks_average_gradients_before_the_norm():
    balancer = GABAConfig(**PLAIN).build()
    balancer.reduce_gradient = lambda gradient: gradient + torch.tensor([0.0, 4.0])
    shared, losses = straight((3.0, 0.0))  # norms of (3, 4) and (0, 4)
    assert balancer(losses, shared).weights.tolist() == pytest.approx([4 / 9, 5 / 9])


def test_it_needs_the_shared_weights():
    with pytest.raises(ValueError, match="last shared layer"):
        GABAConfig().build()(torch.ones(2))


@pytest.mark.parametrize(
    "wrong", [{"floor": 0.5}, {"floor": 0}, {"decay": 1}, {"uniform_steps": -1}]
)
def test_invalid_options(wrong):
    with pytest.raises(ValidationError):
        GABAConfig(**wrong)
