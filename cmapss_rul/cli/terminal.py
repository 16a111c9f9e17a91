"""Tables on the terminal."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import RenderableType


def show(table: "RenderableType") -> None:
    """Print to stdout: bold and dim on a terminal, plain through a pipe or under NO_COLOR."""
    from rich.console import Console

    Console(color_system=None if os.environ.get("NO_COLOR") else "auto").print(table)
