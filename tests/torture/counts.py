"""What every campaign of this folder returns, and forked children with an end of their own."""

import contextlib
import os
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Counts:
    """What a campaign did.

    Attributes:
        campaign: its name.
        seed: of its chances; the same campaign with it is the same again.
        cases: how many were tried.
        kinds: how many of which kind.
        defects: what should not have been, one text each, with how to repeat it.
    """

    campaign: str
    seed: int
    cases: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)


def fork(task: Callable[[], int], said: Path) -> int:
    """Do something in a forked child, which imports nothing anew.

    Args:
        task: returns the exit code.
        said: takes what the child writes to stdout and stderr.

    Returns:
        The child's process number.
    """
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - until the child's end
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
        code = task()
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def wait(child: int) -> int:
    """Exit code of a child; the signal's number below zero where one ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def command(*words: object) -> Callable[[], int]:
    """The command `rul`, to be run in a child."""

    def run() -> int:
        from cmapss_rul.cli import main

        try:
            main([str(word) for word in words])
        except SystemExit as left:
            return left.code if isinstance(left.code, int) else 0

    return run
