"""The command `rul`, and `python -m cmapss_rul`: signals are heeded before anything is imported."""

import sys
from typing import NoReturn

from cmapss_rul.stop import STOPPED, Terminated, terminable


def main() -> NoReturn:
    """Run the command of this process; see `cmapss_rul.cli.main`."""
    try:
        with terminable():
            from cmapss_rul.cli import main as run

            run()
    except KeyboardInterrupt:
        print(f"rul: interrupted; {STOPPED}", file=sys.stderr)  # noqa: T201
        sys.exit(130)
    except Terminated:
        print(f"rul: terminated; {STOPPED}", file=sys.stderr)  # noqa: T201
        sys.exit(143)


if __name__ == "__main__":
    main()
