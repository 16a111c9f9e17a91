"""Errors that a user can cause: one line with what was found, what was expected, and what to do.

Any other exception that reaches the terminal is a bug of this package. Text that comes from files,
archives, servers and the command line is escaped here.
"""


def printable(text: object) -> str:
    r"""Escape control characters, so that a terminal shows them instead of interpreting them.

    >>> printable("a\x1b[31mb\n")
    'a\\x1b[31mb\\n'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


def one_line(text: object) -> str:
    """Collapse white space and escape control characters, for a message on one line."""
    return printable(" ".join(str(text).split()))


class RulError(Exception):
    """Base class of the errors that a user can cause; the command exits with code 1."""

    exit_code = 1
    prefix = "error: "
    """Prefix of the message; empty where the user requested the stop (Ctrl-C)."""

    def __str__(self) -> str:
        """Return the message with control characters escaped.

        Messages quote names from files, archives and servers. Escaped here, they need no
        escaping where they are written.
        """
        return printable(super().__str__())


class UsageError(RulError):
    """A wrong argument or configuration; the command exits with code 2."""

    exit_code = 2


class DataError(RulError):
    """A data file, archive or source that cannot be used."""


class CheckpointError(RulError):
    """A checkpoint that cannot be used."""
