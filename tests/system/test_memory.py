"""Allocator settings: freed memory is retained by the process."""

import platform
import subprocess
import sys

import pytest


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the setting is glibc's")
@pytest.mark.parametrize(("start", "retained"), [("", False), ("main(['--version'])", True)])
def test_a_command_keeps_large_blocks_that_are_freed(start, retained):
    script = (
        "import contextlib, mmap, numpy\n"
        "from pathlib import Path\n"
        "from cmapss_rul.cli import main\n"
        f"with contextlib.suppress(SystemExit): {start or 'pass'}\n"
        "def pages(): return int(Path('/proc/self/statm').read_text().split()[1])\n"
        "before = pages()\n"
        "numpy.ones(2**23)\n"
        "print((pages() - before) * mmap.PAGESIZE > 2**25)\n"  # half of it
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == str(retained)
