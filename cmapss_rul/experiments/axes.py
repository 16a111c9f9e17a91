"""Axes of a grid: dotted keys of a configuration, and overrides of their values."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from cmapss_rul.config.schema import models_in, tags
from cmapss_rul.training.config import RunConfig


def key_exists(values: Any, key: str) -> bool:
    """Whether a dotted key exists in the members of the unions that the values select."""
    model: type[BaseModel] | None = RunConfig
    *path, last = key.split(".")
    for name in path:
        field = model.model_fields.get(name) if model is not None else None
        if field is None:
            return False
        values = values.get(name) if isinstance(values, Mapping) else None
        members = models_in(field.annotation)
        chosen = values.get("name") if isinstance(values, Mapping) else None
        # without a name, the member of the default is selected, as in `config.base`
        chosen = chosen or getattr(field.default, "name", None)
        fitting = [m for m in members if chosen in tags(m)] if len(members) > 1 else members
        model = fitting[0] if fitting else None
    return model is not None and last in model.model_fields


def key_of(override: str) -> str:
    """Return the key of an override `KEY=VALUE`."""
    return override.partition("=")[0].strip()


def names_first(keys: Mapping[str, Any]) -> list[str]:
    """Sort keys such that a `….name`, which selects a member, precedes the member's keys."""
    return sorted(keys, key=lambda key: not key.endswith(".name"))


def format_override(key: str, value: Any) -> str:
    """Format an override `KEY=VALUE`."""
    # JSON is valid YAML, and quotes strings that YAML would read as a number or null
    return f"{key}={json.dumps(value, ensure_ascii=False, default=str)}"


def value_at(plain: Mapping[str, Any], key: str) -> Any:
    """Look a dotted key up in nested values."""
    for name in key.split("."):
        plain = plain[name]
    return plain
