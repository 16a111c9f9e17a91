import pytest
import torch
from pydantic import ValidationError
from torch import nn

from cmapss_rul.data.windows import Windows
from cmapss_rul.model.network import (
    Ensemble,
    InputNoise,
    NetworkConfig,
    Output,
    SensorOffset,
    predict,
)
from tests.data._fleets import fleet_of

PUBLISHED = {
    "cnn": {
        "channels": [64, 128, 64],
        "kernel": 3,
        "batch_norm": True,
        "dropout": 0.3,
        "concatenate_input": False,
    },
    "bilstm": {"hidden": 256, "layers": 2, "dropout": 0.3},
    "attention": {"name": "self", "heads": 8, "layer_norm": True, "dropout": 0.3},
    "shared": {"hidden": [256, 64, 32], "dropout": 0.3},
    "rul_head": {"hidden": [64, 32, 16], "dropout": 0.3, "output": "cycles"},
    "health_head": {"hidden": [32, 16], "dropout": 0.3},
}
SMALL = {
    "cnn": {"channels": [4], "kernel": 3},
    "bilstm": {"hidden": 4},
    "attention": {"name": "last_state", "hidden": 4},
    "shared": {"hidden": [6, 5]},
    "rul_head": {"hidden": [3]},
    "health_head": {"hidden": []},
}


def small(**changes):
    return NetworkConfig.model_validate({**SMALL, **changes}).build(features=3, classes=3, cap=125)


def test_published_network_has_the_published_parameters():
    network = NetworkConfig.model_validate(PUBLISHED).build(features=17, classes=3, cap=125)
    assert network.parameter_counts() == {
        "cnn": 53_184,
        "bilstm": 2_236_416,
        "attention": 1_051_648,
        "shared": 149_856,
        "rul_head": 4_737,
        "health_head": 1_635,
    }
    assert sum(parameter.numel() for parameter in network.parameters()) == 3_497_476


def test_an_ensemble_is_the_mean_of_clamped_ruls_and_of_probabilities():
    """Worked by hand: RUL −20 and 60 are 0 and 60; odds of 3 to 1 and of 1 to 3 are even."""
    networks = [small(), small()]
    for network, rul, odds in zip(networks, (-20.0, 60.0), (3.0, 1 / 3), strict=True):
        network.forward = _constant(rul, [0.0, torch.tensor(odds).log(), -torch.inf])
    found = Ensemble(networks, cap=125)(torch.zeros(2, 6, 6))
    assert found.rul.tolist() == [30.0, 30.0]
    # softmax of (0, log 3) is (1/4, 3/4)
    assert found.health.softmax(dim=1)[0].tolist() == pytest.approx([0.5, 0.5, 0.0])


def _constant(rul, health):
    def forward(windows, padding=None):
        del padding
        count = len(windows)
        return Output(torch.full((count,), rul), torch.tensor([health] * count))

    return forward


@pytest.mark.parametrize("value", [torch.inf, -torch.inf, torch.nan])
def test_a_non_finite_network_is_not_hidden_by_the_others(value):
    networks = [small(), small()]
    networks[1].forward = _constant(value, [0.0, 0.0, 0.0])
    found = Ensemble(networks, cap=125)(torch.zeros(2, 6, 6))
    assert found.rul.isnan().all()


def test_each_network_of_an_ensemble_reads_its_own_features():
    networks = [small().eval(), small().eval()]
    windows, padding = torch.randn(4, 6, 6), torch.tensor([0, 1, 2, 5])
    parts = [net(windows[:, :, 3 * i : 3 * i + 3], padding) for i, net in enumerate(networks)]
    found = Ensemble(networks, cap=125)(windows, padding)
    torch.testing.assert_close(
        found.rul, (parts[0].rul.clamp(0, 125) + parts[1].rul.clamp(0, 125)) / 2
    )
    torch.testing.assert_close(
        found.health.exp(), (parts[0].health.softmax(1) + parts[1].health.softmax(1)) / 2
    )


def test_an_ensemble_attends_as_its_networks_do_on_average():
    networks = [small(attention={"hidden": 3}).eval() for _ in range(2)]
    windows = torch.randn(4, 6, 6)
    ensemble = Ensemble(networks, cap=125)
    one, two = (
        net.attention_weights(windows[:, :, 3 * i : 3 * i + 3]) for i, net in enumerate(networks)
    )
    torch.testing.assert_close(ensemble.attention_weights(windows), (one + two) / 2)
    unread = small(attention={"name": "none"})
    assert Ensemble([unread], cap=125).attention_weights(windows[:, :, :3]) is None
    counts = networks[0].parameter_counts()
    assert ensemble.parameter_counts() == {name: 2 * count for name, count in counts.items()}


def test_published_network_predicts():
    network = NetworkConfig.model_validate(PUBLISHED).build(features=17, classes=3, cap=125)
    rul, health = network.eval()(torch.randn(2, 30, 17))
    assert rul.shape == (2,)
    assert health.shape == (2, 3)


