"""Errors and tables: styled on a terminal that supports it, plain otherwise."""

import errno
import os
import pty
import subprocess
import sys

import pytest
import typer

from cmapss_rul.cli.output import error_line, print_line, print_table
from cmapss_rul.display.table import Table
from cmapss_rul.system.errors import DataError, UsageError
from cmapss_rul.system.signals import STOPPED, Terminated

SCRIPT = (
    "from rich.text import Text\n"
    "from cmapss_rul.cli.output import print_table\n"
    "print_table(Text('figures', style='bold red'))\n"
)
PLAIN = {
    key: value
    for key, value in os.environ.items()
    if key not in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")
}


def on_a_terminal(**settings):
    """Output of the script on a pseudo-terminal."""
    ours, theirs = pty.openpty()
    environment = {**PLAIN, "TERM": "xterm", **settings}
    subprocess.run([sys.executable, "-c", SCRIPT], stdout=theirs, env=environment, check=True)
    os.close(theirs)
    message = os.read(ours, 1000)
    os.close(ours)
    return message.decode()


def test_a_terminal_gets_bold():
    assert on_a_terminal().startswith("\x1b[1")


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_may_refuse_styles(settings):
    assert on_a_terminal(**settings) == "figures\r\n"


def test_a_pipe_gets_no_styles():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=PLAIN, capture_output=True, text=True, check=True
    )
    assert done.stdout == "figures\n"


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (UsageError("no such key"), "rul: error: no such key", 2),
        (DataError("cut file"), "rul: error: cut file", 1),
        (UsageError("two\nlines \x1b[31m"), "rul: error: two\\nlines \\x1b[31m", 2),
        (typer.BadParameter("no number"), "rul: error: Invalid value: no number", 2),
        (
            typer.BadParameter("Input should be a number", param_hint="'--seed'"),
            "rul: error: Invalid value for '--seed': expected a number",
            2,
        ),
        (KeyboardInterrupt(), f"rul: interrupted; {STOPPED}", 130),
        (typer.Abort(), f"rul: interrupted; {STOPPED}", 130),
        (Terminated(), f"rul: terminated; {STOPPED}", 143),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "", 1),
        (OSError(errno.ENOSPC, "No space left"), "rul: error: No space left", 1),
        (
            PermissionError(errno.EACCES, "Permission denied", "a\nb"),
            "rul: error: a\\nb: Permission denied",
            1,
        ),
        (
            OSError(errno.EXDEV, "Invalid link", "a", None, "b"),
            "rul: error: a → b: Invalid link",
            1,
        ),
        (OSError("no number at all"), "rul: error: no number at all", 1),
        (OSError(), "rul: error: OSError", 1),
        (MemoryError(), "rul: error: out of memory", 1),
        (
            RuntimeError("CUDA out of memory. Tried to allocate 2 GiB.\nMore"),
            "rul: error: out of memory (CUDA out of memory. Tried to allocate 2 GiB.)",
            1,
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried 10 bytes"),
            "rul: error: out of memory "
            "(DefaultCPUAllocator: can't allocate memory: you tried 10 bytes)",
            1,
        ),
    ],
)  # fmt: skip
def test_a_user_error_is_one_line(error, line, code):
    assert error_line(error) == (line, code)


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), ValueError("x"), KeyError("x"), SystemExit(3)]
)
def test_a_defect_keeps_its_traceback(error):
    assert error_line(error) is None


def test_names_are_printed_verbatim_and_not_interpreted(capsys):
    """Neither control characters nor rich markup, such as the extra in a hint."""
    name = "a\x1b[31m\nb [bench] [red]x[/]"
    print_line(name)
    print_line(name, err=True)
    print_table(Table("pip install 'cmapss_rul[bench]'", ["name"], [[name]], notes=[name]))
    out, err = capsys.readouterr()
    escaped = r"a\x1b[31m\nb [bench] [red]x[/]"
    assert err == f"{escaped}\n"
    assert out.count(escaped) == 3
    assert "pip install 'cmapss_rul[bench]'" in out
    assert "\x1b" not in out
