"""What many measurements of one thing are summed up to: a median and a spread."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np


class Figure(NamedTuple):
    """A median and the distance between the quartiles, in the unit of the values.

    Half of the values lie within an interval as long as the spread; one odd value, made by
    another process on the machine, moves neither of the two much.
    """

    median: float
    spread: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """Sum values up.

        >>> Figure.of([1, 2, 3, 4, 100])
        Figure(median=3.0, spread=2.0)
        """
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        return cls(float(middle), float(high - low))


def ratio(theirs: Sequence[float], ours: Sequence[float]) -> Figure:
    """Sum up the ratios of turns that were taken one after the other.

    What slows the machine down for a while slows both turns of a pair, and leaves their ratio.

    Args:
        theirs: [turn], numerators.
        ours: [turn], denominators.

    >>> ratio([2.0, 6.0, 3.0], [1.0, 2.0, 1.0])
    Figure(median=3.0, spread=0.5)
    """
    return Figure.of([one / other for one, other in zip(theirs, ours, strict=True)])


def nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Make the result of a benchmark out of dotted keys.

    A figure becomes two keys, `<key>` with its median and `<key>_spread`; a mapping of figures
    becomes two mappings in the same way.

    >>> nested({"a.b": Figure(2.0, 0.5), "a.c": {"30": Figure(1.0, 0.1)}, "d": None})
    {'a': {'b': 2.0, 'b_spread': 0.5, 'c': {'30': 1.0}, 'c_spread': {'30': 0.1}}, 'd': None}
    """
    result: dict[str, Any] = {}
    for key, value in flat.items():
        *path, name = key.split(".")
        place = result
        for part in path:
            place = place.setdefault(part, {})
        if isinstance(value, Figure):
            place[name], place[f"{name}_spread"] = value
        elif isinstance(value, Mapping) and value and _all_figures(value):
            place[name] = {each: figure.median for each, figure in value.items()}
            place[f"{name}_spread"] = {each: figure.spread for each, figure in value.items()}
        else:
            place[name] = value
    return result


def _all_figures(values: Mapping[str, Any]) -> bool:
    return all(isinstance(value, Figure) for value in values.values())


def at(result: Mapping[str, Any], key: str) -> Any:
    """Look a dotted key up in a result; None where it is missing.

    >>> at({"step": {"seconds": 0.1}}, "step.seconds"), at({}, "step.seconds")
    (0.1, None)
    """
    value: Any = result
    for part in key.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
