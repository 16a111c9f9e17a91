import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torchjd.scalarization import GeometricMean as Theirs

from cmapss_rul.balancers.amnl import AMNLConfig
from cmapss_rul.balancers.geometric_mean import GeometricMeanConfig

LOSSES = torch.tensor([4000.0, 0.1])


def test_by_hand():
    # √400 = 20; ½ · 20 / 4000 and ½ · 20 / 0.1
    total, weights = GeometricMeanConfig().build()(LOSSES)
    torch.testing.assert_close(total, torch.tensor(20.0))
    torch.testing.assert_close(weights, torch.tensor([0.0025, 100.0]))


def test_by_hand_at_a_zero_loss():
    # √(4 · 1e-8) = 2e-4; ½ · 2e-4 / 4 and ½ · 2e-4 / 1e-8
    losses = torch.tensor([4.0, 0.0], requires_grad=True)
    total, weights = GeometricMeanConfig().build()(losses)
    total.backward()
    torch.testing.assert_close(total.detach(), torch.tensor(2e-4))
    torch.testing.assert_close(weights, torch.tensor([2.5e-5, 1e4]))
    assert losses.grad.equal(weights)


def test_gradient_at_two_zero_losses_is_finite():
    losses = torch.zeros(2, requires_grad=True)
    GeometricMeanConfig().build()(losses).total.backward()
    torch.testing.assert_close(losses.grad, torch.tensor([0.5, 0.5]))


@given(st.floats(2**-10, 1e6), st.floats(2**-10, 1e3))
def test_the_same_as_torchjds_above_the_floor(rul, health):
    losses = torch.tensor([rul, health], dtype=torch.float64, requires_grad=True)
    balanced = GeometricMeanConfig().build()(losses)
    theirs = Theirs()(losses)
    torch.testing.assert_close(balanced.total, theirs)
    expected, found = (torch.autograd.grad(total, losses)[0] for total in (theirs, balanced.total))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(balanced.weights, expected)


@pytest.mark.parametrize("factor", [torch.tensor([100.0, 1.0]), torch.tensor([1.0, 100.0])])
def test_unit_of_a_loss_changes_the_gradients_size_alone(factor):
    """The parts wᵢ∇(cᵢLᵢ) all grow by √100, so that their ratio stays as it is."""
    balancer = GeometricMeanConfig().build()
    scaled, plain = balancer(LOSSES * factor).weights * factor, balancer(LOSSES).weights
    torch.testing.assert_close(scaled, 10 * plain)


def test_direction_is_that_of_amnl():
    losses = torch.tensor([4000.0, 1.25])
    ratios = GeometricMeanConfig().build()(losses).weights / AMNLConfig().build()(losses).weights
    torch.testing.assert_close(ratios, torch.full((2,), 5000**0.5))


@pytest.mark.parametrize("floor", [0, -1, 2])
def test_other_floors_are_refused(floor):
    with pytest.raises(ValidationError, match="floor"):
        GeometricMeanConfig(floor=floor)
