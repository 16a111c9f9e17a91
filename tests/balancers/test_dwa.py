import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torchjd.scalarization import DWA as Theirs

from cmapss_rul.balancers.dwa import DWAConfig

means = st.lists(
    st.tuples(st.floats(0.125, 5000, width=32), st.floats(0.0625, 10, width=32)),
    min_size=1,
    max_size=5,
)


def weights(epochs, **options):
    """Weights of the epoch after some of these mean losses."""
    balancer = DWAConfig(**options).build()
    for pair in epochs:
        balancer.epoch_end(torch.tensor(pair))
    return balancer(torch.ones(2)).weights


def test_first_two_epochs_have_weights_of_one():
    assert weights([]).tolist() == [1.0, 1.0]
    assert weights([(4000.0, 1.25)]).tolist() == [1.0, 1.0]


def test_third_epoch_by_hand():
    # q = (1000/4000, 1/1.25) = (0.25, 0.8); over T = 2: (0.125, 0.4); w₁ = 2 / (1 + e^0.275)
    found = weights([(4000.0, 1.25), (1000.0, 1.0)])
    first = 2 / (1 + math.exp(0.275))
    torch.testing.assert_close(found, torch.tensor([first, 2 - first]))


def test_only_the_last_two_epochs_count():
    assert weights([(9.0, 3.0), (7.0, 7.0), (4.0, 2.0), (1.0, 1.0)]).equal(
        weights([(4.0, 2.0), (1.0, 1.0)])
    )


def test_total_by_hand():
    balancer = DWAConfig(temperature=1).build()
    for pair in [(1.0, 1.0), (1.0, 1 + math.log(3))]:  # q = (1, 1 + ln 3): w = 2 (¼, ¾)
        balancer.epoch_end(torch.tensor(pair))
    torch.testing.assert_close(balancer(torch.tensor([10.0, 2.0])).total, torch.tensor(8.0))
    assert list(balancer.diagnostics(torch.ones(2))) == ["next_weight_rul", "next_weight_health"]


@given(means, st.floats(0.5, 10))
def test_the_same_as_torchjds(epochs, temperature):
    theirs = Theirs(temperature)
    for pair in epochs:
        theirs(torch.tensor(pair))
        theirs.step()
    losses = torch.ones(2, requires_grad=True)
    theirs(losses).backward()
    torch.testing.assert_close(weights(epochs, temperature=temperature), losses.grad)


@given(means)
def test_weights_sum_to_two(epochs):
    assert weights(epochs).sum().item() == pytest.approx(2)


def test_unit_of_a_loss_does_not_matter_to_the_weights_and_so_it_does_to_the_total():
    plain, scaled = (weights([(4 * by, 1.0), (2 * by, 1.0)]) for by in (1.0, 100.0))
    torch.testing.assert_close(plain, scaled)


def test_a_step_changes_nothing():
    balancer = DWAConfig().build()
    before = {name: value.clone() for name, value in balancer.state_dict().items()}
    balancer(torch.tensor([4000.0, 1.25]))
    assert all(value.equal(before[name]) for name, value in balancer.state_dict().items())


def test_weights_given_out_are_not_changed_by_the_end_of_an_epoch():
    balancer = DWAConfig().build()
    for pair in [(4.0, 1.0), (2.0, 1.0)]:
        given_out = balancer(torch.ones(2)).weights
        balancer.epoch_end(torch.tensor(pair))
    assert given_out.tolist() == [1.0, 1.0]


def test_a_loss_that_was_zero_leaves_positive_weights():
    found = weights([(0.0, 1.0), (5.0, 1.0)])
    torch.testing.assert_close(found, torch.tensor([2.0, 1e-8]))
    assert weights([(0.0, 0.0), (0.0, 0.0)]).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("temperature", [0, -1, 1e7])
def test_other_temperatures_are_refused(temperature):
    with pytest.raises(ValidationError, match="temperature"):
        DWAConfig(temperature=temperature)
