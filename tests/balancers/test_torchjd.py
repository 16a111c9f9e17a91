import sys
from typing import get_args

import pytest
import torch
from pydantic import ValidationError
from torchjd import scalarization as theirs

from cmapss_rul.balancers import BalancedLoss
from cmapss_rul.balancers.torchjd import (
    REFUSED,
    ScalarizerConfig,
    TorchJD,
    TorchJDConfig,
    TorchJDConstantConfig,
    TorchJDIMTLLConfig,
    TorchJDMeanConfig,
    TorchJDSTCHConfig,
    TorchJDSumConfig,
    TorchJDUWConfig,
)
from cmapss_rul.balancers.uncertainty import UncertaintyConfig
from cmapss_rul.config.load import from_mapping
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.config import RunConfig
from tests.balancers import battery

CLASSES = {member().name: member for member in get_args(TorchJDConfig)}


def balance(config, losses):
    return config.build()(torch.tensor(losses, requires_grad=True))


@pytest.mark.parametrize(
    ("config", "total", "weights"),
    [
        (TorchJDConstantConfig(weights=[0.5, 3]), 206.0, [0.5, 3.0]),
        (TorchJDMeanConfig(), 201.0, [0.5, 0.5]),
        (TorchJDSumConfig(), 402.0, [1.0, 1.0]),
        (TorchJDIMTLLConfig(), 402.0, [1.0, 1.0]),  # s = 0
        (TorchJDUWConfig(), 201.0, [0.5, 0.5]),  # s = 0
        # 0.01 · 400 = 4 and 2 · 2 = 4, so the smooth maximum is 4 + ln 2, half of each
        (TorchJDSTCHConfig(weights=[0.01, 2]), 4.693147, [0.005, 1.0]),
        # less the reference: 0.01 · (400 − 100) = 3 and 2 · (2 − ½) = 3; μ = 2
        (
            TorchJDSTCHConfig(weights=[0.01, 2], reference=[100, 0.5], mu=2),
            4.386294,
            [0.005, 1.0],
        ),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_by_hand(config, total, weights):
    balanced = balance(config, [400.0, 2.0])
    torch.testing.assert_close(balanced.total.detach(), torch.tensor(total))
    torch.testing.assert_close(balanced.weights, torch.tensor(weights))


def test_smooth_maximum_by_hand_at_the_default():
    # y = (0.001 · 4000, 1.25) = (4, 1.25): softmax of the first is 1 / (1 + e^−2.75)
    share = 1 / (1 + torch.tensor(-2.75).exp())
    expected = torch.stack([1e-3 * share, 1 - share])
    torch.testing.assert_close(balance(TorchJDSTCHConfig(), [4000.0, 1.25]).weights, expected)


def test_an_underflowing_weight_stays_positive():
    losses = torch.tensor([4000.0, 1.0], requires_grad=True)
    config = TorchJDSTCHConfig(weights=[0.5, 0.5])  # what torchjd's own default is
    total, weights = config.build()(losses)
    assert total.item() == theirs.STCH(mu=1.0)(losses).item() == 2000.0
    total.backward()
    assert losses.grad.equal(weights)
    torch.testing.assert_close(weights, torch.tensor([0.5, 1e-12]))


def test_uw_is_the_symmetric_uncertainty_from_zero():
    ours = UncertaintyConfig(form="symmetric", start="zero").build()
    uw = TorchJDUWConfig().build()
    for balancer in (ours, uw):
        for _ in range(5):
            balancer.optimiser().zero_grad()
            balanced = balancer(torch.tensor([4000.0, 1.25], requires_grad=True))
            balanced.total.backward()
            balancer.optimiser().step()
    torch.testing.assert_close(uw.scalarizer.log_var, ours.log_variance)
    assert balanced.weights[0] < 0.5


def test_imtl_l_goes_to_even_losses():
    """d/ds (e^s L − s) = 0 at e^s = 1/L."""
    balancer = TorchJDIMTLLConfig(learning_rate=0.05).build()
    for _ in range(600):
        balancer.optimiser().zero_grad()
        balanced = balancer(torch.tensor([20.0, 0.5], requires_grad=True))
        balanced.total.backward()
        balancer.optimiser().step()
    torch.testing.assert_close(balanced.weights, torch.tensor([0.05, 2.0]), rtol=1e-2, atol=0)


def test_vectors_are_saved_and_moved_with_the_balancer():
    balancer = TorchJDSTCHConfig(weights=[1, 2], reference=[3, 4]).build()
    state = {name: value.tolist() for name, value in balancer.state_dict().items()}
    assert state == {"scalarizer.weights": [1.0, 2.0], "scalarizer.reference": [3.0, 4.0]}
    assert balancer.to("meta").scalarizer.weights.device.type == "meta"


def test_repr_shows_what_was_learned():
    assert repr(TorchJDIMTLLConfig().build()) == (
        "TorchJD(scalarizer=IMTLL(shape=(2,)), learning_rate=0.01, log_scale=[0.0, 0.0])"
    )


# ---- those that are refused -----------------------------------------------------------------

ARGUMENTS = {
    "COSMOS": {"lambda_": 1.0, "weights": torch.ones(2)},
    "DWA": {},
    "FAMO": {"shape": 2},
    "GeometricMean": {},
    "PBI": {"theta": 5.0, "weights": torch.ones(2)},
}


class Raw(ScalarizerConfig):
    """A refused scalarizer wrapped as a balancer."""

    kind: str

    @property
    def scalarizer(self):
        """Name of torchjd's class."""
        return self.kind

    def arguments(self):
        """What it needs."""
        return ARGUMENTS[self.kind]

    def build(self):
        """Build the balancer."""
        return RawTorchJD(self)


class RawTorchJD(TorchJD):
    """Without the floor under the weights; DWA and FAMO learn at the end of an epoch."""

    def balance(self, losses, shared):  # noqa: ARG002
        total = self.scalarizer(losses)
        return BalancedLoss(total, *torch.autograd.grad(total, losses, retain_graph=True))

    def optimiser(self):
        return None  # FAMO has its own

    def epoch_end(self, mean_losses):
        if isinstance(self.scalarizer, theirs.DWA):
            self.scalarizer.step()
        if isinstance(self.scalarizer, theirs.FAMO):  # as if the step had changed the losses
            self.scalarizer.update(mean_losses * torch.tensor([0.9, 0.8]))


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("COSMOS", battery.check_zero_losses),
        ("DWA", battery.check_resumes_bit_for_bit),
        ("FAMO", battery.check_resumes_bit_for_bit),
        ("GeometricMean", battery.check_zero_losses),
        ("GeometricMean", battery.check_no_host_synchronisation),
        ("PBI", battery.check_weights_are_positive_constants),
    ],
)
def test_refused_ones_do_fail_the_battery(kind, check):
    with pytest.raises((AssertionError, RuntimeError)):
        check(Raw(kind=kind))


