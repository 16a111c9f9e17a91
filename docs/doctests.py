"""Griffe extension for the API reference: docstrings become Markdown that mkdocstrings renders.

Examples become code blocks, since Markdown reads `>>>` as a quotation; `[row][column]` is text,
since Markdown reads it as a link.
"""

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"(?:^ *>>> .*\n?(?:^ *\S.*\n?)*)+", re.MULTILINE)


class Doctests(griffe.Extension):
    """Rewrite the docstring of every object."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rewrite the docstring of a module, class, function or attribute."""
        del kwargs
        if obj.docstring:
            obj.docstring.value = markdown(obj.docstring.value)


def markdown(text: str) -> str:
    r"""Fence examples with their output, and escape adjacent brackets outside them.

    >>> markdown("x: [row][column].")
    'x: [row]\\[column].'
    """
    parts, end = [], 0
    for example in _EXAMPLE.finditer(text):
        indent = example[0][: len(example[0]) - len(example[0].lstrip())]
        parts.append(text[end : example.start()].replace("][", "]\\["))
        parts.append(f"{indent}```pycon\n{example[0].rstrip()}\n{indent}```\n")
        end = example.end()
    return "".join([*parts, text[end:].replace("][", "]\\[")])
