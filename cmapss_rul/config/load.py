"""The one way in: YAML, then `--set`, then a validated and frozen object."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from cmapss_rul.config.base import Config
from cmapss_rul.config.explain import explain
from cmapss_rul.config.overrides import apply_overrides
from cmapss_rul.config.shipped import resolve
from cmapss_rul.config.yaml import read_yaml
from cmapss_rul.display.text import printable
from cmapss_rul.system.errors import UsageError

ConfigT = TypeVar("ConfigT", bound=Config)


def load(model: type[ConfigT], name_or_path: str | Path, sets: Sequence[str] = ()) -> ConfigT:
    """Read a configuration by path or shipped name.

    Args:
        model: class of the configuration, `RunConfig` for a run.
        name_or_path: a YAML file, or a shipped configuration with or without `.yaml`.
        sets: overrides such as `train.epochs=1`, in order.

    Returns:
        The validated object.

    Raises:
        UsageError: no such configuration, no valid YAML, or wrong keys and values, all named.
    """
    _, path = resolve(name_or_path)
    return from_mapping(model, read_yaml(path), sets, where=printable(path))


def from_mapping(
    model: type[ConfigT],
    mapping: Mapping[str, Any],
    sets: Sequence[str] = (),
    where: str = "configuration",
) -> ConfigT:
    """Apply overrides to a mapping and validate it.

    Args:
        model: class of the configuration.
        mapping: what a YAML file or a checkpoint holds; it is not changed.
        sets: overrides such as `train.epochs=1`, in order.
        where: what the error line begins with, the file's name say.

    Returns:
        The validated object.

    Raises:
        UsageError: wrong overrides, keys or values.
    """
    values = apply_overrides(mapping, sets)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        origin = f"{where} with --set" if sets else where
        raise UsageError(f"{origin}: {explain(error, model)}") from None
