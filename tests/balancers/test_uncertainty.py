import math

import pytest
import torch
from pydantic import ValidationError

from cmapss_rul.balancers.uncertainty import UncertaintyConfig

LOSSES = torch.tensor([4000.0, 1.25])


def test_by_hand_from_a_zero_start():
    # ½ · 4000 + 1.25; the symmetric form halves both
    total, weights = UncertaintyConfig(start="zero").build()(LOSSES)
    assert (total.item(), weights.tolist()) == (2001.25, [0.5, 1.0])
    total, weights = UncertaintyConfig(start="zero", form="symmetric").build()(LOSSES)
    assert (total.item(), weights.tolist()) == (2000.625, [0.5, 0.5])


def test_by_hand_from_the_first_loss():
    # s = ln L, so e^(−s) L = 1: ½ + 1 + ½ (ln 4000 + ln 1.25) = 1.5 + ½ ln 5000
    total, weights = UncertaintyConfig().build()(LOSSES)
    assert total.item() == pytest.approx(1.5 + 0.5 * math.log(5000))
    torch.testing.assert_close(weights, torch.tensor([0.5 / 4000, 1 / 1.25]))


def test_start_is_taken_from_the_first_batch_alone():
    balancer = UncertaintyConfig().build()
    balancer(LOSSES)
    balancer(LOSSES / 7)
    torch.testing.assert_close(balancer.log_variance.detach(), LOSSES.log())


def test_start_at_a_zero_loss_is_floored():
    balancer = UncertaintyConfig().build()
    balancer(torch.zeros(2))
    torch.testing.assert_close(balancer.log_variance.detach(), torch.full((2,), math.log(1e-8)))


@pytest.mark.parametrize(("form", "factor"), [("regression_half", 1.0), ("symmetric", 0.5)])
def test_optimum(form, factor):
    """d/ds (c e^(−s) L + ½ s) = 0 at e^s = 2 c L: s = ln L with c = ½, ln 2L with c = 1."""
    balancer = UncertaintyConfig(form=form, start="zero").build()
    with torch.no_grad():
        balancer.log_variance.copy_((2 * torch.tensor([0.5, factor]) * LOSSES).log())
    balancer(LOSSES).total.backward()
    torch.testing.assert_close(balancer.log_variance.grad, torch.zeros(2), atol=1e-6, rtol=0)
    torch.testing.assert_close(
        balancer.diagnostics(LOSSES)["lag_health"], torch.tensor(math.log(2 * factor))
    )


def test_own_optimiser_goes_to_the_optimum():
    """From ln L the RUL's s stays, the health's rises by ln 2."""
    balancer = UncertaintyConfig(learning_rate=0.05).build()
    optimiser = balancer.optimiser()
    for _ in range(200):
        optimiser.zero_grad()
        balancer(LOSSES).total.backward()
        optimiser.step()
    lag = balancer.diagnostics(LOSSES)
    assert lag["lag_rul"].item() == pytest.approx(0, abs=1e-3)
    assert lag["lag_health"].item() == pytest.approx(math.log(2), abs=1e-3)


def test_first_step_has_the_size_of_the_learning_rate():
    balancer = UncertaintyConfig(start="zero").build()
    balancer(LOSSES).total.backward()
    balancer.optimiser().step()
    # Adam's first step is the rate in the gradient's direction: −(½ · 4000 − ½), −(1.25 − ½)
    torch.testing.assert_close(balancer.log_variance.detach(), torch.tensor([0.01, 0.01]))


def test_gradient_of_s_from_a_zero_start_is_near_two_thousand():
    """Which is why clipping has to leave it alone."""
    balancer = UncertaintyConfig(start="zero").build()
    balancer(LOSSES).total.backward()
    torch.testing.assert_close(balancer.log_variance.grad, torch.tensor([-1999.5, -0.75]))


def test_total_may_be_negative():
    # 1.5 + ½ ln(0.01 · 0.001) = 1.5 − 5.756
    total, _ = UncertaintyConfig().build()(torch.tensor([0.01, 0.001]))
    assert total.item() == pytest.approx(1.5 + 0.5 * math.log(1e-5))
    assert total.item() < 0


def test_scale_of_a_loss_matters_within_one_step():
    balancer = UncertaintyConfig().build()
    before = balancer(LOSSES).weights
    after = balancer(LOSSES * torch.tensor([100.0, 1.0])).weights
    assert after.equal(before)


def test_lag_is_zero_right_after_the_start():
    balancer = UncertaintyConfig().build()
    balancer(LOSSES)
    assert [value.item() for value in balancer.diagnostics(LOSSES).values()] == [0.0, 0.0]


def test_optimiser_has_no_weight_decay():
    optimiser = UncertaintyConfig().build().optimiser()
    assert type(optimiser) is torch.optim.Adam
    assert optimiser.defaults["lr"] == 0.01
    assert optimiser.defaults["weight_decay"] == 0
    assert optimiser.defaults["fused"]


@pytest.mark.parametrize(
    "options", [{"form": "half"}, {"start": "one"}, {"learning_rate": 0}, {"learning_rate": 2}]
)
def test_other_options_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        UncertaintyConfig(**options)
