"""One training step: updates, measurements, and the handling of non-finite losses."""

import copy
from unittest.mock import Mock

import pytest
import torch

from cmapss_rul.config.base import Config
from cmapss_rul.data.windows import Batch
from cmapss_rul.training.checkpoint import MEASURES
from cmapss_rul.training.step import NEVER, StepPlan, TrainingStep
from tests.balancers.variants import VARIANTS, title
from tests.training.inputs import differences, tiny_config

FEATURES = 4
PLAN = StepPlan(steps=20, warmup=0)
CPU = torch.device("cpu")


def batch(seed=0, size=6, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    windows = scale * torch.randn(size, 5, FEATURES, generator=generator)
    rul, padding = torch.linspace(0, 125, size), torch.zeros(size, dtype=torch.int64)
    return Batch(windows, rul, torch.arange(size) % 3, padding)


def training_step(device=CPU, **parts):
    config = tiny_config("anywhere", **parts)
    torch.manual_seed(1)
    return TrainingStep(config, config.model.build(FEATURES, 3, 125), device)


def weights(network):
    return [parameter.detach().clone() for parameter in network.parameters()]


def measured(values):
    return dict(zip(MEASURES, values.tolist(), strict=True))


def test_a_step_measures_losses_weights_and_the_norm_before_clipping():
    one = training_step(balancer={"name": "fixed", "weights": [0.5, 2]}, train={"clip": 1.0})
    data = batch()
    output = one.network(data.windows)
    losses = torch.stack(
        [one.rul_loss(output.rul, data.rul), one.health_loss(output.health, data.health)]
    )
    gradients = torch.autograd.grad(0.5 * losses[0] + 2 * losses[1], one.parameters)
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    found = measured(one.take(data, 0, PLAN))
    assert found["rul_loss"] == pytest.approx(losses[0].item())
    assert found["health_loss"] == pytest.approx(losses[1].item())
    assert (found["weight_rul"], found["weight_health"]) == (0.5, 2)
    assert found["grad_norm"] == pytest.approx(float(norm), rel=1e-4)
    assert found["clipped"] == 1


def test_no_clipping_with_a_small_norm_or_a_null_limit():
    for clip in (1e6, None):
        one = training_step(train={"clip": clip})
        assert measured(one.take(batch(), 0, PLAN))["clipped"] == 0
    norms = [float(parameter.grad.norm()) for parameter in one.parameters]
    assert max(norms) > 1


def test_only_the_networks_gradient_is_clipped():
    """At s = 0 the gradient of s is near half the RUL loss: thousands, and must not be clipped."""
    one = training_step(balancer={"name": "uncertainty", "start": "zero"}, train={"clip": 1.0})
    loss = measured(one.take(batch(), 0, PLAN))["rul_loss"]
    network = torch.stack([parameter.grad.norm() for parameter in one.parameters]).norm()
    assert float(network) == pytest.approx(1.0, rel=1e-3)
    assert float(one.balancer.log_variance.grad[0]) == pytest.approx(0.5 - loss / 2, rel=1e-4)


def test_parameters_of_balancer_and_network_are_disjoint():
    one = training_step(balancer={"name": "gradnorm"})
    own = {id(parameter) for parameter in one.balancer.parameters()}
    assert own
    assert not own & {id(parameter) for parameter in one.parameters}
    (group,) = one.balancer_optimiser.param_groups
    assert {id(parameter) for parameter in group["params"]} == own


def test_the_schedule_changes_the_networks_rate_only():
    one = training_step(balancer={"name": "uncertainty"}, train={"learning_rate": 0.01})
    before = one.balancer_optimiser.param_groups[0]["lr"]
    plan = StepPlan(steps=10, warmup=2)
    rates = []
    for step in range(10):
        one.take(batch(), step, plan)
        rates.append(one.optimiser.param_groups[0]["lr"])
    assert rates[:3] == pytest.approx([0.005, 0.01, 0.01])
    assert rates[6] == pytest.approx(0.005)  # half-way through the cosine
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert min(rates) > 0
    assert one.balancer_optimiser.param_groups[0]["lr"] == before


def test_a_run_of_one_step_has_the_full_rate():
    config = tiny_config("anywhere", train={"epochs": 1, "learning_rate": 0.01, "warmup": 7})
    plan = StepPlan.count(config, steps_per_epoch=1)
    assert training_step(train={"learning_rate": 0.01}).learning_rate(0, plan) == pytest.approx(
        0.01
    )


@pytest.mark.parametrize(
    ("balancer", "value"),
    [*((variant, float("nan")) for variant in VARIANTS), (VARIANTS[0], float("inf"))],
    ids=lambda found: title(found) if isinstance(found, Config) else str(found),
)
def test_a_non_finite_loss_blocks_every_later_update(balancer, value):
    one = training_step(balancer=balancer.model_dump())
    one.take(batch(0), 0, PLAN)
    one.take(batch(1), 1, PLAN)
    before, averaged = weights(one.network), weights(one.averaged)
    own = [parameter.detach().clone() for parameter in one.balancer.parameters()]
    one.take(batch(2, scale=value), 2, PLAN)
    one.take(batch(3), 3, PLAN)
    assert int(one.first_bad) == 2
    assert differences(before, weights(one.network)) == []
    assert own == [] or differences(own, [p.detach() for p in one.balancer.parameters()]) == []
    assert all(torch.isfinite(value).all() for value in weights(one.averaged))
    assert len(averaged) == len(before)


def test_a_non_finite_gradient_blocks_too():
    """The losses are finite; a hook simulates an overflow in the backward pass."""
    one = training_step()
    one.network.shared_weight.register_hook(lambda gradient: gradient * float("inf"))
    before = weights(one.network)
    found = measured(one.take(batch(), 0, PLAN))
    assert found["rul_loss"] < float("inf")
    assert int(one.first_bad) == 0
    assert differences(before, weights(one.network)) == []


def test_the_first_non_finite_step_is_recorded():
    one = training_step()
    for step, scale in enumerate((1.0, float("nan"), 1.0, float("nan"))):
        one.take(batch(scale=scale), step, PLAN)
    assert int(one.first_bad) == 1


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
@pytest.mark.parametrize("balancer", VARIANTS, ids=title)
def test_a_step_never_synchronises_with_the_device(balancer, optimiser, monkeypatch):
    """Any operation that would wait for a GPU raises here."""
    one = training_step(balancer=balancer.model_dump(), train={"optimiser": optimiser})
    one.take(batch(), 0, PLAN)  # optimisers create their state in the first step

    refuse = Mock(side_effect=AssertionError("a value was read back from the device"))

    for name in ("item", "tolist", "__bool__", "__float__", "__int__", "__index__", "cpu", "numpy"):
        monkeypatch.setattr(torch.Tensor, name, refuse)
    found = one.take(batch(1), 1, PLAN)
    monkeypatch.undo()
    assert found.shape == (6,)


def test_the_average_by_hand():
    one = training_step(train={"ema": 0.99})
    start = weights(one.averaged)
    one.take(batch(), 0, PLAN)
    after = weights(one.network)  # d = min(0.99, 1/10)
    for a, w, found in zip(start, after, weights(one.averaged), strict=True):
        torch.testing.assert_close(found, 0.1 * a + 0.9 * w)


def test_the_decay_is_constant_after_its_warm_up():
    one = training_step(train={"ema": 0.5})
    one.take(batch(), 100, PLAN)
    start = weights(one.averaged)
    one.take(batch(), 101, PLAN)
    for a, w, found in zip(start, weights(one.network), weights(one.averaged), strict=True):
        torch.testing.assert_close(found, 0.5 * a + 0.5 * w)


def test_the_average_has_no_gradient_and_is_not_optimised():
    one = training_step()
    one.take(batch(), 0, PLAN)
    assert not any(parameter.requires_grad for parameter in one.averaged.parameters())
    assert one.evaluation_network() is one.averaged
    assert training_step(train={"ema": None}).evaluation_network().training


def test_evaluation_uses_the_newest_batch_statistics():
    model = {
        **tiny_config("x").model.model_dump(),
        "cnn": {"channels": [3], "kernel": 3, "batch_norm": True},
    }
    one = training_step(model=model)
    one.take(batch(), 0, PLAN)
    assert (
        differences(
            dict(one.evaluation_network().named_buffers()), dict(one.network.named_buffers())
        )
        == []
    )
    assert int(dict(one.network.named_buffers()).popitem()[1]) == 1


def test_the_state_has_raw_weights_only_if_they_differ():
    averaged, plain = training_step(), training_step(train={"ema": None})
    averaged.take(batch(), 0, PLAN)
    state = averaged.state_dict()
    assert differences(state["model"], state["model_raw"])
    assert differences(dict(averaged.network.state_dict()), state["model_raw"]) == []
    assert "model_raw" not in plain.state_dict()


@pytest.mark.parametrize("shape", [(6, 1), (1,), (5,)])
def test_labels_of_another_shape_are_refused_and_not_broadcast(shape):
    wrong = batch()._replace(rul=torch.zeros(shape))
    with pytest.raises(ValueError, match="should have one shape"):
        training_step().take(wrong, 0, PLAN)


def test_mixed_precision_changes_nothing_on_a_cpu():
    plain, mixed = training_step(), training_step(train={"mixed_precision": True})
    assert torch.equal(plain.take(batch(), 0, PLAN), mixed.take(batch(), 0, PLAN))
    assert differences(weights(plain.network), weights(mixed.network)) == []


def test_the_state_resumes_exactly():
    one = training_step(balancer={"name": "gradnorm"}, train={"schedule": {"name": "plateau"}})
    one.take(batch(), 0, PLAN)
    one.schedule.epoch_end(1.0)
    one.schedule.epoch_end(2.0)
    state = copy.deepcopy(one.state_dict())
    other = training_step(balancer={"name": "gradnorm"}, train={"schedule": {"name": "plateau"}})
    other.load_state_dict(state)
    one.take(batch(1), 1, PLAN)
    other.take(batch(1), 1, PLAN)
    assert differences(one.state_dict(), other.state_dict()) == []


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
@pytest.mark.parametrize("mixed", [False, True])
@pytest.mark.parametrize("balancer", VARIANTS, ids=title)
def test_a_step_never_waits_for_the_gpu(balancer, mixed, optimiser):
    cuda = torch.device("cuda")
    keys = {"mixed_precision": mixed, "optimiser": optimiser}
    one = training_step(cuda, balancer=balancer.model_dump(), train=keys)
    data = [Batch(*(part.to(cuda) for part in batch(seed)[:4])) for seed in range(3)]
    one.take(data[0], 0, PLAN)  # the first step creates optimiser states and cuDNN plans
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in (1, 2):
            one.take(data[step], step, PLAN)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert int(one.first_bad) == NEVER
