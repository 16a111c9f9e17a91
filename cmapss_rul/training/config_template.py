"""Template of a configuration for a user's own fleet, from the columns inferred from its file."""

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cmapss_rul.config.load import from_mapping
from cmapss_rul.config.yaml import MAX_BYTES, parse_yaml, quote_yaml
from cmapss_rul.data.column_inference import InferredColumns, NumericColumn
from cmapss_rul.data.split import FEW_ENGINES
from cmapss_rul.intervals.conformal import DEFAULT_LEVELS, engines_needed, offered_levels
from cmapss_rul.system.errors import UsageError, printable
from cmapss_rul.training.config import RunConfig

_STEPS = 1000
"""Target number of steps of a run, about as in the shipped configurations."""

_BATCH, _EPOCHS, _MAX_EPOCHS = 128, 24, 100
# as in configs/fd001.yaml
_POOL, _WINDOW = 3, 90
_PATIENCE = 8
_FOLDS = 5
_MOST_VALIDATE = 0.4
"""A *guess*: largest share of validation engines, raised only to support an interval level."""


def config_template(found: InferredColumns, file: Path) -> str:
    """Format a commented YAML configuration for the file with the inferred columns.

    Cap, window and number of steps follow from the lives by rules of thumb, stated in the
    comments; all other values are those of the shipped configurations.

    `file` is the path to write into the configuration.

    Raises:
        UsageError: the file has more columns than a configuration can name.
    """
    text = "\n".join(_lines(found, file)) + "\n"
    if len(text.encode(errors="backslashreplace")) > MAX_BYTES:
        raise UsageError(
            f"{printable(file)}: its {len(found.sensors)} sensors need more than the "
            f"{MAX_BYTES:,} bytes of a configuration; leave out those that are not needed"
        )
    # validate, so that `rul train` accepts every template
    from_mapping(RunConfig, parse_yaml(text, "the template"), where=printable(file))
    return text


