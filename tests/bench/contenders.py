"""Contenders for the processes of test_workers.py, which import this module."""

import os

from cmapss_rul.bench.measurement import peak_memory_mb
from cmapss_rul.system.errors import RulError


def counter(first, *, by=1):
    """Count turns within one process."""
    state = [first - by]

    def work():
        state[0] += by
        return state[0], os.getpid()

    return work


def failing(error):
    """Raise in every turn."""

    def work():
        if error == "user":
            raise RulError("found a, expected b")
        if error == "defect":
            raise ValueError("of two\nlines")
        os._exit(7)

    return work


def memory(megabytes):
    """Allocate and free memory; a turn returns the growth of the peak."""

    def work():
        before = peak_memory_mb()
        block = b"x" * (megabytes * 10**6)
        del block
        return peak_memory_mb() - before

    return work