def test_reasons_of_the_refusal_by_hand():
    def weights(kind, losses):
        return Raw(kind=kind).build()(torch.tensor(losses, requires_grad=True)).weights

    # d₁ = (3 + 1)/√2 and d₂ = (3 − 1)/√2, so the slopes are (1 ± 5)/√2
    torch.testing.assert_close(weights("PBI", [3.0, 1.0]), torch.tensor([6.0, -4.0]) / 2**0.5)
    # 1 − ∂cos/∂L₁ = 1 − L₂ (L₂ − L₁) / (√2 ‖L‖³), at L = (0, 0.1): 1 − 0.01 / (√2 · 0.001)
    found = weights("COSMOS", [0.0, 0.1])[0].item()
    assert found == pytest.approx(1 - 10 / 2**0.5)
    assert weights("GeometricMean", [4.0, 0.0]).isnan().any()
    for kind in ("DWA", "FAMO"):
        balancer = Raw(kind=kind).build()
        before = balancer.state_dict().keys()
        for _ in range(2):
            balancer(torch.ones(2, requires_grad=True))
            balancer.epoch_end(torch.ones(2))
        assert balancer.state_dict().keys() == before


def test_all_of_torchjds_are_either_offered_or_refused():
    offered = {name.removeprefix("torchjd:").replace("_", "") for name in CLASSES}
    refused = {name.removeprefix("torchjd:").replace("_", "") for name in REFUSED}
    known = {name.lower() for name in theirs.__all__} - {"scalarizer"}
    assert offered | refused == known
    assert not offered & refused


@pytest.mark.parametrize("name", REFUSED)
def test_refused_ones_are_refused_by_name_with_the_reason(name):
    with pytest.raises(UsageError) as caught:
        from_mapping(RunConfig, {"seed": -1}, [f"balancer.name={name}"])
    text = str(caught.value)
    assert f"balancer.name: {name} is not available: {REFUSED[name]}" in text
    assert "seed: " in text  # and what else is wrong
    assert "\n" not in text


def test_others_are_unknown_and_the_nearest_named():
    with pytest.raises(UsageError, match=r"balancer.name: expected one of torchjd:imtl_l, "):
        from_mapping(RunConfig, {}, ["balancer.name=torchjd:imtl"])


# ---- without the extra ----------------------------------------------------------------------


@pytest.fixture
def without_torchjd(monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "torchjd"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torchjd", None)


@pytest.mark.usefixtures("without_torchjd")
@pytest.mark.parametrize("name", CLASSES)
def test_without_the_package_a_configuration_is_valid_and_building_names_what_to_install(name):
    config = from_mapping(RunConfig, {}, [f"balancer.name={name}"])
    assert config.balancer == CLASSES[name]()
    with pytest.raises(UsageError) as caught:
        config.balancer.build()
    assert "pip install 'cmapss_rul[torchjd]'" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [{"mu": 0}, {"mu": 1e10}, {"weights": [0, 1]}, {"reference": [1]}, {"reference": [0, 1e13]}],
)
def test_other_options_are_refused(options):
    with pytest.raises(ValidationError, match=next(iter(options))):
        TorchJDSTCHConfig(**options)


def test_a_rate_is_only_there_where_something_is_learned():
    with pytest.raises(UsageError, match=r"balancer.learning_rate: unknown key"):
        from_mapping(RunConfig, {}, ["balancer.name=torchjd:sum", "balancer.learning_rate=1"])
