"""The command `rul`, and `python -m cmapss_rul`: signals are heeded before anything is imported."""

import gc
import sys
from typing import NoReturn

from cmapss_rul.system.signals import INTERRUPTED, TERMINATED, Terminated, terminable


def main() -> NoReturn:
    """Run the command of this process; see `cmapss_rul.cli.main`."""
    try:
        with terminable():
            from cmapss_rul.cli import main as run

            run()
    except KeyboardInterrupt:
        _leave(*INTERRUPTED)
    except Terminated:
        _leave(*TERMINATED)
    finally:
        gc.freeze()  # or the collector walks over all of torch once more before the process ends


def _leave(line: str, code: int) -> NoReturn:
    print(line, file=sys.stderr)  # noqa: T201
    sys.exit(code)


if __name__ == "__main__":
    main()
