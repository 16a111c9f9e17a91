import pytest
import torch
from pydantic import ValidationError
from torch import nn

from cmapss_rul.model.heads import HealthHeadConfig, RulHeadConfig, SharedConfig


def silence(head):
    """Make the last layer answer z = 0."""
    nn.init.zeros_(head.last.weight)
    nn.init.zeros_(head.last.bias)
    return head


def test_shared_layers_are_linear_relu_dropout():
    layers = SharedConfig(hidden=[4, 3], dropout=0.25).build(features=6)
    kinds = [type(layer) for layer in layers]
    assert kinds == [nn.Linear, nn.ReLU, nn.Dropout] * 2
    assert [layer.out_features for layer in layers if isinstance(layer, nn.Linear)] == [4, 3]
    assert layers[2].p == layers[5].p == 0.25
    assert layers(torch.zeros(2, 6)).shape == (2, 3)


def test_shared_needs_a_layer():
    with pytest.raises(ValidationError, match="at least 1 item"):
        SharedConfig(hidden=[])


@pytest.mark.parametrize("hidden", [[], [5], [5, 4]])
def test_rul_is_one_number_a_window(hidden):
    head = RulHeadConfig(hidden=hidden).build(features=6, cap=125)
    assert head(torch.zeros(3, 6)).shape == (3,)
    assert head(torch.zeros(1, 6)).shape == (1,)


def test_rul_starts_in_the_middle_of_the_labels():
    features = torch.randn(3, 6)
    cap = silence(RulHeadConfig(output="cap").build(features=6, cap=130))
    cycles = silence(RulHeadConfig(output="cycles").build(features=6, cap=130))
    assert cap(features).tolist() == [65.0] * 3
    assert cycles(features).tolist() == [0.0] * 3


def test_both_outputs_are_the_same_layer_in_other_units():
    cap = RulHeadConfig(hidden=[], output="cap").build(features=6, cap=125)
    cycles = RulHeadConfig(hidden=[], output="cycles").build(features=6, cap=125)
    cycles.load_state_dict(cap.state_dict())
    features = torch.randn(3, 6)
    torch.testing.assert_close(cap(features), 125 * (0.5 + cycles(features)))


def test_rul_keeps_its_precision_where_features_have_less():
    head = RulHeadConfig(hidden=[]).build(features=6, cap=125)
    with torch.autocast("cpu", torch.bfloat16):
        assert head(torch.randn(3, 6)).dtype == torch.float32
    assert head.double()(torch.randn(3, 6, dtype=torch.float64)).dtype == torch.float64


@pytest.mark.parametrize(("hidden", "linears"), [([], 1), ([5], 2), ([5, 4], 3)])
def test_health_is_a_logit_a_class(hidden, linears):
    head = HealthHeadConfig(hidden=hidden).build(features=6, classes=5)
    assert head(torch.zeros(3, 6)).shape == (3, 5)
    assert sum(isinstance(layer, nn.Linear) for layer in head) == linears
    assert isinstance(head[-1], nn.Linear)


@pytest.mark.parametrize("part", [SharedConfig, RulHeadConfig, HealthHeadConfig])
@pytest.mark.parametrize(
    "options", [{"hidden": [0]}, {"hidden": [10**9]}, {"hidden": [4] * 17}, {"dropout": 1}]
)
def test_other_options_are_refused(part, options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        part(**options)


def test_other_outputs_are_refused():
    with pytest.raises(ValidationError, match="output"):
        RulHeadConfig(output="share")
