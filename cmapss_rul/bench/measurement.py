"""Repeated measurements in alternating worker processes, and their medians and spreads.

Each contender of a comparison runs in a new process, set up as a user would, so that memory and
settings of one do not affect the other; only one computes at a time.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Generic, NamedTuple, Self, TypeVar

import numpy as np

from cmapss_rul.system.errors import RulError
from cmapss_rul.system.workers import Handler, Worker

T = TypeVar("T")
REST = 0.05
"""Idle seconds before a turn. *Guess*: threads of the previous process may still be spinning."""


class Contender(Generic[T]):
    """Worker process that is prepared once and then measured turn by turn.

    Args:
        prepare: picklable function that prepares the process at the first turn and returns the
            function that each turn calls.
        arguments: positional arguments of `prepare`, picklable.
        named: keyword arguments of `prepare`, picklable.
    """

    def __init__(
        self, prepare: Callable[..., Callable[[], T]], *arguments: Any, **named: Any
    ) -> None:
        self._name = prepare.__name__
        self._worker = Worker(partial(_set_up_turns, partial(prepare, *arguments, **named)))

    def __call__(self) -> T:
        """Wait `REST`, run a turn, and return its value.

        Raises:
            RulError: the turn failed, or its process died.
        """
        time.sleep(REST)
        self._worker.send(None)  # every task is the same: one more turn
        end = self._worker.receive()
        if end.error is not None:
            # the error of a dead process does not name its task
            raise RulError(f"{self._name}: {end.error}" if self._worker.dead else end.error)
        value: T = end.value
        return value

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill the process; its partial files are in a temporary folder."""
        self._worker.close(kill=True)


def _set_up_turns(prepare: Callable[[], Callable[[], Any]]) -> Handler:
    turn: Callable[[], Any] | None = None  # prepared in the first turn: its errors are reported

    def handle(task: None, send: Callable[[Any], None]) -> Any:
        del task, send
        nonlocal turn
        turn = turn or prepare()
        return turn()

    return handle


def measure_once(prepare: Callable[..., Callable[[], T]], *arguments: Any, **named: Any) -> T:
    """Run a single turn in a new process; the arguments are those of `Contender`."""
    with Contender(prepare, *arguments, **named) as contender:
        return contender()


def alternate(
    contenders: Mapping[str, Callable[[], T]], turns: int, warm_up: int = 1
) -> dict[str, list[T]]:
    """Interleave the turns of several contenders, as in A B A B A B.

    A temporarily slow machine then slows neighbouring turns of all contenders alike. The values of
    the first `warm_up` turns of each contender are dropped.

    >>> alternate({"A": lambda: 1, "B": lambda: 2}, turns=3)
    {'A': [1, 1, 1], 'B': [2, 2, 2]}
    """
    values: dict[str, list[T]] = {name: [] for name in contenders}
    for turn in range(warm_up + turns):
        for name, contender in contenders.items():
            value = contender()
            if turn >= warm_up:  # the first turns fill caches and buffers
                values[name].append(value)
    return values


def peak_memory_mb() -> float:
    """Return the peak resident set size of this process, MB (10⁶ bytes)."""
    with contextlib.suppress(OSError):  # Linux only
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):  # ru_maxrss would include the parent before the exec
                return int(line.split()[1]) * 1024 / 1e6
    import resource  # missing on Windows

    # in bytes on macOS, in KiB elsewhere
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


class Measurement(NamedTuple):
    """Seconds, or windows per second, and peak resident set size of the process, MB."""

    value: float
    peak_mb: float


class Summary(NamedTuple):
    """Median and interquartile range, in the unit of the values.

    Both are robust against outliers, such as those caused by other processes on the machine.
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

    A temporarily slow machine slows both turns of a pair, which cancels in the ratio.

    >>> summarise_ratios([2.0, 6.0, 3.0], [1.0, 2.0, 1.0])
    Summary(median=3.0, spread=0.5)
    """
    return Summary.of([one / other for one, other in zip(numerators, denominators, strict=True)])


def nest_keys(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Convert dotted keys into the nested result of a benchmark.

    A summary becomes two keys, `<key>` with the median and `<key>_spread`; likewise a mapping of
    summaries becomes two mappings.

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
    """Look up a dotted key in a result; None if it is missing.

    >>> look_up({"step": {"seconds": 0.1}}, "step.seconds"), look_up({}, "step.seconds")
    (0.1, None)
    """
    value: Any = result
    for part in key.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(part)
    return value
