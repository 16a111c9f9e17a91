"""Strict YAML reader, and writer of configurations as commented YAML.

A file holds one document and one mapping of plain values. Refused are duplicate keys, anchors and
aliases (a few lines of them expand to gigabytes), merge keys, tags, deep nesting and keys that
are not strings.

Why PyYAML and not ruamel.yaml (*measured* with 0.19.1): ruamel.yaml refuses only duplicate keys
by itself and would need the same subclass; its YAML 1.2 reads `0x10` as 16 and `010` as 10; its
import takes 120 ms instead of 30 ms.
"""

import re
import textwrap
from pathlib import Path
from typing import Any

import yaml

from cmapss_rul.config.base import Config
from cmapss_rul.system.errors import UsageError, one_line

MAX_BYTES = 64 * 1024
"""Size limit of a file; a configuration takes a few thousand bytes."""

MAX_DEPTH = 20
"""Limit of the nesting depth; a configuration has four levels."""

_WIDTH = 100
"""Characters per written line."""

_INDENT = "  "
_KINDS: dict[type, str] = {list: "list", str: "string"}
_PREFIX = "tag:yaml.org,2002:"
_TAGS = {_PREFIX + kind for kind in ("str", "int", "float", "bool", "null", "seq", "map")}
_PATTERNS = {
    _PREFIX + "int": re.compile(r"[-+]?(?:0|[1-9][0-9_]*)$"),
    _PREFIX + "float": re.compile(
        r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$|"
        r"[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
    ),
}


class _Loader(yaml.SafeLoader):
    """SafeLoader without the features that surprise people or exhaust memory.

    Differs from YAML 1.1: `010` (octal 8), `0x10` (16) and `1:30` (sexagesimal 90) are read as
    strings, so that validation refuses them where a number is expected.
    """

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        # checked before the node is composed: nested aliases or deep nesting never use memory
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            _refuse(f"anchors and aliases are not supported (found '{event.anchor}')", event)
        if event.tag is not None and event.tag not in _TAGS:
            _refuse(f"the tag '{event.tag}' is not supported, expected a plain value", event)
        if self._depth >= MAX_DEPTH:
            _refuse(f"nested deeper than {MAX_DEPTH} levels", event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: dict[str, int] = {}  # of two equal keys, PyYAML silently keeps the last
        for key, _ in node.value:
            if key.tag == _PREFIX + "merge":
                _refuse("merge keys (<<) are not supported", key)
            if key.tag != _PREFIX + "str":
                _refuse(f"found {_format_node(key)} as a key, expected a string; quote it", key)
            if key.value in seen:
                _refuse(f"duplicate key '{key.value}', first given in line {seen[key.value]}", key)
            seen[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError):  # `!!int x`, 4,300 digits, month 13
            kind = node.tag.removeprefix(_PREFIX)
            _refuse(f"{_format_node(node)} cannot be read as {kind}", node)


def _construct_mapping(loader: _Loader, node: Any) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, _PATTERNS.get(tag, pattern)) for tag, pattern in options]
    for first, options in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor(_PREFIX + "map", _construct_mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read the keys and values of a configuration file, not yet validated.

    Raises:
        UsageError: the file cannot be read or is refused; names file and line.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # a device or a huge file is never read whole
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise UsageError(f"{path}: larger than {MAX_BYTES:,} bytes, so not a configuration")
    try:
        text = content.decode("utf-8-sig")  # some editors write a byte order mark first
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{path}, line {line}: not UTF-8; save the file as UTF-8") from None
    values = parse_yaml(text, str(path))
    if not isinstance(values, dict):
        found = "nothing" if values is None else f"a {_KINDS.get(type(values), 'single value')}"
        raise UsageError(f"{path}: expected keys with values, such as 'seed: 0', found {found}")
    return values


def parse_yaml(text: str, where: str) -> Any:
    """Read one YAML document of dicts, lists, strings, numbers, booleans, dates and None.

    Raises:
        UsageError: refused; begins with `where`, a file or an option, and the line.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # a subclass of SafeLoader
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        code = error.character
        character = chr(code) if isinstance(code, int) else code
        message = f"control character {character!r} is not allowed"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        message = _problem(error)
    raise UsageError(f"{where}, line {line}: {one_line(message)}")


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "invalid YAML"
    if "'\\t'" in problem:
        return "a tab where a value should begin; indent with spaces"
    if problem.startswith("but "):
        problem = f"{error.context}, {problem}"
    return problem.replace("'<stream end>'", "the end").replace("end of stream", "end")


def _refuse(problem: str, place: Any) -> Any:
    raise yaml.constructor.ConstructorError(None, None, problem, place.start_mark)


def _format_node(node: Any) -> str:
    if not isinstance(node, yaml.ScalarNode):
        return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
    return f"'{node.value[:40]}'"


def to_yaml(config: Config, *, comments: bool = True) -> str:
    """Format every key of a configuration as YAML, in the order of its fields.

    With `comments`, each key is preceded by its description. `load` restores an equal object from
    the text.

    >>> from cmapss_rul.data.config import DataConfig
    >>> print(to_yaml(DataConfig(smoothing=0.3), comments=False).splitlines()[-1])
    smoothing: 0.3
    """
    return "\n".join(_config_lines(config, comments, "")) + "\n"


def quote_yaml(value: Any) -> str:
    """Format a value for a flow list, quoted where YAML requires it.

    >>> print(quote_yaml("a: b"), quote_yaml("plain"))
    'a: b' plain
    """
    return _scalar([value])[1:-1]  # inside a list, commas and brackets need quotes, too


def _config_lines(config: Config, comments: bool, indent: str) -> list[str]:
    lines: list[str] = []
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if comments and field.description:
            if lines and not indent:
                lines.append("")
            start = f"{indent}# "
            lines += textwrap.wrap(
                field.description, _WIDTH, initial_indent=start, subsequent_indent=start
            )
        if isinstance(value, Config) and type(value).model_fields:
            lines += [f"{indent}{name}:", *_config_lines(value, comments, indent + _INDENT)]
        elif isinstance(value, list | tuple):
            lines += _list_lines(f"{indent}{name}: ", [quote_yaml(item) for item in _plain(value)])
        else:
            lines.append(f"{indent}{name}: {_scalar(_plain(value))}")
    return lines


def _list_lines(start: str, items: list[str]) -> list[str]:
    """Format a flow list, wrapped between items where a line would be too long."""
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
    """Convert nested configurations and tuples to dicts and lists."""
    if isinstance(value, Config):
        return value.model_dump(mode="python")
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _scalar(value: Any) -> str:
    text = _dump(value)
    return text if text.isprintable() else _dump(value, style='"', escape=True)


def _dump(value: Any, style: str | None = None, escape: bool = False) -> str:
    """Dump on one line; `escape` leaves only ASCII: no line break, no bidi mark."""
    text = yaml.safe_dump(
        value,
        default_flow_style=True,
        default_style=style,
        width=float("inf"),
        allow_unicode=not escape,
        sort_keys=False,
    )
    # PyYAML ends a bare scalar with '...', the end-of-document marker
    return text.removesuffix("\n").removesuffix("\n...")
