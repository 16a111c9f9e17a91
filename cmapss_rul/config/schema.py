"""Introspection of configuration classes: keys, union members, and the location of an error."""

import types
import typing
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel

Model = type[BaseModel]


class NamedOption(NamedTuple):
    """A value of a `name` key, with its description."""

    name: str
    description: str


def choices(model: Model) -> dict[str, list[NamedOption]]:
    """List the members of each union in a configuration, by the dotted key that selects one.

    For example `balancer.name` → the balancers, sorted; a member is described by the description
    of its `name` field, or else by the first line of its docstring.
    """
    found: dict[str, list[NamedOption]] = {}
    for prefix, name, annotation in _walk(model):
        members = models_in(annotation)
        if len(members) > 1:
            found[f"{prefix}{name}.name"] = [
                NamedOption(tag, summary)
                for tag, summary in sorted(
                    (tag, _summary(member)) for member in members for tag in tags(member)
                )
            ]
    return found


def dotted_keys(model: Model) -> list[str]:
    """List the dotted keys of a configuration class, level by level.

    For example `seed`, …, `data.subset`, …; includes the keys of all members of a union.
    """
    keys = dict.fromkeys(f"{prefix}{name}" for prefix, name, _ in _walk(model, lists=False))
    # shallowest first, because suggestions take the first match; `sorted` is stable
    return sorted(keys, key=lambda key: key.count("."))


def tags(model: Model) -> tuple[str, ...]:
    """Return the values of `name` that select this member of a union."""
    field = model.model_fields.get("name")
    if field is None or typing.get_origin(field.annotation) is not typing.Literal:
        return ()
    return tuple(str(option) for option in typing.get_args(field.annotation))


def models_in(annotation: Any) -> tuple[Model, ...]:
    """Return the models in an annotation, inside unions, lists and tuples too.

    >>> from cmapss_rul.config.base import Config
    >>> models_in(tuple[Config, ...] | None) == (Config,)
    True
    """
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return (annotation,) if issubclass(annotation, BaseModel) else ()
    if typing.get_origin(annotation) is typing.Literal:
        return ()
    return tuple(m for argument in typing.get_args(annotation) for m in models_in(argument))


@dataclass(frozen=True)
class Location:
    """Location of an error in a configuration.

    Attributes:
        key: dotted key as the user writes it, such as `loss.health.boundaries[0]`; empty at
            the top.
        models: the configuration classes that a mapping here may be an instance of.
        parents: the configuration classes of the mapping that holds the last key.
        siblings: all members of the union, if that mapping is a member of one.
        nullable: whether null is accepted here.
    """

    key: str
    models: tuple[Model, ...]
    parents: tuple[Model, ...]
    siblings: tuple[Model, ...] = ()
    nullable: bool = False


def find_location(model: Model, loc: tuple[int | str, ...]) -> Location:
    """Follow the `loc` of a pydantic error down a model.

    Besides the user's keys, pydantic's `loc` holds the tag of a discriminated union's member and
    the type that was tried in a plain union. Both are left out of the key.
    """
    parts: list[str] = []
    models: tuple[Model, ...] = (model,)
    parents: tuple[Model, ...] = ()
    union: tuple[Model, ...] = ()
    siblings: tuple[Model, ...] = ()
    tag_may_follow = nullable = False
    for item in loc:
        if isinstance(item, int):  # the index of a list's item
            nullable = False
            parts[-1:] = [f"{parts[-1] if parts else ''}[{item}]"]
            continue
        # a key may be spelled like a tag; only the item after a union's key is a tag
        tagged = tuple(m for m in models if item in tags(m)) if tag_may_follow else ()
        if tagged:
            models, tag_may_follow = tagged, False
        elif models:
            parts.append(item)
            parents, siblings = models, union
            fields = (m.model_fields[item] for m in models if item in m.model_fields)
            field = next(fields, None)
            models = union = models_in(field.annotation) if field else ()
            tag_may_follow = len(models) > 1
            nullable = field is not None and types.NoneType in typing.get_args(field.annotation)
    return Location(".".join(parts), models, parents, siblings, nullable)


def _walk(
    model: Model, prefix: str = "", *, lists: bool = True
) -> typing.Iterator[tuple[str, str, Any]]:
    """Yield prefix, name and annotation of every field, depth first.

    With `lists`, also the fields of tuple items, which no dotted key can address.
    """
    for name, field in model.model_fields.items():
        yield prefix, name, field.annotation
        if lists or typing.get_origin(field.annotation) is not tuple:
            for member in models_in(field.annotation):
                yield from _walk(member, f"{prefix}{name}.", lists=lists)


def _summary(model: Model) -> str:
    described = model.model_fields["name"].description
    return described or (model.__doc__ or "").strip().partition("\n")[0]
