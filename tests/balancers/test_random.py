import pytest
import torch
from pydantic import ValidationError
from torchjd.scalarization import Random as Theirs

from cmapss_rul.balancers.random import RandomConfig

LOSSES = torch.tensor([4000.0, 1.25])


def seeded(make, seed=5):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def test_by_hand():
    first, second = seeded(lambda: torch.randn(2)).exp()
    total, weights = seeded(lambda: RandomConfig().build()(LOSSES))
    expected = torch.stack([first, second]) / (first + second)
    torch.testing.assert_close(weights, expected)
    torch.testing.assert_close(total, (expected * LOSSES).sum())


def test_the_same_as_torchjds():
    theirs = seeded(lambda: Theirs()(LOSSES))
    torch.testing.assert_close(seeded(lambda: RandomConfig().build()(LOSSES)).total, theirs)


def test_each_step_draws_anew_from_the_global_generator():
    balancer = RandomConfig().build()
    one, two = seeded(lambda: [balancer(LOSSES).weights for _ in range(2)])
    assert not one.equal(two)
    assert seeded(lambda: balancer(LOSSES).weights).equal(one)
    assert not seeded(lambda: balancer(LOSSES).weights, seed=6).equal(one)
    assert balancer.state_dict() == {}


def test_weights_sum_to_one_and_are_even_in_the_mean():
    balancer = RandomConfig().build()
    drawn = seeded(lambda: torch.stack([balancer(LOSSES).weights for _ in range(2000)]))
    torch.testing.assert_close(drawn.sum(dim=1), torch.ones(2000))
    # The standard deviation of one weight is 0.293, of the mean of 2,000 so 0.0066.
    torch.testing.assert_close(drawn.mean(dim=0), torch.full((2,), 0.5), atol=0.03, rtol=0)
    # Var ln(w₁/w₂) = Var(z₁ − z₂) = 2
    assert (drawn[:, 0] / drawn[:, 1]).log().var().item() == pytest.approx(2, rel=0.15)


def test_there_are_no_options():
    with pytest.raises(ValidationError, match="seed"):
        RandomConfig(seed=3)
