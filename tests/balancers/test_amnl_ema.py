import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cmapss_rul.balancers.amnl import AMNLEMAConfig

LOSSES = torch.tensor([[1500.0, 1.0], [1000.0, 0.8], [700.0, 0.9]])


def weights(losses, **options):
    """Weights of every step [step, 2] in float64."""
    balancer = AMNLEMAConfig(**options).build().double()
    return torch.stack([balancer(pair).weights for pair in losses.double()])


@given(st.floats(2**-10, 1e6, width=32), st.floats(2**-10, 1e3, width=32), st.floats(0, 0.999))
def test_first_normalised_loss_is_exactly_one(rul, health, decay):
    total, found = AMNLEMAConfig(decay=decay).build()(torch.tensor([rul, health]))
    assert total.item() == 1.0
    assert found.equal(0.5 / torch.tensor([rul, health]))


def test_zero_corrected_by_hand():
    # m₂ = 0.99 · 0.01 · 1500 + 0.01 · 1000 = 24.85; μ₂ = 24.85 / (1 − 0.99²) = 24.85 / 0.0199
    # m₃ = 0.99 · 24.85 + 0.01 · 700 = 31.6015; μ₃ = 31.6015 / 0.029701
    found = 0.5 / weights(LOSSES)[:, 0]
    expected = torch.tensor([1500, 24.85 / 0.0199, 31.6015 / 0.029701]).double()
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_first_loss_corrected_by_hand():
    # m₁ = 1500; μ₁ = 1500 / 0.01: a hundred times too large
    # m₂ = 0.99 · 1500 + 0.01 · 1000 = 1495; μ₂ = 1495 / 0.0199
    found = 0.5 / weights(LOSSES, start="first_loss_corrected")[:, 0]
    expected = torch.tensor([150_000, 1495 / 0.0199, 1487.05 / 0.029701]).double()
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_one_uncorrected_by_hand():
    # μ₁ = 0.99 + 0.01 · 1500 = 15.99; μ₂ = 0.99 · 15.99 + 0.01 · 1000 = 25.8301; λ = 1
    found = 1 / weights(LOSSES[:2], start="one_uncorrected")
    expected = torch.tensor([[15.99, 1.0], [25.8301, 0.998]]).double()
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)


def test_totals_by_hand():
    first = LOSSES[0]
    totals = [
        AMNLEMAConfig(start=start).build()(first).total.item()
        for start in ("zero_corrected", "first_loss_corrected", "one_uncorrected")
    ]
    # ½ + ½; the same over 100; 1500 / 15.99 + 1
    assert totals == pytest.approx([1.0, 0.01, 94.80863], rel=1e-5)


@pytest.mark.parametrize(("step", "excess"), [(1, 100.0), (50, 2.53), (200, 1.155)])
def test_start_at_the_first_loss_divides_by_too_much_for_long(step, excess):
    constant = torch.tensor([1500.0, 1.0]).expand(step, 2)
    found = 0.5 / weights(constant, start="first_loss_corrected")[-1, 0] / 1500
    assert found.item() == pytest.approx(excess, rel=1e-3)
    assert found.item() == pytest.approx(1 / (1 - 0.99**step), rel=1e-9)


def test_zero_corrected_of_a_constant_is_that_constant():
    constant = torch.tensor([1500.0, 0.7]).expand(30, 2)
    torch.testing.assert_close(weights(constant), 0.5 / constant.double(), rtol=1e-6, atol=0)


@given(st.lists(st.floats(0.0625, 5000, width=32), min_size=1, max_size=20))
def test_zero_corrected_is_the_weighted_mean_of_the_past(values):
    """μₜ = Σ βᵗ⁻ᵏ Lₖ / Σ βᵗ⁻ᵏ."""
    ages = torch.arange(len(values) - 1, -1, -1).double()
    shares = 0.99**ages
    expected = (shares * torch.tensor(values).double()).sum() / shares.sum()
    losses = torch.tensor(values)[:, None].expand(-1, 2)
    torch.testing.assert_close(0.5 / weights(losses)[-1, 0], expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("start", ["zero_corrected", "first_loss_corrected"])
@pytest.mark.parametrize("factor", [[100.0, 1.0], [1.0, 100.0]])
def test_unit_of_a_loss_does_not_matter(start, factor):
    scaled = weights(LOSSES * torch.tensor(factor), start=start) * torch.tensor(factor)
    torch.testing.assert_close(scaled, weights(LOSSES, start=start), rtol=1e-6, atol=0)


def test_unit_does_matter_from_a_start_at_one():
    scaled = weights(LOSSES * 100, start="one_uncorrected") * 100
    assert ((scaled / weights(LOSSES, start="one_uncorrected") - 1).abs() > 0.01).all()


def test_divisor_has_a_floor():
    found = weights(torch.zeros(1, 2))
    torch.testing.assert_close(found, torch.full((1, 2), 0.5e8).double())


@pytest.mark.parametrize("options", [{"decay": 1}, {"decay": -0.1}, {"start": "zero"}])
def test_other_options_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        AMNLEMAConfig(**options)