def test_default_network_is_small():
    network = NetworkConfig().build(features=15, classes=3, cap=125)
    assert 50_000 < sum(network.parameter_counts().values()) < 200_000


@pytest.mark.parametrize("attention", ["last_state", "self", "none"])
@pytest.mark.parametrize("channels", [[], [4, 4]])
def test_every_chain_answers_in_the_right_shapes(attention, channels):
    network = small(cnn={"channels": channels}, attention={"name": attention}, input_noise=0.1)
    for batch, window in [(1, 1), (1, 7), (5, 30)]:
        output = network(torch.randn(batch, window, 3))
        assert isinstance(output, Output)
        assert output.rul.shape == (batch,)
        assert output.health.shape == (batch, 3)


def test_every_parameter_is_trained():
    network = small()
    output = network(torch.randn(8, 9, 3))
    (output.rul.square().mean() + output.health.square().mean()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_parts_add_up_to_the_whole():
    network = small()
    assert sum(network.parameter_counts().values()) == sum(map(torch.numel, network.parameters()))
    assert list(network.parameter_counts()) == [
        "cnn",
        "bilstm",
        "attention",
        "shared",
        "rul_head",
        "health_head",
    ]


def test_windows_of_a_batch_do_not_mix():
    network = small().eval()
    windows = torch.randn(4, 9, 3)
    together = network(windows)
    alone = [network(window[None]) for window in windows]
    torch.testing.assert_close(together.rul, torch.cat([output.rul for output in alone]))
    torch.testing.assert_close(together.health, torch.cat([output.health for output in alone]))


def test_same_seed_gives_the_same_network():
    networks = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        networks.append(small())
    first, second, third = (network.shared_weight for network in networks)
    assert first.equal(second)
    assert not first.equal(third)


def test_shared_weight_is_the_last_layer_before_the_heads():
    network = small()
    assert network.shared_weight is network.shared[3].weight
    assert network.shared_weight.shape == (5, 6)
    output = network(torch.randn(8, 9, 3))
    for part in output:
        (gradient,) = torch.autograd.grad(part.sum(), network.shared_weight, retain_graph=True)
        assert gradient.abs().sum() > 0


def test_untrained_network_predicts_near_half_the_cap():
    torch.manual_seed(0)
    network = NetworkConfig().build(features=15, classes=3, cap=125).eval()
    rul, _ = network(torch.randn(16, 60, 15))
    assert (rul - 62.5).abs().max() < 30


def test_noise_in_training_only():
    torch.manual_seed(0)
    windows = torch.zeros(20, 50, 3)
    noise = InputNoise(0.2)
    assert noise(windows).std().item() == pytest.approx(0.2, rel=0.1)
    assert (windows == 0).all()
    assert noise.eval()(windows) is windows
    assert InputNoise(0.0)(windows) is windows
    assert repr(noise) == "InputNoise(deviation=0.2)"


def test_offset_is_constant_over_a_window_and_differs_between_windows_and_sensors():
    torch.manual_seed(0)
    windows = torch.zeros(500, 9, 3)
    offset = SensorOffset(0.5, [True, False, True])
    moved = offset(windows)
    assert moved.equal(moved[:, :1].expand_as(moved))
    assert (moved[:, 0, 1] == 0).all()
    assert moved[:, 0, [0, 2]].std(dim=0).tolist() == pytest.approx([0.5, 0.5], rel=0.1)
    assert abs(torch.corrcoef(moved[:, 0, [0, 2]].T)[0, 1].item()) < 0.15
    assert (windows == 0).all()
    assert offset.eval()(windows) is windows


def test_without_an_offset_nothing_is_drawn():
    """A draw would advance the generator and change the results of every seed."""
    state = torch.get_rng_state()
    assert SensorOffset(0.0, [True])(windows := torch.zeros(2, 3, 1)) is windows
    assert torch.get_rng_state().equal(state)


@pytest.mark.parametrize("name", ["input_noise", "sensor_offset"])
def test_evaluation_is_repeatable_and_training_is_not(name):
    torch.manual_seed(0)  # with others, the head of three units may be dead
    network, windows = small(**{name: 0.1}), torch.randn(4, 9, 3)
    assert network.eval()(windows).rul.equal(network(windows).rul)
    assert not network.train()(windows).rul.equal(network(windows).rul)


def test_forward_can_be_traced():
    """No branch in it looks at numbers, so it can be exported."""
    network = small().eval()
    traced = torch.fx.symbolic_trace(network)
    windows = torch.randn(4, 9, 3)
    assert traced(windows).rul.equal(network(windows).rul)


def test_works_in_float64():
    output = small().double()(torch.randn(2, 9, 3, dtype=torch.float64))
    assert output.rul.dtype == output.health.dtype == torch.float64


def test_state_goes_into_another_network():
    one, other = small().eval(), small().eval()
    windows = torch.randn(2, 9, 3)
    assert not one(windows).rul.equal(other(windows).rul)
    other.load_state_dict(one.state_dict())
    assert one(windows).rul.equal(other(windows).rul)


def test_heads_that_do_not_fit_the_bilstm_are_refused():
    with pytest.raises(ValidationError) as caught:
        NetworkConfig.model_validate(
            {"attention": {"name": "self", "heads": 5}, "bilstm": {"hidden": 64}}
        )
    assert "attention.heads should divide 128 (twice bilstm.hidden), found 5" in str(caught.value)


def test_a_billion_hidden_units_are_refused():
    with pytest.raises(ValidationError, match="less than or equal to 16384"):
        NetworkConfig.model_validate({"bilstm": {"hidden": 10**9}})


@pytest.mark.parametrize("noise", [-0.1, 101, "loud", True, float("nan")])
def test_other_noise_is_refused(noise):
    with pytest.raises(ValidationError, match="input_noise"):
        NetworkConfig.model_validate({"input_noise": noise})


def test_configuration_survives_serialisation():
    config = NetworkConfig.model_validate(PUBLISHED)
    assert NetworkConfig.model_validate(config.model_dump(mode="json")) == config


@pytest.fixture
def windows():
    fleet = fleet_of(9, 4)
    series = torch.randn(fleet.rows, 3, generator=torch.Generator().manual_seed(0))
    return Windows.every_cycle(series, fleet, 5)


class Marker(nn.Module):
    """Returns the window's last value and records its batches."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, windows, padding):
        assert len(padding) == len(windows)
        self.seen.append((len(windows), self.training))
        return Output(windows[:, -1, 0], windows[:, -1, :])


def test_every_window_is_predicted_in_order_and_in_batches(windows):
    marker = Marker()
    rul, probabilities = predict(marker, windows, batch_size=5)
    assert torch.equal(rul, windows.series[:, 0])
    assert [size for size, _ in marker.seen] == [5, 5, 3]
    assert torch.allclose(probabilities.sum(dim=1), torch.ones(13))
    assert torch.equal(probabilities.argmax(dim=1), windows.series.argmax(dim=1))


@pytest.mark.parametrize("training", [True, False])
def test_prediction_is_in_evaluation_mode_and_puts_the_mode_back(windows, training):
    marker = Marker().train(training)
    predict(marker, windows)
    assert marker.seen == [(13, False)]
    assert marker.training is training


def test_no_gradient_no_draw_and_nearly_the_same_for_any_batch_size(windows):
    network = NetworkConfig(input_noise=1.0).build(features=3, classes=2, cap=125)
    before = torch.get_rng_state()
    once, again = predict(network, windows), predict(network, windows, batch_size=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert not once[0].requires_grad
    assert once[0].shape == (13,)
    torch.testing.assert_close(once, again, rtol=1e-4, atol=1e-4)


MASKED = [{"name": "last_state", "hidden": 4}, {"name": "self", "heads": 2}, {"name": "none"}]


@pytest.mark.parametrize("attention", MASKED, ids=lambda config: config["name"])
def test_masked_padding_has_no_influence(attention):
    """The content of the padding affects no output and gets no gradient."""
    torch.manual_seed(5)  # with some weights the last ReLU of a head is 0 and has no gradient
    network = small(attention=attention, mask_padding=True, cnn={"channels": [4], "pool": 3}).eval()
    windows, padding = torch.randn(4, 9, 3), torch.tensor([0, 1, 5, 8])
    hidden = torch.arange(9) < padding[:, None]
    other = torch.where(hidden[:, :, None], 1e3 * torch.randn(4, 9, 3), windows)
    assert network(windows, padding).rul.equal(network(other, padding).rul)
    windows.requires_grad_()
    (gradient,) = torch.autograd.grad(network(windows, padding).rul.sum(), windows)
    assert not gradient[hidden].any()
    assert gradient[~hidden].any(dim=1).all()


@pytest.mark.parametrize("attention", MASKED[:2], ids=lambda config: config["name"])
def test_attention_weights_are_zero_on_steps_of_padding_alone(attention):
    network = small(attention=attention, mask_padding=True, cnn={"channels": [4], "pool": 3}).eval()
    weights = network.attention_weights(torch.randn(3, 9, 3), torch.tensor([2, 3, 8]))
    assert (weights > 0).tolist() == [[True] * 3, [False, True, True], [False, False, True]]
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(3))


def test_without_padding_the_mask_changes_nothing():
    torch.manual_seed(3)
    plain = small().eval()
    masked = small(mask_padding=True).eval()
    masked.load_state_dict(plain.state_dict())
    windows = torch.randn(5, 9, 3)
    for padding in (None, torch.zeros(5, dtype=torch.int64)):
        torch.testing.assert_close(masked(windows, padding).rul, plain(windows).rul)
    assert plain(windows, torch.full((5,), 4)).rul.equal(plain(windows).rul)


def test_prediction_passes_the_padding_on():
    """An engine of 4 rows: its window equals that of a record with other rows before it."""
    network = small(mask_padding=True).eval()
    series = torch.randn(12, 3)
    short = Windows(series, torch.tensor([8]), torch.tensor([11]), length=9)
    rows = torch.cat((torch.randn(5, 3), series[8:]))[None]
    assert predict(network, short)[0].equal(network(rows, torch.tensor([5])).rul)
