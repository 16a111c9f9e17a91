"""The counts that every campaign returns, and forked child processes."""

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
    """Result of a campaign.

    Attributes:
        campaign: its name.
        seed: of its random choices; the same seed gives the same cases.
        cases: number of cases.
        kinds: number of cases by kind.
        defects: one text each, with what is needed to reproduce it.
    """

    campaign: str
    seed: int
    cases: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)


def fork(task: Callable[[], int], output: Path) -> int:
    """Run a task in a forked child, which has all imports already.

    Args:
        task: returns the exit code.
        output: file for the stdout and stderr of the child.

    Returns:
        The child's process number.
    """
    child = os.fork()
    if child:
        return child
    code = 99
    try:
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
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
    """Wait for a child; return its exit code, or minus the number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def command(*arguments: object) -> Callable[[], int]:
    """Return a task that runs the command `rul`."""

    def run() -> int:
        from cmapss_rul.cli import main

        try:
            main([str(word) for word in arguments])
        except SystemExit as ended:
            return ended.code if isinstance(ended.code, int) else 0

    return run
