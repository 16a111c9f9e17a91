"""Selection of the device by name."""

import pytest
import torch

from cmapss_rul.system.errors import UsageError
from cmapss_rul.training import device
from cmapss_rul.training.device import available_devices, pick_device


@pytest.fixture
def cuda(monkeypatch):
    def there_is(one):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: one)

    return there_is


def test_cpu_is_always_available(cuda):
    cuda(False)
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto") == torch.device("cpu")


def test_cuda_is_used_if_available(cuda):
    cuda(True)
    assert pick_device("cuda") == pick_device("auto") == torch.device("cuda")
    assert pick_device("cpu") == torch.device("cpu")


def test_missing_cuda_is_reported_in_one_line(cuda):
    cuda(False)
    with pytest.raises(UsageError, match="finds no CUDA device; use --device cpu") as caught:
        pick_device("cuda")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("name", "module"), [("mps", torch.backends.mps), ("xpu", torch.xpu)])
def test_untested_devices_are_accepted_by_name(name, module, monkeypatch, cuda):
    cuda(False)
    assert available_devices() == ["cpu"]
    with pytest.raises(UsageError, match=f"finds no {name.upper()} device"):
        pick_device(name)
    monkeypatch.setattr(module, "is_available", lambda: True)
    assert available_devices() == ["cpu", name]
    assert pick_device(name) == torch.device(name)
    # untested, so never chosen by default
    assert pick_device("auto") == torch.device("cpu")


@pytest.mark.parametrize("name", ["gpu", "", "CPU", "cuda:0", "a\x1b[31mb"])
def test_unknown_devices_are_refused_with_the_available_ones(name):
    with pytest.raises(UsageError, match="expected one of auto, cpu, cuda, mps, xpu") as caught:
        pick_device(name)
    assert "\x1b" not in str(caught.value)


def test_fewer_gpus_than_ranks_are_refused(monkeypatch):
    monkeypatch.setattr(device, "pick_device", torch.device)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(UsageError, match=r"torchrun: found rank 1 on a machine with 1 GPU"):
        device.device_of_rank("cuda")
    assert device.device_of_rank("cpu") == torch.device("cpu")
