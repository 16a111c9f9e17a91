"""`rul` commands in forked processes, which start fast as torch is already imported."""

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path


def fork(task: Callable[[], int], output: Path, errors: Path | None = None) -> int:
    """Run a task in a forked child, with all modules imported already.

    Args:
        task: returns the exit code.
        output: file for the stdout of the child.
        errors: file for its stderr; by default the same.

    Returns:
        The child's process ID.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
    streams = [os.open(path, flags) for path in (output, errors or output)]
    with warnings.catch_warnings():
        # safe here: no thread of torch or pytest holds a lock that a child needs
        warnings.filterwarnings("ignore", ".*use of fork", DeprecationWarning)
        child = os.fork()
    if child:
        for stream in streams:
            os.close(stream)
        return child
    code = 99
    try:
        os.dup2(streams[0], 1)
        os.dup2(streams[1], 2)
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


def is_running(child: int) -> bool:
    """Whether a child is still running; once False, `wait` cannot be called."""
    return os.waitpid(child, os.WNOHANG) == (0, 0)


def command(*arguments: object) -> Callable[[], int]:
    """Return a task that runs the command `rul`."""

    def run() -> int:
        from cmapss_rul.__main__ import main

        sys.argv = ["rul", *map(str, arguments)]
        try:
            main()
        except SystemExit as ended:
            # as the interpreter: 0 without a code, 1 with a text
            return ended.code if isinstance(ended.code, int) else int(ended.code is not None)

    return run


def run_rul(
    *arguments: object, limit: int | None = None, prepare: Callable[[], None] = lambda: None
) -> subprocess.CompletedProcess[str]:
    """Run `rul` in a forked process and wait for its end.

    Args:
        arguments: of the command line.
        limit: largest size of a file that it may write, bytes.
        prepare: called in the process before.
    """

    def task() -> int:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        prepare()
        return command(*arguments)()

    with tempfile.TemporaryDirectory() as folder:
        out, err = Path(folder, "out"), Path(folder, "err")
        code = wait(fork(task, out, err))
        return subprocess.CompletedProcess(arguments, code, out.read_text(), err.read_text())
