"""Settings of the C memory allocator."""

import contextlib
import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE = 2**30


def keep_freed_memory() -> None:
    """Let glibc reuse freed blocks below 1 GiB instead of returning them to the system.

    By default every training step maps the LSTM's temporaries, tens of megabytes each, from the
    system, which zeroes their pages first. Results do not change. The setting is global to the
    process, so only the command line changes it. Does nothing without glibc.

    *Measured* on two cores, shipped network: 0.19 s a training step of 256 windows without and
    0.10 s with it, one thread; 0.95 s to predict 13,096 windows without and 0.60 s with it, two
    threads.
    """
    # without glibc: no `mallopt` in musl and macOS, and no library of the name None on Windows
    with contextlib.suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_M_TRIM_THRESHOLD, _LARGE)
