import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from cmapss_rul.model.cnn import CNNConfig, Convolution


@given(
    channels=st.lists(st.integers(1, 6), max_size=3),
    kernel=st.sampled_from([1, 3, 5, 9]),
    join=st.booleans(),
    norm=st.booleans(),
    window=st.integers(1, 12),
)
def test_length_is_unchanged_and_width_is_the_stated_one(channels, kernel, join, norm, window):
    config = CNNConfig(channels=channels, kernel=kernel, concatenate_input=join, batch_norm=norm)
    cnn = config.build(features=4).eval()
    expected = (channels[-1] if channels else 0) + (4 if join or not channels else 0)
    assert cnn.features == expected
    assert cnn(torch.zeros(2, window, 4)).shape == (2, window, expected)


def test_by_hand():
    """A kernel of three ones sums each cycle with its neighbours; zeros beyond the ends."""
    cnn = CNNConfig(channels=[1], kernel=3, concatenate_input=False).build(features=1)
    nn.init.ones_(cnn.blocks[0][0].weight)
    nn.init.constant_(cnn.blocks[0][0].bias, -4)
    window = torch.tensor([1.0, 2.0, 3.0, 4.0])[None, :, None]
    # Sums 3, 6, 9, 7, less 4, negative ones to 0
    assert cnn(window).flatten().tolist() == [0, 2, 5, 3]


def test_window_is_appended_to_the_channels():
    window = torch.randn(2, 6, 3)
    joined = CNNConfig(channels=[5]).build(features=3)(window)
    assert joined[:, :, 5:].equal(window)
    assert (joined[:, :, :5] >= 0).all()


def test_mean_of_every_three_cycles_by_hand():
    """The channel doubles each cycle; the window is appended; the newest three are last."""
    cnn = CNNConfig(channels=[1], kernel=1, pool=3).build(features=1)
    nn.init.constant_(cnn.blocks[0][0].weight, 2)
    nn.init.zeros_(cnn.blocks[0][0].bias)
    window = torch.tensor([1.0, 2.0, 6.0, 4.0, 5.0, 9.0])[None, :, None]
    assert cnn(window).tolist() == [[[6.0, 3.0], [12.0, 6.0]]]


def test_mean_of_one_cycle_is_the_cycle():
    plain, pooled = (CNNConfig(pool=pool).build(features=2) for pool in (1, 2))
    pooled.load_state_dict(plain.state_dict())
    window = torch.randn(3, 8, 2)
    expected = plain(window).unflatten(1, (4, 2)).mean(dim=2)
    torch.testing.assert_close(pooled(window), expected)


@pytest.mark.parametrize(("batch", "window"), [(5, 12), (1, 12), (3, 3), (1, 1)])
@pytest.mark.parametrize("training", [True, False])
def test_the_same_as_layers_over_one_dimension(batch, window, training):
    """Values, gradients and running statistics are those of PyTorch's own layers over time."""
    pool = 3 if window % 3 == 0 else 1
    options = {"channels": [4, 5], "kernel": 3, "batch_norm": batch > 1, "pool": pool}
    ours = CNNConfig(**options).build(features=2).double().train(training)
    plain = plain_blocks(batch > 1).double().train(training)
    plain.load_state_dict(ours.blocks.state_dict())
    read = torch.randn(batch, window, 2, dtype=torch.float64, requires_grad=True)

    over_time = read.transpose(1, 2)
    joined = torch.cat((plain(over_time), over_time), dim=1)
    expected = nn.functional.avg_pool1d(joined, pool).transpose(1, 2)
    found = ours(read)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    upstream = torch.randn_like(found)
    gradients = [
        torch.autograd.grad(result, [read, *blocks.parameters()], upstream)
        for result, blocks in ((found, ours.blocks), (expected, plain))
    ]
    torch.testing.assert_close(*gradients, rtol=0, atol=1e-11)
    torch.testing.assert_close(ours.blocks.state_dict(), plain.state_dict())


def plain_blocks(batch_norm):
    """Two blocks of 4 and 5 channels on 2 columns, as PyTorch's layers over time."""
    norms = [nn.BatchNorm1d(width) if batch_norm else nn.Identity() for width in (4, 5)]
    blocks = []
    for inputs, outputs, norm in zip((2, 4), (4, 5), norms, strict=True):
        layers = [nn.Conv1d(inputs, outputs, 3, padding=1), norm, nn.ReLU(), nn.Dropout(0)]
        blocks.append(nn.Sequential(*[layer for layer in layers if type(layer) is not nn.Identity]))
    return nn.Sequential(*blocks)


def test_what_the_bilstm_reads_needs_no_copy():
    """The features of a step lie beside each other, with and without pooling."""
    for pool in (1, 3):
        cnn = CNNConfig(channels=[4], pool=pool).build(features=2)
        assert cnn(torch.randn(3, 6, 2)).is_contiguous()


def test_no_channels_is_the_window_itself():
    window = torch.randn(2, 6, 3)
    cnn = CNNConfig(channels=[]).build(features=3)
    assert cnn(window) is not None
    assert cnn(window).equal(window)
    assert not list(cnn.parameters())


def test_batch_norm_and_dropout_are_where_they_should_be():
    cnn = CNNConfig(channels=[2, 3], batch_norm=True, dropout=0.25).build(features=4)
    for block in cnn.blocks:
        kinds = [type(layer) for layer in block]
        assert kinds == [Convolution, nn.BatchNorm2d, nn.ReLU, nn.Dropout]
        assert block[-1].p == 0.25
    plain = CNNConfig(channels=[2]).build(features=4)
    assert [type(layer) for layer in plain.blocks[0]] == [Convolution, nn.ReLU, nn.Dropout]


def test_parameters_are_counted_with_bias_and_norm():
    # 4 · 2 · 5 + 2 for the convolution, 2 · 2 for the normalisation
    cnn = CNNConfig(channels=[2], batch_norm=True).build(features=4)
    assert sum(parameter.numel() for parameter in cnn.parameters()) == 46


def test_even_kernel_is_refused():
    with pytest.raises(ValidationError, match="should be odd, to be centred on a cycle"):
        CNNConfig(kernel=4)


@pytest.mark.parametrize(
    "options",
    [
        {"channels": [0]},
        {"channels": [10**9]},
        {"channels": [8] * 17},
        {"channels": 8},
        {"channels": [True]},
        {"kernel": 0},
        {"kernel": 257},
        {"dropout": 1},
        {"dropout": -0.1},
        {"batch_norm": 2},
        {"pool": 0},
        {"pool": 256},
    ],
)
def test_other_options_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        CNNConfig(**options)