def _lines(found: InferredColumns, file: Path) -> Iterator[str]:
    lives, rows = found.lives, int(found.lives.sum())
    median = float(np.median(lives))
    # *guess*: 0.6 of the median life of FD001, 199 cycles, gives 120, near the usual 125
    cap = max(5, 5 * round(0.6 * median / 5))
    window = max(_POOL, int(min(_WINDOW, median / 2) // _POOL * _POOL))
    yield f"# {printable(file)}: {found.engines} engines."
    yield f"# The guesses below are based on the {len(lives)} outside the held-out test set:"
    yield f"# {rows:,} rows; {lives.min()} to {lives.max()} cycles, median {median:g}."
    yield "#"
    yield "#   rul train --config THIS-FILE"
    yield "#"
    yield "# Each record is assumed to end with the failure, which the file cannot show. The"
    yield "# columns below are guessed from names and ranges: check them before training."
    yield "data:"
    yield f"  train: {quote_yaml(str(file))}"
    yield f"  engine: {quote_yaml(found.engine)}"
    yield f"  cycle: {quote_yaml(found.cycle)}"
    if found.cycle_from_order:
        yield "  # the rows of an engine, sorted by these times, are its cycles 1, 2, …"
        yield "  cycle_from_order: true"
    yield from _event(found)
    yield from _columns(
        "settings",
        "operational settings; move names here from sensors if necessary",
        found.settings,
    )
    yield from _columns(
        "sensors",
        "inputs of the network; scaled per operating condition",
        found.sensors,
        "a setting?",
    )
    for name, reason in found.left_out:
        yield f"  # left out: {printable(name) or 'a column without a name'}, which {reason}"
    yield from _conditions(found)
    yield "  # RUL labels are capped, as a healthy engine shows no wear: 0.6 of the median life"
    yield f"  cap: {cap}"
    yield f"  # length of the input window, a multiple of {_POOL}: at most half the median life"
    yield f"  window: {window}"
    yield from _split(found)
    yield "loss:"
    yield "  # RUL boundaries between the health classes, cycles"
    yield f"  health: {{boundaries: [{cap}, {round(0.4 * cap)}]}}"
    yield "model:"
    yield f"  cnn: {{pool: {_POOL}}}"
    yield from _training(rows)


def _event(found: InferredColumns) -> Iterator[str]:
    """Yield the lines about a possible event column."""
    event = found.event
    if event is None:
        return
    yield f"  # {printable(event.question)}. If so, uncomment the next line;"
    yield "  # otherwise every record is assumed to end with the failure"
    if event.censored is None:
        yield "  # censored: [ID, ID]  # the engines that have not failed"
    elif event.inverted:
        # as JSON, since names may contain colons and commas
        yield f"  # censored: {json.dumps(event.censored, ensure_ascii=False)}"
    else:
        yield f"  # event: {quote_yaml(event.name)}"


def _split(found: InferredColumns) -> Iterator[str]:
    """Yield the `split` part, with enough validation engines for an interval level if possible.

    With a possible event column, only the failed engines count, since others do not calibrate.
    """
    engines, that_failed = found.engines, ""
    if found.event is not None and found.event.censored and found.event.failed:
        engines, that_failed = found.event.failed, " that failed"
    yield "split:"
    if round(0.2 * engines) < FEW_ENGINES and engines >= 2 * _FOLDS:
        yield f"  # {_FOLDS} folds, one of which is held out for rul evaluate. Few engines are weak"
        yield "  # evidence; to test on every engine once, train once per fold:"
        folds = ",".join(map(str, range(_FOLDS)))
        yield f"  #   rul compare --config THIS-FILE --grid split.test_fold={folds} --seeds 1"
        yield f"  test_folds: {_FOLDS}"
    else:
        yield "  # share of the engines held out for rul evaluate"
        yield "  test: 0.2"
    rest = engines - max(round(0.2 * engines), 1)
    needed = engines_needed(min(DEFAULT_LEVELS))
    share = 0.2
    if round(share * rest) < needed <= _MOST_VALIDATE * rest:
        share = math.ceil(100 * needed / rest) / 100
    validating = max(round(share * rest), 1)
    given = offered_levels(DEFAULT_LEVELS, validating)
    yield "  # validation share of the other engines"
    yield f"  # {validating} engines{that_failed}: {_interval_comment(given)}"
    yield f"  validation: {share:g}"


def _interval_comment(given: Sequence[float]) -> str:
    missing = [level for level in sorted(DEFAULT_LEVELS) if level not in given]
    text = f"intervals at {', '.join(f'{x:g}' for x in given) or 'no level'}"
    if not missing:
        return text
    return f"{text}; {missing[0]:g} would need {engines_needed(missing[0], spare=int(bool(given)))}"


def _columns(
    key: str, comment: str, columns: Sequence[NumericColumn], doubt: str | None = None
) -> Iterator[str]:
    yield f"  # {comment}"
    yield f"  {key}:" if columns else f"  {key}: []"
    for column in columns:
        few = f"; {column.levels} levels: {doubt}" if doubt and column.levels > 1 else ""
        yield f"    - {quote_yaml(column.name)}  # {column.low:.6g} … {column.high:.6g}{few}"


def _conditions(found: InferredColumns) -> Iterator[str]:
    if found.decimals and found.conditions > 1:
        yield f"  # the settings, rounded to these decimals, form {found.conditions} conditions"
        yield f"  conditions: {{name: settings, decimals: {found.decimals}}}"
        return
    why = "the settings form too many conditions" if found.settings else "there are no settings"
    yield f"  # {why}; a column of condition numbers: {{name: column, column: NAME}}"
    yield "  conditions: {name: none}"


def _training(rows: int) -> Iterator[str]:
    """Yield balancer and `train`, as shipped, with epochs and window share for `_STEPS` steps."""
    batches = math.ceil(0.8 * rows / _BATCH)  # 0.2 are for validation
    epochs = min(max(math.ceil(_STEPS / batches), _EPOCHS), _MAX_EPOCHS)
    share = min(1.0, round(_STEPS / epochs / batches, 2))
    yield "balancer: {name: amnl}"
    yield "train:"
    yield f"  epochs: {epochs}"
    yield f"  batch_size: {_BATCH}"
    yield "  # share of the windows drawn for each epoch"
    # at least 0.01: a share rounded to 0 is invalid
    yield f"  window_share: {max(share, 0.01)}"
    yield "  learning_rate: 2e-3"
    yield "  weight_decay: 1e-2"
    yield "  warmup: 1"
    yield "  clip: 10.0"
    yield "  ema: 0.99"
    yield "  # early stopping: epochs without improvement in validation"
    yield f"  patience: {max(_PATIENCE, epochs // 4)}"
