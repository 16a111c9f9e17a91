"""Turns an error that a user can cause into its one line and exit code."""

import typer

from cmapss_rul.display.text import one_line, printable
from cmapss_rul.system.errors import RulError
from cmapss_rul.system.signals import INTERRUPTED, TERMINATED, Terminated

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def failure(error: BaseException) -> tuple[str, int] | None:
    """Say an error in one line.

    Args:
        error: what a command raised.

    Returns:
        The line for stderr (empty where nothing is to be said) and the exit code; None for an
        error that is a defect of this package and deserves its traceback.
    """
    match error:
        case BrokenPipeError():
            return "", 1  # the reader of our output, `head` say, has had enough
        case RulError():
            return _line(error, error.word) if str(error) else "", error.exit_code
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
        case RuntimeError() if any(sign in str(error).lower() for sign in _NO_MEMORY):
            return _line(f"out of memory ({str(error).splitlines()[0]})"), 1
    return None


def _line(message: object, word: str = RulError.word) -> str:
    return f"rul: {word}{one_line(message)}"


def _usage(error: typer.TyperException) -> str:
    message = error.format_message().rstrip().rstrip(".")
    message = message.replace("Input should be", "expected").replace("Value error, ", "")
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    verbs = ", ".join(getattr(context.command, "commands", ()))
    if message.startswith(("Missing command", "No such command")) and not message.endswith("?"):
        message = f"{message}, expected one of {verbs}"
    separator = " See" if message.endswith("?") else "; see"
    return f"{message}{separator} '{context.command_path} --help'"


def _system(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    names = [printable(name) for name in (error.filename, error.filename2) if name is not None]
    return f"{' → '.join(names)}: {reason}" if names else reason
