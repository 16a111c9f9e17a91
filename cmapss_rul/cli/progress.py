"""Shows a run on the terminal: a line an epoch on stdout, a live line on stderr."""

import math
import sys
from typing import Any

from tqdm import tqdm

from cmapss_rul.display.text import printable
from cmapss_rul.training.loggers import Reporter, Row


class Progress(Reporter):
    """A reporter for people.

    Each epoch is one plain line on stdout. Where stderr is a terminal, a live line below it
    shows the running epoch, what the last one gave, windows per second and the time left.

    Args:
        epochs: of the run.
    """

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._bar: tqdm[Any] | None = None

    def epoch_start(self, epoch: int, epochs: int, windows: int, done: int) -> None:
        """Open the live line at the first epoch, and name the running one."""
        if self._bar is None:
            self._bar = tqdm(
                total=epochs * windows,
                initial=(epoch - 1) * windows + done,
                unit="window",
                unit_scale=True,
                leave=False,
                file=sys.stderr,
                disable=not sys.stderr.isatty(),
                dynamic_ncols=True,
            )
        self._bar.set_description(f"epoch {epoch}/{epochs}", refresh=False)

    def batch_end(self, windows: int) -> None:
        """Move the live line on."""
        if self._bar is not None:
            self._bar.update(windows)

    def epoch_end(self, row: Row, best: bool) -> None:
        """Print the epoch's line."""
        self._say(epoch_line(row, self._epochs, best))
        if self._bar is not None:
            self._bar.set_postfix_str(
                f"losses {row['train_rul_loss']:.1f} and {row['train_health_loss']:.3f}, weights "
                f"{row['weight_rul']:.3g} and {row['weight_health']:.3g}, "
                f"val RMSE {row['val_rmse']:.2f}",
                refresh=False,
            )

    def note(self, text: str) -> None:
        """Print a line."""
        self._say(printable(text))

    def close(self) -> None:
        """Take the live line away."""
        if self._bar is not None:
            self._bar.close()

    def _say(self, text: str) -> None:
        tqdm.write(text, file=sys.stdout)
        sys.stdout.flush()


def epoch_line(row: Row, epochs: int, best: bool) -> str:
    """One epoch in one line of text."""
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
