"""Medians and spreads of repeated measurements, and their keys in the result."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np


class Measurement(NamedTuple):
    """Seconds, or windows per second, and the peak resident size of the process so far, MB."""

    value: float
    peak_mb: float


class Summary(NamedTuple):
    """Median and interquartile range, in the unit of the values.

    Both are robust: an outlier, caused by another process on the machine, hardly moves them.
    """

    median: float
    spread: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Summary":
        """Summarise values.

        >>> Summary.of([1, 2, 3, 4, 100])
        Summary(median=3.0, spread=2.0)
        """
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
        return cls(float(middle), float(high - low))


def summarise_ratios(numerators: Sequence[float], denominators: Sequence[float]) -> Summary:
    """Summarise the ratios of neighbouring turns.

    A machine that is slow for a while slows both turns of a pair, which leaves their ratio.

    >>> summarise_ratios([2.0, 6.0, 3.0], [1.0, 2.0, 1.0])
    Summary(median=3.0, spread=0.5)
    """
    return Summary.of([one / other for one, other in zip(numerators, denominators, strict=True)])


def nest_keys(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Turn dotted keys into the nested result of a benchmark.

    A summary becomes two keys, `<key>` with its median and `<key>_spread`; a mapping of summaries
    becomes two mappings in the same way.

    >>> nest_keys({"a.b": Summary(2.0, 0.5), "a.c": {"30": Summary(1.0, 0.1)}, "d": None})
    {'a': {'b': 2.0, 'b_spread': 0.5, 'c': {'30': 1.0}, 'c_spread': {'30': 0.1}}, 'd': None}
    """
    result: dict[str, Any] = {}
    for key, value in flat.items():
        *path, name = key.split(".")
        parent = result
        for part in path:
            parent = parent.setdefault(part, {})
        if isinstance(value, Summary):
            parent[name], parent[f"{name}_spread"] = value
        elif (
            isinstance(value, Mapping)
            and value  # `all` of an empty mapping is true
            and all(isinstance(each, Summary) for each in value.values())
        ):
            parent[name] = {each: summary.median for each, summary in value.items()}
            parent[f"{name}_spread"] = {each: summary.spread for each, summary in value.items()}
        else:
            parent[name] = value
    return result


def look_up(result: Mapping[str, Any], key: str) -> Any:
    """Look a dotted key up in a result; None where it is missing.

    >>> look_up({"step": {"seconds": 0.1}}, "step.seconds"), look_up({}, "step.seconds")
    (0.1, None)
    """
    value: Any = result
    for part in key.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
