import pytest
import torch
from torch import nn

from cmapss_rul.data.windows import Windows
from cmapss_rul.model.network import NetworkConfig, Output
from cmapss_rul.model.predict import predict
from tests.data._fleets import fleet_of


@pytest.fixture
def windows():
    fleet = fleet_of(9, 4)
    series = torch.randn(fleet.rows, 3, generator=torch.Generator().manual_seed(0))
    return Windows.every_cycle(series, fleet, 5)


class Marker(nn.Module):
    """Answers with the window's last value; remembers the batches it saw."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def forward(self, windows):
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
