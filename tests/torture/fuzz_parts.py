"""Campaign: restore and resume checkpoints with edited parts.

An input encodes a list of edits to the content of a real checkpoint with intervals, auxiliary data
and averaged weights: which value, and its replacement. The digest is left out, since anybody can
compute a valid one, and `fuzz_checkpoint` covers it. An accepted checkpoint must be usable:
intervals with finite bounds, a state from which training resumes, rows for metrics.csv.
"""

import copy
import functools
import math
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cmapss_rul.evaluation.intervals import interval_bounds, interval_facts
from cmapss_rul.system.errors import CheckpointError, UsageError
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.checkpoint import Checkpoint, refuse_malformed
from cmapss_rul.training.checkpoint_file import check_format
from cmapss_rul.training.config import load_config
from cmapss_rul.training.loop import set_rng_state
from cmapss_rul.training.reporters import metrics_text
from cmapss_rul.training.resume import check_same_run, host_warnings
from cmapss_rul.training.step import TrainingStep
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import TrainedModel
from tests.torture import fuzzing
from tests.torture.counts import Counts
from tests.torture.fuzzing import Defect, Target, require_one_line
from tests.torture.runs import configuration, fleets

_PATH = Path("best.pt")
_LATER = 0xFF
"""Key of a part that a later version may add."""

Edit = Callable[[Any], Any]

VALUES: tuple[Edit, ...] = tuple(
    functools.partial(lambda value, _: copy.deepcopy(value), value)
    for value in (
        None, True, 0, -1, 1, 10**9, 2**63, 10**30, 0.0, -0.5, 1e300, math.inf, -math.inf, math.nan,
        "", "2", "x" * 5000, "\x1b[31m\n\x9b", "nan", [], [0], [1.5], [[]], {}, {"a": 1},
        {"\x1b": {}}, torch.zeros(()), torch.zeros(0), torch.ones(2, 3), torch.tensor([math.nan]),
        torch.tensor([2**62]), torch.tensor([True]), torch.zeros(3, dtype=torch.float16),
        torch.zeros(1, dtype=torch.complex64), torch.zeros(1, 3, dtype=torch.float64),
    )
)  # fmt: skip


