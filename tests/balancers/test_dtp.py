import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cmapss_rul.balancers.dtp import DTPConfig, batch_kpis

LOSSES = torch.tensor([4000.0, 1.25])


def weights(*kpis, **options):
    """Weights of the last of some steps."""
    balancer = DTPConfig(**options).build()
    for pair in kpis:
        balanced = balancer(LOSSES, kpis=torch.tensor(pair))
    return balanced.weights


def test_by_hand():
    # κ = (½, ¼): ½ ln 2 = 0.34657 and ¾ ln 4 = 1.03972
    balanced = DTPConfig().build()(LOSSES, kpis=torch.tensor([0.5, 0.25]))
    expected = torch.tensor([0.5 * math.log(2), 0.75 * math.log(4)])
    torch.testing.assert_close(balanced.weights, expected)
    torch.testing.assert_close(balanced.total, (expected * LOSSES).sum())


@pytest.mark.parametrize(
    ("gamma", "expected"), [(0, math.log(4)), (1, 0.75 * math.log(4)), (2, 0.5625 * math.log(4))]
)
def test_gamma_by_hand(gamma, expected):
    assert weights([0.5, 0.25], gamma=gamma)[1].item() == pytest.approx(expected)


def test_mean_by_hand():
    # β = 0.9: m = 0.1 · 0.2, then 0.9 · 0.02 + 0.1 · 0.6 = 0.078, over 1 − 0.81 = 0.19
    balancer = DTPConfig(decay=0.9).build()
    for kpi in (0.2, 0.6):
        balancer(LOSSES, kpis=torch.tensor([kpi, 0.5]))
    expected = {"kpi_rul": 0.078 / 0.19, "kpi_health": 0.5}
    found = {name: value.item() for name, value in balancer.diagnostics(LOSSES).items()}
    assert found == pytest.approx(expected)


def test_first_kpis_are_the_mean_and_without_decay_the_newest():
    assert weights([0.5, 0.25]).equal(weights([0.5, 0.25], decay=0.3))
    assert weights([0.9, 0.1], [0.5, 0.25], decay=0).equal(weights([0.5, 0.25]))


@pytest.mark.parametrize("margin", [0.1, 1e-3, 1e-6])
@pytest.mark.parametrize("gamma", [0, 1, 5])
def test_weights_are_finite_and_positive_at_kpis_of_0_and_1(margin, gamma):
    never, always = weights([0.0, 1.0], margin=margin, gamma=gamma).double()
    assert never.item() == pytest.approx(-((1 - margin) ** gamma) * math.log(margin), rel=1e-5)
    # 1 − κ = margin to float32's last bits
    low = -(margin**gamma) * math.log(1 - margin)
    assert 0 < always.item() == pytest.approx(low, rel=0.3)


@given(st.floats(0.01, 0.98), st.floats(0, 5))
def test_the_task_with_the_lower_kpi_gets_more(kpi, gamma):
    worse, better = weights([kpi, kpi + 0.01], gamma=gamma)
    assert worse > better


def test_scale_of_a_loss_does_not_matter_to_the_weights():
    kpis = torch.tensor([0.5, 0.25])
    plain, scaled = (DTPConfig().build()(LOSSES * by, kpis=kpis) for by in (1, 100))
    assert plain.weights.equal(scaled.weights)


@pytest.mark.parametrize(
    ("kpis", "found"), [(None, "None"), (torch.ones(3), r"shape \(3,\)"), (torch.ones(()), r"\(\)")]
)
def test_missing_kpis_are_refused(kpis, found):
    with pytest.raises(ValueError, match=f"`kpis` should be those of the two tasks.*{found}"):
        DTPConfig().build()(LOSSES, kpis=kpis)


@pytest.mark.parametrize(
    "options", [{"gamma": -1}, {"gamma": 6}, {"decay": 1}, {"margin": 0}, {"margin": 0.5}]
)
def test_other_options_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        DTPConfig(**options)


def test_kpis_by_hand():
    # Errors 0, 10, 10.5 and −10: three are close. Classes 2, 0, 1 and 1 of 2, 1, 1 and 1: three.
    rul = torch.tensor([30.0, 40.0, 60.5, 80.0])
    true = torch.tensor([30.0, 30.0, 50.0, 90.0])
    logits = torch.tensor([[0.0, 1, 2], [3, 0, 1], [-1, 5, 0], [0, 1, 0]])
    found = batch_kpis(rul, logits, true, torch.tensor([2, 1, 1, 1]))
    assert found.tolist() == [0.75, 0.75]


@pytest.mark.parametrize(("error", "share"), [(10.0, 1.0), (10.001, 0.0), (-10.0, 1.0)])
def test_ten_cycles_are_close_and_more_are_not(error, share):
    found = batch_kpis(torch.tensor([error]), torch.zeros(1, 3), torch.zeros(1), torch.zeros(1))
    assert found.tolist() == [share, 1.0]


def test_nan_is_not_correct_and_has_no_gradient():
    rul = torch.tensor([float("nan"), 5.0], requires_grad=True)
    found = batch_kpis(rul, torch.zeros(2, 3), torch.zeros(2), torch.ones(2))
    assert found.tolist() == [0.5, 0.0]
    assert not found.requires_grad


def test_half_precision_predictions_are_compared_with_labels_as_they_are():
    rul = torch.tensor([100.0], dtype=torch.bfloat16)
    found = batch_kpis(rul, torch.zeros(1, 3), torch.tensor([90.25]), torch.zeros(1))
    assert found.tolist() == [1.0, 1.0]
    assert found.dtype == torch.float32
