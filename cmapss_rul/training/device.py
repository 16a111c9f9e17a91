"""Selection of the PyTorch device."""

import os

import torch

from cmapss_rul.display.text import counted
from cmapss_rul.system.errors import UsageError

DEVICES = ("auto", "cpu", "cuda", "mps", "xpu")
UNTESTED = ("mps", "xpu")
"""Devices of PyTorch on which this package is untested."""


def pick_device(name: str) -> torch.device:
    """Return the device for a value of `--device`.

    Args:
        name: one of `DEVICES`; `auto` is CUDA if available, else the CPU.

    Raises:
        UsageError: the name is unknown, or there is no such device.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    if name not in DEVICES:
        raise UsageError(f"--device: found '{name}', expected one of {', '.join(DEVICES)}")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name not in available_devices():
        raise UsageError(
            f"--device: {name} is not available: this PyTorch "
            f"({torch.__version__}) finds no {name.upper()} device; use --device cpu or auto"
        )
    return torch.device(name)


def available_devices() -> list[str]:
    """Return the names of the available devices."""
    available = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "xpu": torch.xpu.is_available(),
    }
    return [name for name, found in available.items() if found]


def device_of_rank(name: str) -> torch.device:
    """Return this rank's device: the CPU, or the GPU of its local rank."""
    device = pick_device(name)
    if device.type == "cpu":
        return device
    if device.type in UNTESTED:
        raise UsageError(f"--device: several processes need cpu or cuda, found {name}")
    number = int(os.environ.get("LOCAL_RANK", "0"))
    if number >= (gpus := torch.cuda.device_count()):
        raise UsageError(
            f"torchrun: found rank {number} on a machine with {counted(gpus, 'GPU')}, "
            "expected one GPU per rank; use --nproc-per-node with fewer, or --device cpu"
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)
