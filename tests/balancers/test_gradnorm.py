import pytest
import torch
from pydantic import ValidationError

from cmapss_rul.balancers.gradnorm import GradNormConfig
from cmapss_rul.model.network import NetworkConfig
from tests.balancers.variants import Toy

WEIGHTS = torch.tensor([3.0, 4.0])  # W, of norm 5


def straight(sizes, offsets=(0.0, 0.0)):
    """Losses that are straight in W, so that ‖∇_W Lᵢ‖ is sizes[i]: Lᵢ = sizeᵢ W₁ + offsetᵢ."""
    shared = WEIGHTS.clone().requires_grad_()
    return shared, torch.stack(
        [size * shared[0] + offset for size, offset in zip(sizes, offsets, strict=True)]
    )


def train(config, steps, sizes, offsets=lambda _: (0.0, 0.0)):
    """Weights after some steps of the balancer alone."""
    balancer = config.build()
    optimiser = balancer.optimiser()
    for step in range(steps):
        shared, losses = straight(sizes, offsets(step))
        optimiser.zero_grad()
        total, weights = balancer(losses, shared)
        total.backward()
        optimiser.step()
        assert weights.sum().item() == pytest.approx(2, abs=1e-6)
    return balancer, weights


def test_first_step_by_hand():
    # w = (1, 1), G = (450, 1), Ḡ = 225.5, r = (1, 1): total = 1350 + 3.
    # d gap / dw = (450, −1); dw₁/dv₁ = ½, dw₁/dv₂ = −½: gradient 225.5 and −225.5.
    shared, losses = straight((450.0, 1.0))
    balancer = GradNormConfig().build()
    total, weights = balancer(losses, shared)
    total.backward()
    assert total.item() == 1353.0
    assert weights.tolist() == [1.0, 1.0]
    torch.testing.assert_close(balancer.scores.grad, torch.tensor([225.5, -225.5]))
    assert shared.grad.tolist() == [451.0, 0.0]


def test_second_step_by_hand():
    # Losses fall from (10, 10) to (8, 2): ratios 0.8 and 0.2, mean 0.5, r = (1.6, 0.4).
    # G = (1, 1), Ḡ = 1, wanted r^1 = (1.6, 0.4): gap 0.6 + 0.6, d gap / dw = (−1, 1),
    # gradient of v = (−½ − ½, ½ + ½).
    balancer = GradNormConfig(alpha=1).build()
    shared, losses = straight((1.0, 1.0), (7.0, 7.0))
    balancer(losses, shared)
    shared, losses = straight((1.0, 1.0), (5.0, -1.0))
    balancer(losses, shared).total.backward()
    torch.testing.assert_close(balancer.scores.grad, torch.tensor([-1.0, 1.0]))
    rates = balancer.diagnostics(losses)
    assert rates["rate_rul"].item() == pytest.approx(1.6)
    assert rates["rate_health"].item() == pytest.approx(0.4)


def test_exponent_has_the_right_sign():
    """The task that has learned less gets more."""
    falling = [(7.0, 7.0), (7.0, -2.0)]
    _, weights = train(GradNormConfig(), 100, (1.0, 1.0), lambda step: falling[min(step, 1)])
    assert weights[0] > 1.2 > 0.8 > weights[1]


def test_gradients_end_up_even_without_alpha():
    # w₁ · 450 = w₂ · 1 with w₁ + w₂ = 2: w₁ = 2 / 451
    _, weights = train(GradNormConfig(alpha=0), 800, (450.0, 1.0))
    assert weights[0].item() == pytest.approx(2 / 451, rel=0.01)
    assert (weights > 0).all()


def test_gradients_end_up_in_the_ratio_of_the_rates():
    # r = (1.6, 0.4) at α = 1, sizes alike: w₁ = 1.6 and w₂ = 0.4
    _, weights = train(
        GradNormConfig(alpha=1), 300, (1.0, 1.0), lambda step: (5.0, -1.0) if step else (7.0, 7.0)
    )
    torch.testing.assert_close(weights, torch.tensor([1.6, 0.4]), rtol=0.1, atol=0)


def test_initial_losses_never_change():
    balancer, _ = train(GradNormConfig(), 5, (450.0, 1.0), lambda step: (-step, -step))
    assert balancer.first.tolist() == [1350.0, 3.0]


def test_first_losses_have_a_floor():
    balancer = GradNormConfig().build()
    shared, losses = straight((0.0, 1.0))
    balancer(losses, shared)
    torch.testing.assert_close(balancer.first, torch.tensor([1e-8, 3.0]))


def test_rates_come_from_unweighted_losses():
    balancer, weights = train(GradNormConfig(), 50, (450.0, 1.0))
    assert weights[0] < 0.9
    _, losses = straight((450.0, 1.0))
    assert [rate.item() for rate in balancer.diagnostics(losses).values()] == [1.0, 1.0]


def test_weights_loss_does_not_leak_into_the_network():
    """Only v gets its gradient; the network's are those of constant weights."""
    toy, balancer = Toy(torch.float64), GradNormConfig().build().double()
    total, _ = balancer(toy.losses(), toy.shared)
    total.backward()
    assert balancer.scores.grad.abs().min() > 1
    fixed = torch.autograd.grad(toy.losses().sum(), list(toy.parameters()))
    for parameter, expected in zip(toy.parameters(), fixed, strict=True):
        torch.testing.assert_close(parameter.grad, expected, rtol=1e-12, atol=1e-12)


def test_value_is_the_weighted_sum_alone():
    toy, balancer = Toy(), GradNormConfig().build()
    losses = toy.losses()
    assert balancer(losses, toy.shared).total.equal(losses.sum())


def test_scale_of_a_loss_matters_within_one_step():
    weights = [
        GradNormConfig().build()(*reversed(straight(sizes))).weights
        for sizes in ((450.0, 1.0), (45_000.0, 1.0))
    ]
    assert weights[0].equal(weights[1])


def test_works_behind_the_lstm_of_the_network():
    network = NetworkConfig().build(features=4, classes=3, cap=125)
    rul, health = network(torch.randn(6, 10, 4))
    losses = torch.stack([rul.square().mean(), health.exp().mean()])
    balancer = GradNormConfig().build()
    balancer(losses, network.shared_weight).total.backward()
    assert balancer.scores.grad.abs().min() > 0
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_missing_layer_is_refused():
    with pytest.raises(ValueError, match="`shared` should be the weights of the last shared"):
        GradNormConfig().build()(torch.ones(2, requires_grad=True))


def test_optimiser_is_the_published_one():
    optimiser = GradNormConfig().build().optimiser()
    assert type(optimiser) is torch.optim.Adam
    assert optimiser.defaults["lr"] == 0.025
    assert optimiser.defaults["weight_decay"] == 0


@pytest.mark.parametrize("options", [{"alpha": -1}, {"alpha": 11}, {"learning_rate": 0}])
def test_other_options_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        GradNormConfig(**options)
