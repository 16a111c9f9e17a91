"""Work for the processes of test_sides.py, which must be able to import it."""

import os

from cmapss_rul.bench.workers import peak_memory_mb
from cmapss_rul.system.errors import RulError


def counter(first, *, by=1):
    """Count on from turn to turn, in one process."""
    state = [first - by]

    def work():
        state[0] += by
        return state[0], os.getpid()

    return work


def failing(error):
    """Fail in every turn."""

    def work():
        if error == "user":
            raise RulError("found a, expected b")
        if error == "defect":
            raise ValueError("of two\nlines")
        os._exit(7)

    return work


def memory(megabytes):
    """Take so much memory, give it back, and say how large the process was."""

    def work():
        before = peak_memory_mb()
        block = b"x" * (megabytes * 10**6)
        del block
        return peak_memory_mb() - before

    return work
