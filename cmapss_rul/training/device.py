"""Choice of the device that the network runs on."""

import torch

from cmapss_rul.system.errors import UsageError

DEVICES = ("auto", "cpu", "cuda")


def pick_device(name: str) -> torch.device:
    """Turn the value of `--device` into a device.

    Args:
        name: `cpu`, `cuda`, or `auto` for CUDA where there is one, else the CPU.

    Raises:
        UsageError: the name is none of these, or there is no CUDA device.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    if name not in DEVICES:
        raise UsageError(f"--device: found '{name}', expected one of {', '.join(DEVICES)}")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            "--device: cuda was asked for, but this PyTorch "
            f"({torch.__version__}) finds no CUDA device; use --device cpu or auto"
        )
    return torch.device(name)
