"""Configurations shipped with the package, and look-up by name or path."""

import contextlib
from pathlib import Path

from cmapss_rul.display.text import nearest_first
from cmapss_rul.system.errors import UsageError, one_line

_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_configs() -> dict[str, Path]:
    """Find the shipped configurations: in a wheel inside the package, else in the checkout.

    Returns:
        Name without suffix → YAML file, sorted by name.
    """
    inside = _PACKAGE / "configs"
    folder = inside if inside.is_dir() else _PACKAGE.parent / "configs"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"), key=lambda path: path.stem)}


def describe_config(path: Path) -> str:
    """Return the first line of a configuration's leading comment; empty if it has none."""
    with path.open(encoding="utf-8") as file:
        first = file.readline().strip()
    return one_line(first.lstrip("# ")) if first.startswith("#") else ""


def find_config(name_or_path: str | Path) -> tuple[str, Path]:
    """Find a configuration by path or shipped name.

    An existing file takes precedence over a shipped configuration, whose name may have any case
    and may end with `.yaml`.

    Returns:
        The name (of the file, without suffix), and the file.

    Raises:
        UsageError: neither exists; lists the shipped ones, the most similar first.
    """
    path = Path(name_or_path)
    with contextlib.suppress(OSError):  # a name that is too long for the file system
        if path.exists() and not path.is_dir():  # a folder `fd001` must not hide the shipped name
            return path.stem, path
    known = shipped_configs()
    name = str(name_or_path).lower().removesuffix(".yaml")
    if name in known:
        return name, known[name]
    listed = ", ".join(nearest_first(path.stem, known)) or "none"
    raise UsageError(
        f"configuration '{name_or_path}' is neither a YAML file nor a shipped name; "
        f"shipped: {listed}"
    )
