"""How the C library treats the memory that a step gives back."""

import contextlib
import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGE = 2**30


def keep_freed_memory() -> None:
    """Let glibc keep blocks below 1 GiB for the next step; does nothing elsewhere.

    By default it maps the LSTM's temporaries, some tens of megabytes each, anew from the
    system in every step, and the system clears their pages first. Results do not change. The
    setting holds for the whole process, so commands make it and the library does not.

    *Measured* on two cores, shipped network: 0.19 s a training step of 256 windows without and
    0.10 s with it, one thread; 0.95 s to predict 13,096 windows without and 0.60 s with it, two
    threads.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        library = ctypes.CDLL(None)
        library.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_M_TRIM_THRESHOLD, _LARGE)
