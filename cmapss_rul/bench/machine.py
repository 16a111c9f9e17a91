"""What a benchmark ran on: nothing in it names the machine or its user."""

import contextlib
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from cmapss_rul.bench.peer import peer_version
from cmapss_rul.training.config import TrainConfig
from cmapss_rul.version import __version__


def machine(device: torch.device) -> dict[str, Any]:
    """Describe processor, memory, accelerator, system and versions, and the load at the start."""
    return {
        "processor": _processor(),
        "cores": TrainConfig().thread_count(),
        "memory_mb": _memory_mb(),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_average": _load(),
        "versions": {
            "cmapss_rul": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            **{name: metadata.version(name) for name in ("numpy", "pandas")},
            "rul-datasets": peer_version(),
        },
    }


def sentence(described: dict[str, Any]) -> str:
    """Say it in a line.

    >>> sentence({"processor": "X", "cores": 2, "memory_mb": 8000.0, "gpu": None,
    ...           "system": "Linux", "load_average": 0.5, "versions": {"torch": "2.13.0"}})
    'X, 2 cores, 8 GB, no GPU, Linux, torch 2.13.0; load average at the start 0.50'
    """
    load, memory = described["load_average"], described["memory_mb"]
    parts = [
        described["processor"],
        f"{described['cores']} cores",
        "memory unknown" if memory is None else f"{memory / 1000:.0f} GB",
        described["gpu"] or "no GPU",
        described["system"],
        f"torch {described['versions']['torch']}",
    ]
    return ", ".join(parts) + ("" if load is None else f"; load average at the start {load:.2f}")


def _processor() -> str:
    with contextlib.suppress(OSError):  # elsewhere than on Linux
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_mb() -> float | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e6
    except (AttributeError, ValueError, OSError):
        return None


def _load() -> float | None:
    """Processes that wanted a core in the last minute; None where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
