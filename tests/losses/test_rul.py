import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from cmapss_rul.losses.rul import HuberConfig, MSEConfig, RulLossConfig, WeightedMSEConfig

PREDICTED = torch.tensor([100.0, 45.0, 80.0, 120.0])
TARGET = torch.tensor([90.0, 50.0, 80.0, 110.0])
MEMBERS = [WeightedMSEConfig(), MSEConfig(), HuberConfig()]


def test_weighted_mse_by_hand():
    # Weights 2 − y/125: 1.28, 1.6, 1.36, 1.12, sum 5.36.
    # Errors 10, −5, 0, 10: 1.28 · 100 + 1.6 · 25 + 0 + 1.12 · 100 = 280; 280 / 5.36
    loss = WeightedMSEConfig().build(cap=125)
    torch.testing.assert_close(loss.weights(TARGET), torch.tensor([1.28, 1.6, 1.36, 1.12]))
    numerator, denominator = loss.sum_and_weight(PREDICTED, TARGET)
    assert numerator.item() == pytest.approx(280)
    assert denominator.item() == pytest.approx(5.36)
    assert loss(PREDICTED, TARGET).item() == pytest.approx(52.238806)


def test_mse_by_hand():
    assert MSEConfig().build(cap=125)(PREDICTED, TARGET).item() == 225 / 4


def test_huber_by_hand():
    # delta 8: 8 · (10 − 4) = 48 twice, ½ · 25 = 12.5, 0
    assert HuberConfig(delta=8).build(cap=125)(PREDICTED, TARGET).item() == 108.5 / 4


def test_weights_are_two_at_failure_and_one_when_healthy():
    loss = WeightedMSEConfig().build(cap=130)
    assert loss.weights(torch.tensor([0.0, 65.0, 130.0, 300.0])).tolist() == [2, 1.5, 1, 1]


@pytest.mark.parametrize("config", MEMBERS, ids=lambda config: config.name)
def test_column_against_row_is_refused(config):
    loss = config.build(cap=125)
    with pytest.raises(ValueError) as caught:
        loss(PREDICTED[:, None], TARGET)
    assert str(caught.value) == (
        "`predicted` and `target` should have one shape, found (4, 1) and (4,)"
    )
    with pytest.raises(ValueError, match=r"found \(4,\) and \(4, 1\)"):
        loss(PREDICTED, TARGET[:, None])
    with pytest.raises(ValueError, match=r"found \(1,\) and \(4,\)"):
        loss(PREDICTED[:1], TARGET)


@pytest.mark.parametrize("config", MEMBERS, ids=lambda config: config.name)
@given(values=st.lists(st.integers(0, 125), min_size=2, max_size=12), cut=st.integers(1, 11))
def test_terms_of_parts_add_up_to_the_whole(config, values, cut):
    """The sums that ranks, or uneven last batches, combine before dividing."""
    loss = config.build(cap=125)
    target = torch.tensor(values, dtype=torch.float64)
    predicted = 125 - target.flip(0)
    parts = [
        loss.sum_and_weight(predicted[part], target[part])
        for part in (slice(cut), slice(cut, None))
    ]
    numerator, denominator = (sum(terms) for terms in zip(*parts, strict=True))
    torch.testing.assert_close(numerator / denominator, loss(predicted, target))


@pytest.mark.parametrize("config", MEMBERS, ids=lambda config: config.name)
def test_perfect_predictions_lose_nothing_and_others_do(config):
    loss = config.build(cap=125)
    assert loss(TARGET, TARGET).item() == 0
    assert loss(TARGET + 1, TARGET).item() > 0
    assert loss(TARGET - 1, TARGET).item() == pytest.approx(loss(TARGET + 1, TARGET).item())


@pytest.mark.parametrize("config", MEMBERS, ids=lambda config: config.name)
def test_gradient_points_away_from_the_target(config):
    predicted = PREDICTED.clone().requires_grad_()
    config.build(cap=125)(predicted, TARGET).backward()
    assert predicted.grad.sign().tolist() == [1, -1, 0, 1]


def test_default_and_names_of_the_union():
    union = TypeAdapter(RulLossConfig)
    for config in MEMBERS:
        assert union.validate_python({"name": config.name}) == config
    with pytest.raises(ValidationError, match="weighted_mse"):
        union.validate_python({"name": "mae"})


@pytest.mark.parametrize("delta", [0, -1, 1e7, True])
def test_other_deltas_are_refused(delta):
    with pytest.raises(ValidationError, match="delta"):
        HuberConfig(delta=delta)


def test_repr_shows_the_options():
    assert repr(WeightedMSEConfig().build(cap=125)) == "WeightedMSE(cap=125)"
    assert repr(HuberConfig(delta=3).build(cap=125)) == "Huber(delta=3.0)"
    assert repr(MSEConfig().build(cap=125)) == "MSE()"
