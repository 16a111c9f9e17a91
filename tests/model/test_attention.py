import math

import pytest
import torch
from pydantic import TypeAdapter, ValidationError
from torch import nn

from cmapss_rul.model.attention import (
    AttentionConfig,
    LastStateConfig,
    NoAttentionConfig,
    SelfAttentionConfig,
)
from cmapss_rul.model.bilstm import BiLSTMConfig
from cmapss_rul.model.network import NetworkConfig

MEMBERS = [LastStateConfig(hidden=6), SelfAttentionConfig(heads=2), NoAttentionConfig()]


@pytest.mark.parametrize("config", MEMBERS, ids=lambda config: config.name)
@pytest.mark.parametrize("window", [1, 9])
def test_shapes(config, window):
    attention = config.build(features=8).eval()
    assert attention(torch.randn(3, window, 8)).shape == (3, attention.features)


@pytest.mark.parametrize("config", MEMBERS, ids=lambda config: config.name)
def test_windows_of_a_batch_do_not_mix(config):
    attention = config.build(features=8).eval()
    states = torch.randn(3, 5, 8)
    alone = torch.cat([attention(one[None]) for one in states])
    torch.testing.assert_close(attention(states), alone)


def test_none_is_the_last_state():
    states = torch.randn(3, 5, 8)
    attention = NoAttentionConfig().build(features=8)
    assert attention(states).equal(states[:, -1])
    assert attention.features == 8
    assert not list(attention.parameters())


def test_last_state_by_hand():
    """States 0, ln 3 and 1 in one column, query 1, key 1: shares e⁰ : 3 : e¹."""
    attention = LastStateConfig(hidden=1).build(features=1).eval()
    for layer in (attention.query, attention.key):
        nn.init.ones_(layer.weight)
    states = torch.tensor([0.0, math.log(3), 1.0])[None, :, None]
    last, context = attention(states).flatten().tolist()
    assert last == 1
    assert context == pytest.approx((3 * math.log(3) + math.e) / (1 + 3 + math.e))


def test_weights_by_hand():
    """The weights of the test above; None without attention."""
    attention = LastStateConfig(hidden=1).build(features=1)
    for layer in (attention.query, attention.key):
        nn.init.ones_(layer.weight)
    states = torch.tensor([0.0, math.log(3), 1.0])[None, :, None]
    shares = torch.tensor([[1, 3, math.e]]) / (4 + math.e)
    torch.testing.assert_close(attention.weights(states), shares)
    assert NoAttentionConfig().build(features=1).weights(states) is None


def test_weights_reproduce_the_output():
    """The output of `forward` is the mean of the states with these weights."""
    attention = LastStateConfig(hidden=6).build(features=8).eval()
    states = torch.randn(3, 5, 8)
    context = (attention.weights(states)[:, :, None] * states).sum(dim=1)
    torch.testing.assert_close(attention(states)[:, 8:], context)


def test_weights_of_self_attention_are_shares_of_each_step():
    attention = SelfAttentionConfig(heads=2).build(features=8).eval()
    states = torch.randn(3, 5, 8)
    weights = attention.weights(states)
    assert weights.shape == (3, 5)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))
    everywhere = attention.weights(states[:, -1:].expand(3, 5, 8))
    torch.testing.assert_close(everywhere, torch.full((3, 5), 0.2))


def test_last_state_follows_its_formula():
    """Keys are never made; the result is that of making them."""
    attention = LastStateConfig(hidden=6).build(features=8).eval()
    states = torch.randn(3, 5, 8)
    query, keys = attention.query(states[:, -1]), attention.key(states)
    scores = (keys * query[:, None]).sum(dim=2) / math.sqrt(6)
    context = (scores.softmax(dim=1)[:, :, None] * states).sum(dim=1)
    torch.testing.assert_close(attention(states), torch.cat((states[:, -1], context), dim=1))
    assert attention.features == 16


def test_last_state_trains_query_and_key():
    attention = LastStateConfig(hidden=6).build(features=8)
    attention(torch.randn(3, 5, 8)).square().sum().backward()
    assert attention.query.weight.grad.abs().sum() > 0
    assert attention.key.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("norm", [True, False])
def test_self_is_the_last_step_of_attention_of_all_to_all(norm):
    attention = SelfAttentionConfig(heads=4, layer_norm=norm).build(features=8).eval()
    states = torch.randn(3, 5, 8)
    attended, _ = attention.attention(states, states, states)
    every_step = attention.norm(states + attended)
    torch.testing.assert_close(attention(states), every_step[:, -1])


def test_self_has_four_projections_and_a_norm():
    def count(**options):
        attention = SelfAttentionConfig(heads=4, **options).build(features=8)
        return sum(parameter.numel() for parameter in attention.parameters())

    assert count() == 4 * (8 * 8 + 8) + 2 * 8
    assert count(layer_norm=False) == 4 * (8 * 8 + 8)


@pytest.mark.parametrize("name", ["last_state", "self", "none"])
def test_dropout_in_training_only(name):
    config = TypeAdapter(AttentionConfig).validate_python({"name": name, "dropout": 0.5})
    attention = config.build(features=8)
    states = torch.ones(4, 5, 8)
    assert (attention.train()(states) == 0).any()
    assert (attention.eval()(states) != 0).all()


def test_heads_that_do_not_divide_are_refused():
    bilstm = BiLSTMConfig(hidden=4)
    NetworkConfig(bilstm=bilstm, attention=SelfAttentionConfig(heads=4))
    with pytest.raises(ValidationError) as caught:
        NetworkConfig(bilstm=bilstm, attention=SelfAttentionConfig(heads=3))
    (error,) = caught.value.errors()
    assert error["msg"] == (
        "Value error, attention.heads should divide 8 (twice bilstm.hidden), found 3"
    )


@pytest.mark.parametrize(
    "options",
    [
        {"name": "self", "heads": 0},
        {"name": "self", "hidden": 8},
        {"name": "last_state", "hidden": 10**9},
        {"name": "none", "dropout": 1},
        {"name": "additive"},
    ],
)
def test_other_options_are_refused(options):
    with pytest.raises(ValidationError, match=str(next(reversed(options)))):
        TypeAdapter(AttentionConfig).validate_python(options)
