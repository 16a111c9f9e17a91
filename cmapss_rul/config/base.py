"""Immutable base class of every configuration object, and shared field types."""

import re
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

# at most three digits of exponent: 1e999999999 as a whole number would exhaust memory
_EXPONENT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE]([-+]?[0-9]{1,3})")

# *guess*: far above any useful width of a layer, far below one that exhausts memory
Width = Annotated[int, Field(ge=1, le=16_384)]
Widths = Annotated[tuple[Width, ...], Field(max_length=16)]
DropoutRate = Annotated[float, Field(ge=0, lt=1)]


class Config(BaseModel):
    """Base class of every part of a configuration.

    Immutable; unknown keys, infinities and NaN are refused; defaults are validated. Numbers may
    be strings (YAML 1.1 reads `1e-3` and `1e3` as strings) but never booleans. Where a mapping
    for a union has no `name`, the name of the field's default is used. The `description` of a
    field is its help text, its YAML comment and its documentation.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False
    )

    # On the model: pydantic allows no 'before' validator on the discriminator of a union.
    @model_validator(mode="before")
    @classmethod
    def _normalise(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        fields = cls.model_fields
        return {
            key: _normalise(value, fields[key]) if key in fields else value
            for key, value in values.items()
        }


class _Boolean:
    """Stands in for a boolean where a number is expected, since pydantic accepts `true` as 1."""

    def __init__(self, value: bool) -> None:
        self._text = str(value).lower()

    def __repr__(self) -> str:
        return self._text


def _normalise(value: Any, field: FieldInfo) -> Any:
    if isinstance(value, Mapping):
        return _add_default_name(value, field)
    # before pydantic's own conversion, which accepts `true` as 1 and rejects '1e3' as an integer
    kinds = set(_types_in(field.annotation))
    if not kinds & {bool, Any}:
        value = _map_items(value, lambda item: _Boolean(item) if isinstance(item, bool) else item)
    if int in kinds and not kinds & {float, str, Any}:
        value = _map_items(value, _whole_number)
    return value


def _add_default_name(value: Mapping[Any, Any], field: FieldInfo) -> Mapping[Any, Any]:
    if "name" in value or field.is_required():
        return value
    default = field.get_default(call_default_factory=True, validated_data={})
    name = getattr(default, "name", None) if isinstance(default, Config) else None
    return value if name is None else {"name": name, **value}


def _map_items(value: Any, change: typing.Callable[[Any], Any]) -> Any:
    if isinstance(value, list | tuple):
        return [_map_items(item, change) for item in value]
    return change(value)


def _whole_number(value: Any) -> Any:
    """Convert a string such as `1e3` to a whole number; return anything else unchanged."""
    if not isinstance(value, str) or not _EXPONENT.fullmatch(value.strip()):
        return value
    number = Decimal(value.strip())  # a float would round 1e23 to another whole number
    return int(number) if number == number.to_integral_value() else value


def _types_in(annotation: Any) -> list[Any]:
    """List the plain types in an annotation, including the types of its literals."""
    if typing.get_origin(annotation) is typing.Literal:
        return [type(option) for option in typing.get_args(annotation)]
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        return [kind for part in typing.get_args(annotation) for kind in _types_in(part)]
    return [annotation]