def _number(change: Callable[[float], float]) -> Edit:
    def edit(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value if value.is_complex() or value.dtype is torch.bool else change(value)
        return change(value) if isinstance(value, int | float) else value

    return edit


def _of_list(change: Callable[[list[Any]], list[Any]]) -> Edit:
    return lambda value: change(value) if isinstance(value, list) and value else value


def _of_tensor(change: Callable[[Tensor], Tensor]) -> Edit:
    return lambda value: change(value) if isinstance(value, Tensor) and value.numel() else value


def _one(value: float) -> Callable[[Tensor], Tensor]:
    def change(tensor: Tensor) -> Tensor:
        changed = tensor.clone()
        changed.view(-1)[0] = value
        return changed

    return change


CHANGES: tuple[Edit, ...] = (
    _number(lambda number: -number),
    _number(lambda number: number + 1),
    _number(lambda number: number * 1000),
    _of_list(lambda values: values[:-1]),
    _of_list(lambda values: values * 2),
    _of_list(lambda values: values[::-1]),
    _of_tensor(lambda tensor: tensor[None]),
    _of_tensor(lambda tensor: tensor.reshape(-1)[:-1]),
    _of_tensor(lambda tensor: tensor.double() if tensor.dtype != torch.float64 else tensor.float()),
    _of_tensor(lambda tensor: tensor.bool() if tensor.is_floating_point() else tensor.float()),
    _of_tensor(lambda tensor: _one(math.inf)(tensor) if tensor.is_floating_point() else tensor),
    _of_tensor(lambda tensor: _one(1e30)(tensor) if tensor.is_floating_point() else tensor),
    _of_tensor(_one(0)),
    lambda value: value.tolist() if isinstance(value, Tensor) else value,
    lambda value: str(value)[:100],
    lambda value: [value],
    lambda value: {"value": value},
)
_REMOVED = object()
EDITS: tuple[Edit, ...] = (lambda _: _REMOVED, *CHANGES, *VALUES)


def edited(content: dict[str, Any], data: bytes) -> dict[str, Any]:
    """Apply the edits that the bytes encode.

    Args:
        content: of a checkpoint; changed.
        data: for each edit the places down to a value, a byte each, then 0, then the edit.
    """
    stream = iter(data)
    while (place := next(stream, None)) is not None:
        _edit(content, place, stream)
    return content


def _edit(inside: Any, place: int, stream: Iterator[int]) -> None:
    """Follow the path to a value and replace it."""
    while True:
        key: Any
        if isinstance(inside, dict):
            keys = list(inside)
            key = "later" if place == _LATER or not keys else keys[place % len(keys)]
        elif isinstance(inside, list) and inside:
            key = place % len(inside)
        else:
            return
        place = next(stream, 0)
        value = inside[key] if isinstance(inside, list) else inside.get(key)
        if place == 0 or not isinstance(value, dict | list) or not value:
            changed = EDITS[next(stream, 0) % len(EDITS)](value)
            if changed is not _REMOVED:
                inside[key] = changed
            elif key != "later" or key in inside:
                del inside[key]
            return
        inside, place = value, place - 1


@functools.cache
def whole() -> dict[str, Any]:
    """Return the content of a best.pt with every optional part."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        fleets(place / "data")
        config = load_config(configuration(place, place / "data", "gradnorm"), ["train.epochs=1"])
        torch.set_num_threads(1)
        return checkpoint_file.read(train(config, place / "run", device="cpu").best)


def check(data: bytes) -> bool:
    """Restore one checkpoint and resume it."""
    original = whole()
    content = edited(copy.deepcopy(original), data)
    try:
        with warnings.catch_warnings(record=True) as warned:
            found = Checkpoint.from_content(check_format(content, _PATH), _PATH)
            model = TrainedModel.from_checkpoint(found)
            _resume(found, Checkpoint.from_content(original, _PATH))
    except (CheckpointError, UsageError) as error:
        require_one_line(str(error))
        if not str(error).startswith(str(_PATH)):
            raise Defect(f"a refusal that does not name the file first: {error}") from error
        return False
    finally:
        if warned:
            raise Defect(f"a warning beside the one line: {warned[0].message}")
    if model.calibration is not None:
        _check_intervals(model)
    return True


def _resume(found: Checkpoint, original: Checkpoint) -> None:
    """Do what `train` does with last.pt, up to its first step."""
    config = original.run_config()
    check_same_run(config, [], found)
    found.is_finished()
    training_step = TrainingStep(config, config.build_network(), torch.device("cpu"))
    with refuse_malformed(_PATH):
        training_step.load_state_dict(found.content)
        set_rng_state(found.content["rng"], torch.device("cpu"))
    metrics_text(found.rows)
    for warning in host_warnings(found, original):
        require_one_line(warning)


def _check_intervals(model: TrainedModel) -> None:
    cap = model.config.data.cap
    assert model.calibration is not None
    for level in model.calibration.levels:
        lower, upper = interval_bounds(model, np.linspace(0, cap, 7), level)
        if not (lower.min() >= 0 and (lower <= upper).all() and upper.max() <= cap):
            raise Defect(f"an interval from {lower} to {upper}")
    interval_facts(model)


def make(random: Random) -> bytes:
    """Return one to three edits at any depth."""
    found = b""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        depth = random.choice((0, 1, 1, 2, 3))
        places = [random.randrange(20)] + [random.randrange(1, 40) for _ in range(depth)]
        found += bytes([*places, 0, random.randrange(len(EDITS))])
    return found


TARGET = Target(
    name="parts",
    check=check,
    seeds=(b"", b"\0", bytes([0, 0, 5]), bytes([_LATER, 0, 40]), bytes(range(40))),
    words=tuple(bytes([0, number]) for number in range(len(EDITS))),
    modules=("cmapss_rul.training", "cmapss_rul.intervals", "cmapss_rul.data.preprocess"),
    make=make,
)


def run(rounds: int, seed: int, engine: str = "auto") -> Counts:
    """Run the campaign."""
    return fuzzing.run(TARGET, rounds, seed, engine)


if __name__ == "__main__":
    sys.exit(fuzzing.main(TARGET))
