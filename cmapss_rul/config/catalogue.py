"""What a configuration can choose from: shipped files, and the members of its unions."""

from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel

from cmapss_rul.config.places import models_in, tags
from cmapss_rul.config.shipped import shipped
from cmapss_rul.display.text import one_line


class Choice(NamedTuple):
    """One name that a configuration may give."""

    name: str
    description: str


def configurations() -> list[Choice]:
    """List the shipped configurations with the first comment line of each."""
    return [Choice(name, _first_comment(path)) for name, path in shipped().items()]


def choices(model: type[BaseModel]) -> dict[str, list[Choice]]:
    """List the members of every union in a configuration, by the dotted key that chooses.

    Args:
        model: class of the configuration.

    Returns:
        Such as `balancer.name` → the balancers, each described by the text of its `name`, else
        by the first line of its docstring.
    """
    found: dict[str, list[Choice]] = {}
    _collect(model, "", found)
    return found


def _collect(model: type[BaseModel], prefix: str, found: dict[str, list[Choice]]) -> None:
    for name, field in model.model_fields.items():
        members = models_in(field.annotation)
        if len(members) > 1:
            found[f"{prefix}{name}.name"] = [
                Choice(tag, _summary(member)) for member in members for tag in tags(member)
            ]
        for member in members:
            _collect(member, f"{prefix}{name}.", found)


def _summary(model: type[BaseModel]) -> str:
    described = model.model_fields["name"].description
    return described or (model.__doc__ or "").strip().partition("\n")[0]


def _first_comment(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        first = file.readline().strip()
    return one_line(first.lstrip("# ")) if first.startswith("#") else ""
