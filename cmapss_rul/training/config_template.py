"""A first configuration for a fleet of one's own, from a look through its file."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cmapss_rul.config.load import from_mapping
from cmapss_rul.config.yaml import MAX_BYTES, parse_yaml, quote_yaml
from cmapss_rul.data.survey import NumericColumn, Survey
from cmapss_rul.system.errors import UsageError
from cmapss_rul.system.text import printable
from cmapss_rul.training.config import RunConfig

_STEPS = 1000
"""About as many steps as the shipped configurations take."""

_BATCH, _EPOCHS, _MOST_EPOCHS = 128, 24, 100
_POOL, _WINDOW = 3, 90


def draft(found: Survey, file: Path) -> str:
    """Write a configuration with comments.

    Cap, window and steps follow from the lives by rules of thumb, which the comments say; all
    else is as in the shipped configurations.

    Args:
        found: what the file holds.
        file: its path, as it is to stand in the configuration.

    Raises:
        UsageError: the file has more columns than a configuration can name.
    """
    text = "\n".join(_lines(found, file)) + "\n"
    if len(text.encode(errors="backslashreplace")) > MAX_BYTES:
        raise UsageError(
            f"{printable(file)}: its {len(found.sensors)} sensors take more than the "
            f"{MAX_BYTES:,} bytes of a configuration; leave those out that are not needed"
        )
    from_mapping(RunConfig, parse_yaml(text, "the draft"), where=printable(file))
    return text


def _lines(found: Survey, file: Path) -> Iterator[str]:
    lives, rows = found.lives, int(found.lives.sum())
    median = float(np.median(lives))
    cap = max(5, 5 * round(0.6 * median / 5))
    window = max(_POOL, int(min(_WINDOW, median / 2) // _POOL * _POOL))
    yield f"# {printable(file)}: {found.engines} engines."
    yield f"# The {len(lives)} that split.test leaves to train, from which all below is guessed:"
    yield f"# {rows:,} rows; {lives.min()} to {lives.max()} cycles, {median:g} in the middle."
    yield "#"
    yield "#   rul train --config THIS-FILE"
    yield "#"
    yield "# Each record is taken to end at the failure: no file shows whether it does. What stands"
    yield "# here follows from names and ranges; read it before you train."
    yield "data:"
    yield f"  train: {quote_yaml(str(file))}"
    yield f"  engine: {quote_yaml(found.engine)}"
    yield f"  cycle: {quote_yaml(found.cycle)}"
    yield from _columns(
        "settings",
        "how the engine is operated; move names here from sensors",
        found.settings,
    )
    yield from _columns(
        "sensors", "what the network sees; scaled per condition", found.sensors, "a setting?"
    )
    for name, reason in found.left_out:
        yield f"  # left out: {printable(name) or 'a column without a name'}, which {reason}"
    yield from _conditions(found)
    yield "  # labels stop here, for a healthy engine does not show its age: 0.6 of the middle life"
    yield f"  cap: {cap}"
    yield f"  # cycles that a prediction looks back, a multiple of {_POOL}: at most half that life"
    yield f"  window: {window}"
    yield "split:"
    yield "  # share of the engines that rul evaluate tests on, which no training sees"
    yield "  test: 0.2"
    yield "  # share of the others that chooses the epoch"
    yield "  validation: 0.2"
    yield "loss:"
    yield "  # classes: from the cap on, below it, and from here down; cycles"
    yield f"  health: {{boundaries: [{cap}, {round(0.4 * cap)}]}}"
    yield "model:"
    yield f"  cnn: {{pool: {_POOL}}}"
    yield from _training(rows)


def _columns(
    key: str, what: str, columns: Sequence[NumericColumn], doubt: str | None = None
) -> Iterator[str]:
    yield f"  # {what}"
    yield f"  {key}:" if columns else f"  {key}: []"
    for column in columns:
        few = f"; {column.levels} levels: {doubt}" if doubt and column.levels > 1 else ""
        yield f"    - {quote_yaml(column.name)}  # {column.low:.6g} … {column.high:.6g}{few}"


def _conditions(found: Survey) -> Iterator[str]:
    if found.decimals and found.conditions > 1:
        yield f"  # the settings, rounded to these decimals, form {found.conditions} conditions"
        yield f"  conditions: {{name: settings, decimals: {found.decimals}}}"
        return
    why = "the settings tell no few conditions apart" if found.settings else "there are no settings"
    yield f"  # {why}; a column of condition numbers: {{name: column, column: NAME}}"
    yield "  conditions: {name: none}"


def _training(rows: int) -> Iterator[str]:
    """As shipped, with so many epochs and windows that the steps are about as many."""
    a_pass = math.ceil(0.8 * rows / _BATCH)  # the others validate
    epochs = min(max(math.ceil(_STEPS / a_pass), _EPOCHS), _MOST_EPOCHS)
    share = min(1.0, round(_STEPS / epochs / a_pass, 2))
    yield "balancer: {name: amnl}"
    yield "train:"
    yield f"  epochs: {epochs}"
    yield f"  batch_size: {_BATCH}"
    yield "  # share of the windows drawn anew for each epoch"
    yield f"  window_share: {max(share, 0.01)}"
    yield "  learning_rate: 2e-3"
    yield "  weight_decay: 1e-2"
    yield "  warmup: 1"
    yield "  clip: 10.0"
    yield "  ema: 0.99"
