import pytest
import torch
from pydantic import ValidationError

from cmapss_rul.balancers.fixed import FixedConfig


@pytest.mark.parametrize(
    ("options", "total", "weights"),
    [
        ({}, 402.0, [1.0, 1.0]),
        ({"weights": [0.5, 3]}, 206.0, [0.5, 3.0]),
        ({"divisors": [100, 1]}, 6.0, [0.01, 1.0]),
        ({"weights": [2, 3], "divisors": [100, 4]}, 9.5, [0.02, 0.75]),
    ],
)
def test_by_hand(options, total, weights):
    balanced = FixedConfig(**options).build()(torch.tensor([400.0, 2.0]))
    torch.testing.assert_close(balanced.total, torch.tensor(total))
    torch.testing.assert_close(balanced.weights, torch.tensor(weights))


def test_weights_given_as_text_are_numbers():
    assert FixedConfig(weights=["1e-3", "2"]).weights == (0.001, 2.0)


@pytest.mark.parametrize("weights", [[1, 0], [-1, 1], [1], [1, 1, 1], [1, True], [1, 1e300]])
def test_other_weights_are_refused(weights):
    with pytest.raises(ValidationError, match="weights"):
        FixedConfig(weights=weights)


def test_scaling_one_loss_scales_its_gradient():
    balancer = FixedConfig().build()
    losses = torch.tensor([400.0, 2.0])
    assert balancer(losses).weights.equal(balancer(losses * 100).weights)


def test_weights_that_gradnorm_ended_with_can_be_given():
    config = FixedConfig(weights=[0.004431, 1.995569])
    torch.testing.assert_close(
        config.build()(torch.ones(2)).weights, torch.tensor([0.004431, 1.995569])
    )
