"""`rul --version`: versions, and with --json everything a bug report needs."""

import os
import platform
import re
from pathlib import Path
from typing import Any

from cmapss_rul.cli.options import DATA_FOLDER
from cmapss_rul.cli.output import print_line
from cmapss_rul.system.errors import RulError, printable
from cmapss_rul.version import __version__


def print_versions() -> None:
    """Print the versions of this package, torch and Python in one line."""
    from importlib import metadata

    try:
        torch = metadata.version("torch")  # importing torch takes more than a second
    except metadata.PackageNotFoundError:
        torch = "not installed"
    print_line(f"cmapss_rul {__version__}, torch {torch}, Python {platform.python_version()}")


def collect_versions() -> dict[str, Any]:
    """Return versions, devices, threads and the state of data and cache, for a bug report."""
    import torch

    from cmapss_rul.data.cache import cache_folder
    from cmapss_rul.data.columns import SUBSETS, file_names
    from cmapss_rul.data.sources import VARIABLE
    from cmapss_rul.training.config import TrainConfig
    from cmapss_rul.training.device import available_devices

    names = file_names(SUBSETS)
    cache = cache_folder(DATA_FOLDER / names[0])
    return {
        "cmapss_rul": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": _packages(),
        "devices": available_devices(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "threads": {"cores": TrainConfig().thread_count(), "torch": torch.get_num_threads()},
        "data": {
            "folder": printable(DATA_FOLDER.resolve()),
            "files": {name: _state(DATA_FOLDER / name) for name in names},
            # not the source itself: it may contain a password
            f"{VARIABLE} is set": bool(os.environ.get(VARIABLE)),
        },
        "cache": {
            "folder": printable(cache.resolve()),
            "bytes": sum(path.stat().st_size for path in cache.glob("*.rows")),
        },
    }


def _packages() -> dict[str, str]:
    """Versions of the installed direct requirements, those of extras included."""
    from importlib import metadata

    found = {}
    for text in metadata.requires("cmapss_rul") or ():
        name = re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0]
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return dict(sorted(found.items()))


def _state(path: Path) -> str:
    """Describe a data file in a word or two."""
    from cmapss_rul.data.verification import provenance

    if not path.exists():
        return "missing"
    try:
        origin = provenance(path)
    except RulError as error:
        return str(error)
    return "official" if origin.official else "simulated" if origin.simulated else "other content"
