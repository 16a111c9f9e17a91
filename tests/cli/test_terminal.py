"""Codes reach a terminal that wants them, and nothing else."""

import os
import pty
import subprocess
import sys

import pytest

SCRIPT = (
    "from rich.text import Text\n"
    "from cmapss_rul.cli.terminal import show\n"
    "show(Text('figures', style='bold red'))\n"
)
PLAIN = {
    key: value
    for key, value in os.environ.items()
    if key not in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")
}


def on_a_terminal(**settings):
    """What the script writes to a terminal."""
    ours, theirs = pty.openpty()
    environment = {**PLAIN, "TERM": "xterm", **settings}
    subprocess.run([sys.executable, "-c", SCRIPT], stdout=theirs, env=environment, check=True)
    os.close(theirs)
    said = os.read(ours, 1000)
    os.close(ours)
    return said.decode()


def test_a_terminal_gets_bold():
    assert on_a_terminal().startswith("\x1b[1")


@pytest.mark.parametrize("settings", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_none_gets_none(settings):
    assert on_a_terminal(**settings) == "figures\r\n"


def test_a_pipe_gets_none():
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=PLAIN, capture_output=True, text=True, check=True
    )
    assert done.stdout == "figures\n"
