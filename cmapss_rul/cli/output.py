"""Output of the commands: lines, JSON and tables on stdout, one-line errors on stderr.

All text is escaped here, so commands need not escape the names that they print.
"""

import contextlib
import os
import sys
from typing import TYPE_CHECKING

import typer

from cmapss_rul.display.table import Table, to_terminal
from cmapss_rul.display.text import json_text
from cmapss_rul.system.errors import RulError, one_line, printable
from cmapss_rul.system.signals import INTERRUPTED, TERMINATED, Terminated

if TYPE_CHECKING:
    from rich.console import RenderableType

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def print_line(text: str, *, err: bool = False) -> None:
    """Print one line, control characters escaped, to stdout or stderr."""
    typer.echo(printable(text), err=err)


def print_json(plain: object) -> None:
    """Print plain values as JSON to stdout; nothing else may be printed there."""
    typer.echo(json_text(plain))


def print_table(table: "Table | RenderableType") -> None:
    """Print a table to stdout, styled on a terminal, plain in a pipe or with NO_COLOR."""
    from rich.console import Console

    # not rich's `no_color`: it drops colours only, not the codes of bold and dim
    drawn = to_terminal(table) if isinstance(table, Table) else table
    Console(color_system=None if os.environ.get("NO_COLOR") else "auto").print(drawn)


def error_line(error: BaseException) -> tuple[str, int] | None:
    """Describe an error in one line.

    Args:
        error: exception raised by a command.

    Returns:
        The line for stderr (empty if nothing is to be printed) and the exit code; None for a bug
        of this package, which keeps its traceback.
    """
    match error:  # in this order: BrokenPipeError, for example, is also an OSError
        case BrokenPipeError():
            return "", 1  # the reader of the pipe, such as `head`, has exited
        case RulError():
            return _line(error, error.prefix) if str(error) else "", error.exit_code
        case typer.TyperException():
            return _line(_usage(error)), error.exit_code
        case KeyboardInterrupt() | typer.Abort():
            return INTERRUPTED
        case Terminated():
            return TERMINATED
        case OSError():
            return _line(_system(error)), 1
        case MemoryError():
            return _line("out of memory"), 1
        # torch raises RuntimeError when a GPU is full and when an allocation on the CPU fails
        case RuntimeError() if any(sign in str(error).lower() for sign in _NO_MEMORY):
            return _line(f"out of memory ({str(error).splitlines()[0]})"), 1
    return None


def _line(message: object, prefix: str = RulError.prefix) -> str:
    return f"rul: {prefix}{one_line(message)}"


def _usage(error: typer.TyperException) -> str:
    message = error.format_message().rstrip().rstrip(".")
    # pydantic's wording, converted to that of our own messages
    message = message.replace("Input should be", "expected").replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    commands = ", ".join(sorted(getattr(context.command, "commands", ())))
    if message.startswith(("Missing command", "No such command")) and not message.endswith("?"):
        message = f"{message}, expected one of {commands}"
    separator = " See" if message.endswith("?") else "; see"
    return f"{message}{separator} '{context.command_path} --help'"


def _system(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    # two names if a rename or a link failed
    names = [printable(name) for name in (error.filename, error.filename2) if name is not None]
    return f"{' → '.join(names)}: {reason}" if names else reason


def discard_stdout() -> None:
    """Drop buffered output if stdout is not writable, else Python reports it again at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
