"""Requirements of every balancer; each check takes a configuration."""

import re

import pytest
import torch
from torch import Tensor

from cmapss_rul.balancers import Balancer
from cmapss_rul.config.base import Config
from tests.balancers.variants import Run, Toy

STEPS = 5


def check_total_is_a_finite_scalar(config: Config) -> None:
    run = Run(config)
    for _ in range(STEPS):
        total = run.step().total
        assert total.shape == ()
        assert total.isfinite()


def check_weights_are_positive_constants(config: Config) -> None:
    run = Run(config)
    for _ in range(STEPS):
        weights = run.step().weights
        assert weights.shape == (2,)
        assert not weights.requires_grad
        assert (weights > 0).all()
        assert weights.isfinite().all()


def check_gradients_are_those_of_the_weights(config: Config) -> None:
    """∇total = w₁∇L₁ + w₂∇L₂ for every parameter of the network, at the start and later."""
    run = Run(config, torch.float64)
    for _ in range(STEPS):
        parameters = list(run.toy.parameters())
        losses = run.toy.losses(run.taken)
        each = [
            torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            for loss in losses
        ]
        balanced = run.step()
        for parameter, *parts in zip(parameters, *each, strict=True):
            expected = sum(
                weight * part
                for weight, part in zip(balanced.weights, parts, strict=True)
                if part is not None
            )
            torch.testing.assert_close(parameter.grad, expected, rtol=1e-10, atol=1e-12)


def check_resumes_bit_for_bit(config: Config) -> None:
    straight = Run(config)
    for _ in range(STEPS):
        straight.step()
    saved = straight.save()
    later = [straight.step() for _ in range(STEPS)]
    resumed = Run(config).load(saved)
    for expected in later:
        found = resumed.step()
        assert torch.equal(expected.total, found.total)
        assert torch.equal(expected.weights, found.weights)
    for expected, found in zip(straight.toy.parameters(), resumed.toy.parameters(), strict=True):
        assert torch.equal(expected, found)


def check_zero_losses(config: Config) -> None:
    """One or both losses at zero, from the first step on or only later."""
    for early, late in [((0, 1), (0, 1)), ((1, 0), (1, 0)), ((0, 0), (0, 0)), ((1, 1), (0, 0))]:
        _balance_factors(config, torch.tensor([early, late, late], dtype=torch.float32))


def check_ratio_of_a_million(config: Config) -> None:
    _balance_factors(config, torch.tensor([[1e3, 1e-3]] * 3))
    _balance_factors(config, torch.tensor([[1e-3, 1e3]] * 3))


def _balance_factors(config: Config, factors: Tensor) -> None:
    """Take steps on losses times factors [step, 2]; all outputs are finite."""
    toy, balancer = Toy(), build(config)
    own = balancer.optimiser()
    for factor in factors:
        losses, *rest = toy.inputs()
        balanced = balancer(losses * factor, *rest)
        balanced.total.backward()
        if own is not None:
            own.step()
        balancer.epoch_end(losses.detach() * factor)
        assert balanced.total.isfinite()
        assert balanced.weights.isfinite().all()
        assert (balanced.weights > 0).all()
        for parameter in (*toy.parameters(), *balancer.parameters()):
            assert parameter.isfinite().all()
            assert parameter.grad is None or parameter.grad.isfinite().all()


def check_float64(config: Config) -> None:
    """float64 losses give float64 outputs, whatever the dtype of the balancer's state."""
    toy = Toy(torch.float64)
    for balancer in (build(config), build(config).double()):
        balanced = balancer(*toy.inputs())
        assert balanced.total.dtype == torch.float64
        assert balanced.weights.dtype == torch.float64


def check_repr_shows_the_method(config: Config) -> None:
    balancer = build(config)
    text = repr(balancer)
    assert text.startswith(f"{type(balancer).__name__}(")
    assert "=" in text
    assert "\n" not in text


def check_no_host_synchronisation(config: Config) -> None:
    """Tensors on the meta device hold no numbers: reading one raises."""
    toy, balancer = Toy().to("meta"), build(config).to("meta")
    for step in range(2):
        balanced = balancer(*toy.inputs(step))
        balanced.total.backward()
        balancer.epoch_end(balanced.weights)
    assert all(value.shape == () for value in balancer.diagnostics(toy.losses()).values())


def check_one_optimiser(config: Config) -> None:
    """It exists where there are parameters, is created once, and honours `found_inf`."""
    run = Run(config)
    own = run.balancer.optimiser()
    assert own is run.balancer.optimiser()
    assert (own is not None) == bool(list(run.balancer.parameters()))
    if own is None:
        return
    run.step()
    before = [parameter.detach().clone() for parameter in run.balancer.parameters()]
    own.found_inf = torch.tensor(1.0)  # type: ignore[attr-defined]
    run.step()
    for parameter, kept in zip(run.balancer.parameters(), before, strict=True):
        assert torch.equal(parameter, kept)


def check_other_shapes_are_refused(config: Config) -> None:
    for shape in [(), (1,), (3,), (2, 1), (1, 2), (2, 2)]:
        with pytest.raises(ValueError, match=re.escape(f"found shape {shape}")):
            build(config)(torch.ones(shape), Toy().shared)


def build(config: Config) -> Balancer:
    """Make the balancer of a configuration."""
    balancer: Balancer = config.build()  # type: ignore[attr-defined]
    return balancer


BATTERY = [check for name, check in sorted(globals().items()) if name.startswith("check_")]
