"""Progress of a run or of a grid on the terminal: lines, and a progress bar on stderr.

The bar is shown only if stderr is a terminal.
"""

import math
import sys
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from cmapss_rul.display.text import counted
from cmapss_rul.system.errors import printable
from cmapss_rul.training.reporters import Reporter, Row

if TYPE_CHECKING:
    from cmapss_rul.experiments.compare import Event
    from cmapss_rul.experiments.jobs import JobMessage


_TRAINING = "{desc} {bar} {percentage:3.0f}%  {elapsed} elapsed, {remaining} left"


def _open_bar(total: int, done: int = 0, layout: str | None = None) -> "tqdm[Any]":
    return tqdm(
        total=total,
        initial=done,
        unit="run",
        bar_format=layout,
        leave=False,
        file=sys.stderr,
        disable=not sys.stderr.isatty(),
        dynamic_ncols=True,  # follows a terminal that is resized
    )


class Progress(Reporter):
    """Prints one line per epoch to stdout: a table row on a terminal, else a labelled line.

    The bar shows the current epoch, the elapsed time and the time left.

    Args:
        epochs: number of epochs of the run.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._terminal = sys.stdout.isatty()
        self._labelled = False
        self._bar: tqdm[Any] | None = None

    def member_start(self, fold: int, folds: int) -> None:
        """Print the number of the next network of an ensemble, and start a new bar for it."""
        self.close()
        self._bar, self._labelled = None, False
        self._print(f"network {fold + 1} of {folds}")

    def epoch_start(self, epoch: int, epochs: int, windows: int, done: int) -> None:
        """Open the bar at the first epoch; label it with the current epoch."""
        if self._bar is None:
            # in windows, not steps: the last batch of an epoch may be smaller; a resumed run
            # starts where it stopped, so that the time left excludes the work already done
            self._bar = _open_bar(epochs * windows, (epoch - 1) * windows + done, _TRAINING)
        self._bar.set_description_str(f"epoch {epoch}/{epochs}")

    def batch_end(self, windows: int) -> None:
        """Advance the bar."""
        if self._bar is not None:
            self._bar.update(windows)

    def epoch_end(self, row: Row, best: bool) -> None:
        """Print the line of the epoch."""
        if not self._terminal:
            self._print(epoch_line(row, self._epochs, best))
            return
        if not self._labelled:
            self._labelled = True
            for line in _LABELS:
                self._print(line)
        self._print(epoch_columns(row, self._epochs, best))

    def note(self, text: str) -> None:
        """Print a line."""
        self._print(text)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()

    def _print(self, text: str) -> None:
        tqdm.write(printable(text), file=sys.stdout)  # redraws the bar below the line
        sys.stdout.flush()  # else lines to a pipe or a log file wait in a buffer


def epoch_line(row: Row, epochs: int, best: bool) -> str:
    """Format the metrics of one epoch in one line."""
    width = int(math.log10(max(epochs, 1))) + 1
    return (
        f"epoch {row['epoch']:{width}.0f}/{epochs}  "
        f"losses {row['train_rul_loss']:8.2f} {row['train_health_loss']:6.3f}  "
        f"weights {row['weight_rul']:.2e} {row['weight_health']:.2e}  "
        f"clipped {row['clipped_share']:4.0%}  "
        f"val RMSE {row['val_rmse']:6.3f}  "
        f"{row['windows_per_second']:6.0f} windows/s"
        f"{'  best' if best else ''}"
    )


_LABELS = (
    "            RUL  health          weights of    share  validation",
    "epoch      loss    loss       RUL    health  clipped        RMSE",
)


def epoch_columns(row: Row, epochs: int, best: bool) -> str:
    """Format the metrics of one epoch in the columns of `_LABELS`."""
    epoch = f"{row['epoch']:.0f}/{epochs}"
    return (
        f"{epoch:>5}  {row['train_rul_loss']:8.2f}  {row['train_health_loss']:6.3f}  "
        f"{row['weight_rul']:8.2e}  {row['weight_health']:8.2e}  {row['clipped_share']:7.0%}  "
        f"{row['val_rmse']:10.3f}{'  best' if best else ''}"
    )


class GridProgress:
    """Callback of a comparison: prints one line per run; the bar shows the latest epoch of any run.

    Args:
        quiet_stdout: print to stderr, to reserve stdout for JSON.
    """

    def __init__(self, *, quiet_stdout: bool) -> None:
        self._stream = sys.stderr if quiet_stdout else sys.stdout
        self._last: dict[str, str] = {}
        self._bar: tqdm[Any] | None = None

    def __call__(self, event: "Event") -> None:
        """Show an event."""
        # imported here: `rul train` imports this module but not experiments
        from cmapss_rul.experiments.compare import NoteEvent, PhaseEvent

        match event:
            case PhaseEvent():
                self._start_phase(event.phase, event.jobs, event.done)
            case NoteEvent():
                self._print(event.text)
            case _ if event.kind == "progress":
                self._update_run(event.job, event.message)
            case _ if event.kind == "ended":
                self._end_run(event.job, event.error)

    def _start_phase(self, phase: str, jobs: int, done: int) -> None:
        """Print the number of runs, and open the bar."""
        self.close()
        self._print(f"{phase}: {counted(jobs, 'run')}" + (f", {done} done before" if done else ""))
        if jobs:
            self._bar = _open_bar(jobs)
            self._bar.set_description(phase)

    def _update_run(self, name: str, message: "JobMessage") -> None:
        """Show the latest epoch of a run in the bar, or print its warning."""
        if message.warning:
            self._print(f"{name}: {message.text}")
            return
        self._last[name] = message.text
        if self._bar is not None:
            # no refresh: with many runs at once the line would flicker
            self._bar.set_postfix_str(printable(f"{name} {self._last[name]}"), refresh=False)

    def _end_run(self, name: str, error: str | None) -> None:
        """Print the run's line."""
        last = self._last.pop(name, "")
        result = f"failed: {error}" if error is not None else last or "done"
        self._print(f"{name}  {result}")
        if self._bar is not None:
            self._bar.update()

    def _print(self, text: str) -> None:
        """Print a line."""
        tqdm.write(printable(text), file=self._stream)
        self._stream.flush()

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
