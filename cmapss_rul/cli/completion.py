"""What a shell may complete, found without importing anything heavy.

Where nothing fits, bash and zsh complete file names, so that paths need no mention here.
"""

import contextlib
import re
from collections.abc import Iterable
from pathlib import Path

from cmapss_rul.config.shipped import shipped_configs

_BALANCERS = Path(__file__).resolve().parents[1] / "balancers"
_NAME = re.compile(r'name: Literal\["([^"]+)"\]')


def configurations(incomplete: str) -> list[str]:
    """Shipped configurations."""
    return _starting(incomplete, shipped_configs())


def configuration_lists(incomplete: str) -> list[str]:
    """Shipped configurations, the last one of a list with commas."""
    return _listed(incomplete, shipped_configs())


def balancer_lists(incomplete: str) -> list[str]:
    """Balancers, the last one of a list with commas.

    Their names are read off their files: importing them takes torch along, and seconds.
    """
    files = sorted(_BALANCERS.glob("*.py"))
    names = [name for file in files for name in _NAME.findall(file.read_text(encoding="utf-8"))]
    return _listed(incomplete, names)


def runs(incomplete: str) -> list[str]:
    """Folders in `runs`."""
    return _starting(incomplete, _folders("runs"))


def runs_to_resume(incomplete: str) -> list[str]:
    """`auto`, or a folder in `runs`."""
    return _starting(incomplete, ["auto", *_folders("runs")])


def _folders(root: str) -> list[str]:
    found: list[str] = []
    with contextlib.suppress(OSError):
        found = sorted(path.as_posix() for path in Path(root).iterdir() if path.is_dir())
    return [name for name in found if name.isprintable()]  # others would reach the terminal raw


def _listed(incomplete: str, names: Iterable[str]) -> list[str]:
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _starting(last, names)]


def _starting(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
