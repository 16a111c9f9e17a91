"""Loading of configurations: YAML, then `--set key.sub=value`, then validation."""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from cmapss_rul.config.base import Config
from cmapss_rul.config.explain import explain
from cmapss_rul.config.shipped import find_config
from cmapss_rul.config.yaml import parse_yaml, read_yaml
from cmapss_rul.system.errors import UsageError

ConfigT = TypeVar("ConfigT", bound=Config)


def load(model: type[ConfigT], name_or_path: str | Path, sets: Sequence[str] = ()) -> ConfigT:
    """Load a configuration by path or shipped name.

    Args:
        model: class of the configuration, `RunConfig` for a run.
        name_or_path: a YAML file, or a shipped configuration with or without `.yaml`.
        sets: overrides such as `train.epochs=1`, in order.

    Raises:
        UsageError: no such configuration, invalid YAML, or wrong keys and values, all listed.
    """
    _, path = find_config(name_or_path)
    return from_mapping(model, read_yaml(path), sets, where=str(path))


def from_mapping(
    model: type[ConfigT],
    mapping: Mapping[str, Any],
    sets: Sequence[str] = (),
    where: str = "configuration",
) -> ConfigT:
    """Apply overrides to a mapping and validate it.

    Args:
        model: class of the configuration.
        mapping: content of a YAML file or of a checkpoint; it is not changed.
        sets: overrides such as `train.epochs=1`, in order.
        where: prefix of error messages, such as the file's name.

    Raises:
        UsageError: wrong overrides, keys or values.
    """
    values = apply_overrides(mapping, sets)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        origin = f"{where} with --set" if sets else where
        raise UsageError(f"{origin}: {explain(error, model)}") from None


def apply_overrides(mapping: Mapping[str, Any], sets: Sequence[str]) -> dict[str, Any]:
    """Apply overrides in order to a copy of a mapping.

    Setting the `name` of a mapping to another value drops its other keys, which belong to the
    previous member of the union.

    The result is not validated yet. Overrides are strings `key.sub=value` with YAML values.

    Raises:
        UsageError: no `=`, an empty key, invalid YAML, or a path through a value.

    >>> apply_overrides({"balancer": {"name": "fixed", "weights": [1, 1]}}, ["balancer.name=amnl"])
    {'balancer': {'name': 'amnl'}}
    """
    values = copy.deepcopy(dict(mapping))  # the cells of a grid share one base mapping
    for text in sets:
        keys, value = _parse(text)
        _put(values, keys, value)
    return values


def _parse(text: str) -> tuple[list[str], Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {text}: expected KEY=VALUE, such as --set train.epochs=1")
    keys = key.strip().split(".")
    if not all(keys):
        raise UsageError(
            f"--set {text}: the key before '=' has an empty part; expected a dotted key such as "
            "train.epochs"
        )
    return keys, parse_yaml(value, f"--set {key}")


def _put(values: dict[str, Any], keys: list[str], value: Any) -> None:
    *path, last = keys
    for depth, key in enumerate(path, start=1):
        if values.get(key) is None:  # an optional part that the file omits or sets to null
            values[key] = {}
        values = values[key]
        if not isinstance(values, dict):
            raise UsageError(
                f"--set {'.'.join(keys)}: {'.'.join(path[:depth])} is a value, expected a mapping "
                "of keys"
            )
    if last == "name" and values.get("name", value) != value:  # another member of the union
        values.clear()
    values[last] = value
