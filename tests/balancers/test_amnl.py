import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cmapss_rul.balancers.amnl import AMNLConfig
from tests.balancers.variants import Toy


def test_by_hand_above_the_floors():
    total, weights = AMNLConfig().build()(torch.tensor([4000.0, 1.25]))
    assert total.item() == 1.0
    torch.testing.assert_close(weights, torch.tensor([0.000125, 0.4]))


def test_by_hand_below_the_floors():
    # ½ · 0.5 / 1 + ½ · 0.05 / 0.1
    total, weights = AMNLConfig().build()(torch.tensor([0.5, 0.05]))
    torch.testing.assert_close(total, torch.tensor(0.5))
    torch.testing.assert_close(weights, torch.tensor([0.5, 5.0]))


def test_floors_are_selectable():
    total, _ = AMNLConfig(floors=[10, 1]).build()(torch.tensor([5.0, 0.5]))
    assert total.item() == 0.5


@given(st.floats(1, 1e6, width=32), st.floats(0.125, 100, width=32))
def test_value_is_one_above_the_floors(rul, health):
    assert AMNLConfig().build()(torch.tensor([rul, health])).total.item() == 1.0


def test_gradient_is_that_of_the_mean_log_loss():
    toy = Toy(torch.float64)
    parameters = list(toy.parameters())
    total, _ = AMNLConfig().build()(toy.losses())
    found = torch.autograd.grad(total, parameters)
    expected = torch.autograd.grad(0.5 * toy.losses().log().sum(), parameters)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("factor", [torch.tensor([100.0, 1.0]), torch.tensor([1.0, 100.0])])
def test_scale_of_a_loss_does_not_matter_above_the_floors(factor):
    """The gradient's parts wᵢ∇(cᵢLᵢ) stay as they are, at once."""
    losses = torch.tensor([4000.0, 1.25])
    balancer = AMNLConfig().build()
    torch.testing.assert_close(balancer(losses * factor).weights * factor, balancer(losses).weights)


def test_scale_does_matter_below_the_floors():
    losses = torch.tensor([0.5, 0.05])
    balancer = AMNLConfig().build()
    assert balancer(losses / 100).weights.equal(balancer(losses).weights)


@pytest.mark.parametrize("floors", [[0, 1], [1, -1], [1]])
def test_other_floors_are_refused(floors):
    with pytest.raises(ValidationError, match="floors"):
        AMNLConfig(floors=floors)
