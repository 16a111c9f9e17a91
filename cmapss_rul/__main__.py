"""Entry point of `rul` and of `python -m cmapss_rul`; handles signals before heavy imports."""

import gc
import sys
from typing import NoReturn

from cmapss_rul.system.signals import INTERRUPTED, TERMINATED, Terminated, terminable


def main() -> NoReturn:
    """Run the command line; see `cmapss_rul.cli.main`."""
    try:
        with terminable():
            from cmapss_rul.cli import main as run

            run()
    except KeyboardInterrupt:
        _leave(*INTERRUPTED)
    except Terminated:
        _leave(*TERMINATED)
    finally:
        gc.freeze()  # skips the garbage collection at exit, which would visit all objects of torch


def _leave(line: str, code: int) -> NoReturn:
    print(line, file=sys.stderr)  # noqa: T201
    sys.exit(code)


if __name__ == "__main__":
    main()
