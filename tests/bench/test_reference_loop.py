"""The reference loop: our loss and gradients on the same batch, and a correct RMSE."""

import numpy as np
import pytest
import torch

from cmapss_rul.bench.reference_loop import ReferenceLoop, materialise
from cmapss_rul.metrics.regression import rmse
from cmapss_rul.model.network import predict
from cmapss_rul.training.inputs import load_data
from cmapss_rul.training.step import StepPlan, TrainingStep
from tests.training.inputs import tiny_config


@pytest.fixture
def config(eight_engine_dir):
    """Fixed weights, plain squared error, no clipping: what the reference loop computes."""
    return tiny_config(
        eight_engine_dir,
        split={"seed": 0},
        loss={"rul": {"name": "mse"}},
        balancer={"name": "fixed"},
        train={"clip": None},
    )


@pytest.fixture
def data(config):
    return load_data(config)


@pytest.fixture
def loop(config, data):
    torch.manual_seed(0)
    return ReferenceLoop(config, data, torch.device("cpu"))


def test_its_step_has_our_loss_and_our_gradients(config, data, loop):
    batch = data.training.batch(torch.arange(20))
    network = config.model.build(4, 3, 125)
    network.load_state_dict(loop.network.state_dict())
    training_step = TrainingStep(config, network, torch.device("cpu"))
    measures = training_step.take(batch, 0, StepPlan(steps=10, warmup=0))
    loss = loop.step(list(batch)[:4])
    assert loss == pytest.approx(float(measures[:2].sum()), rel=1e-6)
    pairs = zip(loop.network.named_parameters(), network.parameters(), strict=True)
    for (name, theirs), ours in pairs:
        assert torch.allclose(theirs.grad, ours.grad, rtol=1e-5, atol=1e-6), name
        assert theirs.grad.abs().sum() > 0, name


def test_its_step_moves_the_weights_as_plain_adam_does(data, loop):
    """Adam's first step is the rate, 1e-3, against the sign of each gradient."""
    before = loop.network.rul_head.last.bias.detach().clone()
    loop.step(list(data.training.batch(torch.arange(20)))[:4])
    bias = loop.network.rul_head.last.bias
    moved = (bias - before).item()
    assert moved == pytest.approx(-1e-3 * float(np.sign(bias.grad.item())), rel=1e-3)


def test_every_window_is_used_once_in_random_order(data, loop):
    windows = torch.cat([batch[0] for batch in loop.loader])
    everything = materialise(data.training).tensors[0]
    assert windows.shape == everything.shape == (len(data.training), 5, 4)
    assert not torch.equal(windows, everything)
    order = everything.flatten(1).sum(1).sort().values
    assert torch.allclose(windows.flatten(1).sum(1).sort().values, order)


def test_its_rmse_is_ours_over_all_windows_at_once(config, data, loop):
    rul, _ = predict(loop.network, data.validation.windows)
    expected = rmse(
        rul.clamp(0, config.data.cap).double().numpy(), data.validation.rul.double().numpy()
    )
    assert len(data.validation) % config.train.batch_size  # an uneven last batch
    assert loop.validate() == pytest.approx(expected, rel=1e-6)


def test_an_epoch_trains_and_is_timed(loop):
    before = loop.network.rul_head.last.weight.detach().clone()
    epochs = list(loop.fit(2))
    assert len(epochs) == 2
    assert all(epoch.seconds > 0 and epoch.rmse > 0 for epoch in epochs)
    assert epochs[0].rmse != epochs[1].rmse
    assert not torch.equal(before, loop.network.rul_head.last.weight)
