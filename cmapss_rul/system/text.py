"""Escaping of text that comes from files, archives, servers and the command line."""


def printable(text: object) -> str:
    r"""Escape control characters, so that a terminal shows them instead of obeying them.

    >>> printable("a\x1b[31mb\n")
    'a\\x1b[31mb\\n'
    """
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(text))


def one_line(text: object) -> str:
    """Collapse white space and escape control characters, for a message on one line."""
    return printable(" ".join(str(text).split()))
