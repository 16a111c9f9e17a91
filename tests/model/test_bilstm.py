import pytest
import torch
from pydantic import ValidationError

from cmapss_rul.model.bilstm import BiLSTMConfig


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_shapes(layers):
    bilstm = BiLSTMConfig(hidden=5, layers=layers, dropout=0.2).build(features=3)
    assert bilstm.features == 10
    assert bilstm(torch.zeros(2, 7, 3)).shape == (2, 7, 10)


def test_parameters_by_hand():
    # A direction: 4 gates · 5 · (3 + 5) weights and 2 · 4 · 5 biases; two directions
    bilstm = BiLSTMConfig(hidden=5).build(features=3)
    assert sum(parameter.numel() for parameter in bilstm.parameters()) == 2 * (160 + 40)


def test_reads_both_ways():
    """The first half of a state depends on the past alone, the second on the future alone."""
    bilstm = BiLSTMConfig(hidden=4).build(features=2)
    window = torch.randn(1, 6, 2)
    changed = window.clone()
    changed[:, 3] += 1
    differs = (bilstm(window) != bilstm(changed)).any(dim=0)
    assert differs[:, :4].any(dim=1).tolist() == [False, False, False, True, True, True]
    assert differs[:, 4:].any(dim=1).tolist() == [True, True, True, True, False, False]


def test_dropout_stands_between_layers_only():
    torch.manual_seed(0)
    window = torch.randn(2, 6, 3)
    one = BiLSTMConfig(hidden=4, dropout=0.5).build(features=3).train()
    assert one(window).equal(one(window))
    two = BiLSTMConfig(hidden=4, layers=2, dropout=0.5).build(features=3).train()
    assert not two(window).equal(two(window))
    two.eval()
    assert two(window).equal(two(window))


@pytest.mark.parametrize(
    "options", [{"hidden": 0}, {"hidden": 10**9}, {"layers": 0}, {"layers": 17}, {"dropout": 1}]
)
def test_other_options_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        BiLSTMConfig(**options)
