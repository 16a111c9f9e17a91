"""Writes a configuration as YAML that is read back as the same configuration."""

import textwrap
from typing import Any

import yaml

from cmapss_rul.config.base import Config

_WIDTH = 100
_INDENT = "  "


def to_yaml(config: Config, *, comments: bool = True) -> str:
    """Write every key of a configuration, in the order of its fields.

    Args:
        config: the validated object.
        comments: whether each key follows a comment with its description.

    Returns:
        YAML text; `load` makes an equal object of it.

    >>> from cmapss_rul.data.config import DataConfig
    >>> print(to_yaml(DataConfig(smoothing=0.3), comments=False).splitlines()[-1])
    smoothing: 0.3
    """
    return "\n".join(_lines(config, comments, "")) + "\n"


def in_yaml(text: str) -> str:
    """Write a text as YAML reads it back, also inside a list.

    >>> print(in_yaml("a: b"), in_yaml("plain"))
    'a: b' plain
    """
    return _item(text)


def _lines(config: Config, comments: bool, indent: str) -> list[str]:
    lines: list[str] = []
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if comments and field.description:
            if lines and not indent:
                lines.append("")
            lines += textwrap.wrap(
                field.description,
                _WIDTH,
                initial_indent=f"{indent}# ",
                subsequent_indent=f"{indent}# ",
            )
        if isinstance(value, Config) and type(value).model_fields:
            lines += [f"{indent}{name}:", *_lines(value, comments, indent + _INDENT)]
        elif isinstance(value, list | tuple):
            lines += _flow(f"{indent}{name}: ", [_item(item) for item in _plain(value)])
        else:
            lines.append(f"{indent}{name}: {_scalar(_plain(value))}")
    return lines


def _flow(start: str, items: list[str]) -> list[str]:
    """Write a flow list, broken between items where a line would be too long."""
    lines = [start + "["]
    for number, item in enumerate(items):
        piece = item + ("," if number + 1 < len(items) else "]")
        space = "" if lines[-1].endswith("[") else " "
        if len(lines[-1]) + len(space) + len(piece) > _WIDTH and space:
            lines.append(" " * (len(start) + 1) + piece)
        else:
            lines[-1] += space + piece
    return lines if items else [start + "[]"]


def _plain(value: Any) -> Any:
    """Turn nested configurations and tuples into what YAML can write."""
    if isinstance(value, Config):
        return {name: _plain(getattr(value, name)) for name in type(value).model_fields}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def _scalar(value: Any) -> str:
    text = _dump(value)
    return text if text.isprintable() else _dump(value, style='"', escape=True)


def _item(value: Any) -> str:
    """Write one item of a flow list, where a comma or a bracket needs quotes."""
    return _scalar([value])[1:-1]


def _dump(value: Any, style: str | None = None, escape: bool = False) -> str:
    """Write in one line; `escape` leaves nothing but ASCII: no line break, no bidi mark."""
    text = yaml.safe_dump(
        value,
        default_flow_style=True,
        default_style=style,
        width=float("inf"),
        allow_unicode=not escape,
        sort_keys=False,
    )
    return text.removesuffix("\n").removesuffix("\n...")
