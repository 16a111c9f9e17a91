"""Errors that a user can cause: one line with what was found, what was expected, what to do.

Any other exception that reaches the terminal is a bug of this package.
"""

from cmapss_rul.system.text import printable


class RulError(Exception):
    """Base of the errors that a user can cause. The command ends with exit code 1."""

    exit_code = 1
    word = "error: "
    """Prefix of the message; empty where the user asked for what happened."""

    def __str__(self) -> str:
        """Return the message with control characters escaped.

        Messages quote names from files, archives and servers. Escaped here, they need no
        escaping where they are written.
        """
        return printable(super().__str__())


class UsageError(RulError):
    """A wrong argument or configuration. The command ends with exit code 2."""

    exit_code = 2


class DataError(RulError):
    """A data file, archive or source that cannot be used."""


class CheckpointError(RulError):
    """A checkpoint that cannot be used."""
