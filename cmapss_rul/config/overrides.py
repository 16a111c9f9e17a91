"""`--set key.sub=value`: changes to a configuration from the command line."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from cmapss_rul.config.yaml import parse_yaml
from cmapss_rul.display.text import printable
from cmapss_rul.system.errors import UsageError


def apply_overrides(mapping: Mapping[str, Any], sets: Sequence[str]) -> dict[str, Any]:
    """Apply overrides in order to a copy of a mapping.

    Setting the `name` of a mapping to another value drops its other keys: they belong to the
    member of the union that was there before.

    Args:
        mapping: nested keys and values, as read from YAML.
        sets: texts `key.sub=value`, whose values are read as YAML.

    Returns:
        The changed copy, not validated yet.

    Raises:
        UsageError: no `=`, an empty key, a value that is no YAML, a path through a value.

    >>> apply_overrides({"balancer": {"name": "fixed", "weights": [1, 1]}}, ["balancer.name=amnl"])
    {'balancer': {'name': 'amnl'}}
    """
    values = copy.deepcopy(dict(mapping))
    for text in sets:
        keys, value = _parse(text)
        _put(values, keys, value)
    return values


def _parse(text: str) -> tuple[list[str], Any]:
    shown = printable(text)
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"--set {shown}: expected KEY=VALUE, such as --set train.epochs=1")
    keys = key.strip().split(".")
    if not all(keys):
        raise UsageError(f"--set {shown}: the key before '=' has an empty part")
    return keys, parse_yaml(value, f"--set {printable(key)}")


def _put(values: dict[str, Any], keys: list[str], value: Any) -> None:
    *path, last = keys
    for depth, key in enumerate(path, start=1):
        if values.get(key) is None:
            values[key] = {}
        values = values[key]
        if not isinstance(values, dict):
            raise UsageError(
                f"--set {printable('.'.join(keys))}: {printable('.'.join(path[:depth]))} is a "
                "value without keys of its own"
            )
    if last == "name" and values.get("name", value) != value:
        values.clear()
    values[last] = value
