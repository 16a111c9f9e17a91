"""The frozen base of every configuration object."""

import re
import types
import typing
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.fields import FieldInfo

_EXPONENT = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE]([-+]?[0-9]{1,3})")

# The bounds of a width are a guess: far above any useful layer, far below what exhausts memory.
Width = Annotated[int, Field(ge=1, le=16_384)]
Widths = Annotated[tuple[Width, ...], Field(max_length=16)]
Rate = Annotated[float, Field(ge=0, lt=1)]


class Config(BaseModel):
    """Base of every part of a configuration.

    Frozen, unknown keys refused, defaults validated, infinities and NaN refused. Numbers may
    be texts (`1e-3` and `1e3`, which YAML reads as texts) but never booleans. Where a mapping
    for a union leaves out `name`, that of the field's default is meant. The `description` of a
    field is its help text, its YAML comment and its documentation.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        allow_inf_nan=False,
    )

    # On the model, for pydantic takes no 'before' validator on a union's discriminator.
    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        fields = cls.model_fields
        return {
            key: _as_meant(value, fields[key]) if key in fields else value
            for key, value in values.items()
        }


class _Boolean:
    """Stands for a boolean where a number is due: pydantic would take `true` for 1."""

    def __init__(self, value: bool) -> None:
        self._text = str(value).lower()

    def __repr__(self) -> str:
        return self._text


def _as_meant(value: Any, field: FieldInfo) -> Any:
    if isinstance(value, Mapping):
        return _with_name(value, field)
    mentioned = set(_mentioned(field.annotation))
    if not mentioned & {bool, Any}:
        value = _each(value, lambda item: _Boolean(item) if isinstance(item, bool) else item)
    if int in mentioned and not mentioned & {float, str, Any}:
        value = _each(value, _whole_number)
    return value


def _with_name(value: Mapping[Any, Any], field: FieldInfo) -> Mapping[Any, Any]:
    if "name" in value or field.is_required():
        return value
    default = field.get_default(call_default_factory=True, validated_data={})
    name = getattr(default, "name", None) if isinstance(default, Config) else None
    return value if name is None else {"name": name, **value}


def _each(value: Any, change: typing.Callable[[Any], Any]) -> Any:
    if isinstance(value, list | tuple):
        return [_each(item, change) for item in value]
    return change(value)


def _whole_number(value: Any) -> Any:
    """Turn a text such as `1e3` into the whole number it is; leave anything else alone."""
    if not isinstance(value, str) or not _EXPONENT.fullmatch(value.strip()):
        return value
    number = Decimal(value.strip())
    return int(number) if number == number.to_integral_value() else value


def _mentioned(annotation: Any) -> list[Any]:
    """List the plain types that an annotation speaks of, those of its literals included."""
    if typing.get_origin(annotation) is typing.Literal:
        return [type(option) for option in typing.get_args(annotation)]
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is not None:
        return [kind for part in typing.get_args(annotation) for kind in _mentioned(part)]
    return [annotation]
