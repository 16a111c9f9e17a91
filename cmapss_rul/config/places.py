"""Finds, for the `loc` of a pydantic error, the key that the user wrote and the model it is in."""

import types
import typing
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

Model = type[BaseModel]


@dataclass(frozen=True)
class Place:
    """Where an error is.

    Attributes:
        key: dotted key as the user writes it, such as `loss.health.boundaries[0]`; empty at
            the top.
        models: the configuration classes that a mapping at this place may be.
        parents: those of the mapping that holds the last key.
        others: where that mapping is a member of a union, all members.
        nullable: whether null may stand here.
    """

    key: str
    models: tuple[Model, ...]
    parents: tuple[Model, ...]
    others: tuple[Model, ...] = ()
    nullable: bool = False


def place(model: Model, loc: tuple[int | str, ...]) -> Place:
    """Walk down a model along an error's `loc`.

    pydantic puts more into `loc` than the user wrote: the tag of a discriminated union's
    member, and the type that was tried in a plain union. Both are left out of the key.

    Args:
        model: the class that was validated.
        loc: where the error is, from `ValidationError.errors()`.

    Returns:
        The key and the classes there.
    """
    parts: list[str] = []
    models: tuple[Model, ...] = (model,)
    parents: tuple[Model, ...] = ()
    union: tuple[Model, ...] = ()
    others: tuple[Model, ...] = ()
    tag_may_follow = nullable = False
    for item in loc:
        if isinstance(item, int):
            nullable = False
            parts[-1:] = [f"{parts[-1] if parts else ''}[{item}]"]
            continue
        tagged = tuple(m for m in models if item in tags(m)) if tag_may_follow else ()
        if tagged:
            models, tag_may_follow = tagged, False
        elif models:
            parts.append(item)
            parents, others, field = models, union, _field(models, item)
            models = union = models_in(field.annotation) if field else ()
            tag_may_follow = len(models) > 1
            nullable = field is not None and types.NoneType in typing.get_args(field.annotation)
    return Place(".".join(parts), models, parents, others, nullable)


def tags(model: Model) -> tuple[str, ...]:
    """Return the values of `name` by which a member of a union is chosen."""
    field = model.model_fields.get("name")
    if field is None or typing.get_origin(field.annotation) is not typing.Literal:
        return ()
    return tuple(str(option) for option in typing.get_args(field.annotation))


def models_in(annotation: Any) -> tuple[Model, ...]:
    """Return the models that an annotation mentions, through unions, lists and tuples.

    >>> from cmapss_rul.config.base import Config
    >>> models_in(tuple[Config, ...] | None) == (Config,)
    True
    """
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return (annotation,) if issubclass(annotation, BaseModel) else ()
    if typing.get_origin(annotation) is typing.Literal:
        return ()
    return tuple(m for argument in typing.get_args(annotation) for m in models_in(argument))


def _field(models: tuple[Model, ...], name: str) -> Any:
    return next((m.model_fields[name] for m in models if name in m.model_fields), None)
