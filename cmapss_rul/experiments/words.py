"""What the words of `rul compare` mean: lists, seeds and axes of the grid."""

from collections.abc import Sequence
from typing import Any

from cmapss_rul.config.yaml import parse_yaml
from cmapss_rul.data.config import OWN_FILES
from cmapss_rul.display.text import printable
from cmapss_rul.experiments.identity import as_text
from cmapss_rul.system.errors import UsageError

_MOST_SEEDS = 1_000
_ELSEWHERE = {
    "seed": "name the seeds with --seeds",
    "balancer.name": "name the balancers with --balancer",
    "train.threads": "every run of a grid has one thread",
    "data.dir": "a folder is no part of a comparison; set it with --set data.dir=DIR",
    **{
        f"data.{key}": f"a file is no part of a comparison; set it with --set data.{key}=FILE"
        for key in OWN_FILES
    },
}
"""Keys that are no axis, and what stands for them."""


def names(option: str, text: str) -> list[str]:
    """Read a list with commas.

    Args:
        option: for the error, `--config` say.
        text: one or more names.

    Raises:
        UsageError: nothing is named, or something twice.

    >>> names("--balancer", "fixed, amnl")
    ['fixed', 'amnl']
    """
    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise UsageError(f"{option}: expected names with commas between them, found nothing")
    return _once(option, found)


def seeds(text: str) -> list[int]:
    """Read how many seeds, or which.

    Args:
        text: a number, which means so many from 0 on; a list where there is a comma.

    Raises:
        UsageError: no whole numbers, none at all, or one twice.

    >>> seeds("5"), seeds("3,7"), seeds("7,")
    ([0, 1, 2, 3, 4], [3, 7], [7])
    """
    numbers = [_seed(part.strip(), text) for part in text.split(",") if part.strip()]
    if "," in text and numbers:
        return _once("--seeds", numbers)
    if not numbers or not 1 <= numbers[0] <= _MOST_SEEDS:
        raise UsageError(
            f"--seeds {printable(text)}: expected a number of seeds from 1 to {_MOST_SEEDS:,}, "
            "or seeds with a comma, such as 3,7 or 7,"
        )
    return list(range(numbers[0]))


def axes(texts: Sequence[str]) -> dict[str, list[Any]]:
    """Read the axes of the grid.

    Args:
        texts: such as `train.epochs=5,10`; what follows `=` is the inside of a YAML list.

    Returns:
        Dotted key → its values, in order.

    Raises:
        UsageError: no key, no values, one twice, or a key that other options set.

    >>> axes(["model.cnn.channels=[32],[32, 32]"])
    {'model.cnn.channels': [[32], [32, 32]]}
    """
    found: dict[str, list[Any]] = {}
    for text in texts:
        key, equals, values = text.partition("=")
        key = key.strip()
        if not equals or not all(key.split(".")):
            raise UsageError(
                f"--grid {printable(text)}: expected KEY=VALUE,VALUE, such as "
                "--grid train.learning_rate=1e-3,2e-3"
            )
        where = f"--grid {printable(key)}"
        if key in _ELSEWHERE:
            raise UsageError(f"{where}: is not varied here; {_ELSEWHERE[key]}")
        if key in found:
            raise UsageError(f"{where}: was given twice; give all its values at once")
        parsed = parse_yaml(f"[{values}]", where)
        if not isinstance(parsed, list) or not parsed:
            raise UsageError(f"{where}: expected values with commas between them, found nothing")
        found[key] = _once(where, parsed)
    return found


def _seed(part: str, text: str) -> int:
    if not (part.isascii() and part.isdecimal()) or int(part) >= 2**63:
        raise UsageError(
            f"--seeds {printable(text)}: '{printable(part)}' is no seed; expected whole numbers "
            "from 0 on"
        )
    return int(part)


def _once(option: str, values: list[Any]) -> list[Any]:
    texts = [as_text(value) for value in values]  # for true and 1 are equal
    for position, text in enumerate(texts):
        if text in texts[:position]:
            raise UsageError(f"{option}: {printable(text)} is named twice; name it once")
    return values
