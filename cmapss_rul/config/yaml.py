"""Strict reading of YAML: one document, one mapping, no key twice, nothing that could be a trap."""

import re
from pathlib import Path
from typing import Any

import yaml

from cmapss_rul.display.text import one_line, printable
from cmapss_rul.system.errors import UsageError

MAX_BYTES = 64 * 1024
"""Larger files are refused; a configuration takes a few thousand bytes."""

MAX_DEPTH = 20
"""Deeper nesting is refused; a configuration has four levels."""

_PREFIX = "tag:yaml.org,2002:"
_TAGS = {_PREFIX + kind for kind in ("str", "int", "float", "bool", "null", "seq", "map")}
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)$")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$|"
    r"[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$"
)


class _Loader(yaml.SafeLoader):
    """SafeLoader less what surprises people or machines.

    Departs from YAML 1.1 where it misreads what was meant: `010` is no octal number, `0x10`
    is no number and `1:30` is not 90; they stay texts, which the validation judges.
    """

    _depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            _refuse(f"anchors and aliases are not taken (found '{event.anchor}')", event)
        if event.tag is not None and event.tag not in _TAGS:
            _refuse(f"the tag '{event.tag}' is not taken; plain values only", event)
        if self._depth >= MAX_DEPTH:
            _refuse(f"nested deeper than {MAX_DEPTH} levels", event)
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag == _PREFIX + "merge":
                _refuse("merge keys (<<) are not taken", key)
            if key.tag != _PREFIX + "str":
                _refuse(f"a key should be a text, found {_shown(key)}; quote it", key)
            if key.value in seen:
                _refuse(f"key '{key.value}' was given before, in line {seen[key.value]}", key)
            seen[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError):
            kind = node.tag.removeprefix(_PREFIX)
            _refuse(f"{_shown(node)} cannot be read as {kind}", node)


def _implicit_resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    patterns = {_PREFIX + "int": _INTEGER, _PREFIX + "float": _FLOAT}
    for first, options in yaml.SafeLoader.yaml_implicit_resolvers.items():
        resolvers[first] = [(tag, patterns.get(tag, pattern)) for tag, pattern in options]
    return resolvers


_Loader.yaml_implicit_resolvers = _implicit_resolvers()


def _mapping(loader: _Loader, node: Any) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


_Loader.yaml_implicit_resolvers = _implicit_resolvers()
_Loader.add_constructor(_PREFIX + "map", _mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a configuration file.

    Args:
        path: a YAML file in UTF-8 of at most `MAX_BYTES`.

    Returns:
        Its keys and values, not validated yet.

    Raises:
        UsageError: what is wrong, with file and line.
    """
    where = printable(path)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{where}: cannot be read: {error.strerror}") from None
    if len(content) > MAX_BYTES:
        raise UsageError(f"{where}: larger than {MAX_BYTES:,} bytes, so no configuration")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{where}, line {line}: not UTF-8; save the file as UTF-8") from None
    values = parse_yaml(text, where)
    if not isinstance(values, dict):
        found = "nothing" if values is None else f"a {_KINDS.get(type(values), 'single value')}"
        raise UsageError(f"{where}: expected keys with values, such as 'seed: 0', found {found}")
    return values


_KINDS: dict[type, str] = {list: "list", str: "text"}


def parse_yaml(text: str, where: str) -> Any:
    """Read one YAML document of plain values.

    Args:
        text: the document.
        where: what error lines begin with: a file's name, or the option the text came from.

    Returns:
        Dicts, lists, texts, numbers, booleans, dates and None.

    Raises:
        UsageError: what is wrong, and in which line.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # a subclass of SafeLoader
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"control character {chr(_code(error))!r} is not taken"
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        message = _problem(error)
    raise UsageError(f"{where}, line {line}: {one_line(message)}")


def _problem(error: yaml.MarkedYAMLError) -> str:
    problem = error.problem or error.context or "no valid YAML"
    if "'\\t'" in problem:
        return "a tab where a value should begin; indent with spaces"
    if problem.startswith("but "):
        problem = f"{error.context}, {problem}"
    return problem.replace("'<stream end>'", "the end").replace("end of stream", "end")


def _code(error: yaml.reader.ReaderError) -> int:
    return error.character if isinstance(error.character, int) else ord(error.character)


def _refuse(problem: str, place: Any) -> Any:
    raise yaml.constructor.ConstructorError(None, None, problem, place.start_mark)


def _shown(node: Any) -> str:
    if not isinstance(node, yaml.ScalarNode):
        return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"
    return f"'{node.value[:40]}'"
