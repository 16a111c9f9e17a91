"""Shows a grid of runs on the terminal: a line a run, and a live line on stderr."""

import sys
from typing import Any

from tqdm import tqdm

from cmapss_rul.display.text import printable


class GridProgress:
    """A listener for people.

    Args:
        quiet_stdout: write to stderr, because stdout is for JSON alone.
    """

    def __init__(self, *, quiet_stdout: bool) -> None:
        self._stream = sys.stderr if quiet_stdout else sys.stdout
        self._last: dict[str, str] = {}
        self._bar: tqdm[Any] | None = None

    def phase(self, what: str, jobs: int, done: int) -> None:
        """Say how many runs there are to do, and open the live line."""
        self.close()
        self.note(f"{what}: {jobs} run(s)" + (f", {done} were done before" if done else ""))
        if jobs:
            self._bar = tqdm(
                total=jobs,
                unit="run",
                leave=False,
                file=sys.stderr,
                disable=not sys.stderr.isatty(),
                dynamic_ncols=True,
            )
            self._bar.set_description(what)

    def started(self, name: str) -> None:
        """Leave it to the live line."""
        self._last[name] = ""

    def told(self, name: str, what: Any) -> None:
        """Show the newest epoch of a run in the live line."""
        self._last[name] = f"epoch {what['epoch']}, val RMSE {what['val_rmse']:.2f}"
        if self._bar is not None:
            self._bar.set_postfix_str(f"{printable(name)} {self._last[name]}", refresh=False)

    def ended(self, name: str, error: str | None) -> None:
        """Print the run's line."""
        last = self._last.pop(name, "")
        result = f"failed: {printable(error)}" if error is not None else last or "done"
        self.note(f"{printable(name)}  {result}")
        if self._bar is not None:
            self._bar.update()

    def note(self, text: str) -> None:
        """Print a line."""
        tqdm.write(text, file=self._stream)
        self._stream.flush()

    def close(self) -> None:
        """Take the live line away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
