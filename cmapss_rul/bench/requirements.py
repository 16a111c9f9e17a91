"""What each figure must reach, and whether it does."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cmapss_rul.bench.medians import at

PEER_MEMORY_MB = {"FD001": 460.0, "FD004": 862.0}
HELP_SECONDS, EVALUATE_SECONDS, FIRST_STEP_SECONDS = 0.3, 4.0, 2.0
EVALUATE_RATIO = 3.5
MOST_GRADNORM, MOST_OTHERS = 1.5, 1.02


class Row(NamedTuple):
    """A line of the table.

    Attributes:
        key: of the figure in the JSON.
        value: what was found.
        requirement: what it must reach; empty where it only has to be said.
        met: whether it does; None where nothing is requiremented, or nothing was found.
    """

    key: str
    value: str
    requirement: str
    met: bool | None


def rows(result: Mapping[str, Any]) -> Iterator[Row]:
    """Lay a result out, line by line."""
    on_gpu = at(result, "machine.gpu") is not None
    yield _least(result, "accuracy.ratio_to_usual_loop", 3)
    yield _least(result, "step.ratio_to_usual_loop", 5 if on_gpu else 1)
    yield _least(result, "step.share_of_matmul_limit", 0.65)
    yield _least(result, "published.step.share_of_matmul_limit", 0.89)
    yield _least(result, "data.cold_ratio_to_peer", 1)
    yield _least(result, "data.cached_ratio_to_peer", 10)
    yield _below_peer(result)
    yield _row(result, "data.peer_peak_memory_mb", 0)
    yield from _loader(result)
    yield _row(result, "inference.windows_per_second", 0)
    for name, value in (at(result, "inference.one_window_ms") or {}).items():
        yield Row(f"inference.one_window_ms.{name}", number(value), "", None)
    for name in result.get("balancers", {}):
        most = MOST_GRADNORM if name == "gradnorm" else MOST_OTHERS
        yield _most(result, f"balancers.{name}.ratio_to_fixed", most)
    yield _row(result, "startup.import_torch_seconds")
    yield _most(result, "startup.help_seconds", HELP_SECONDS)
    yield _most(result, "startup.evaluate_seconds", EVALUATE_SECONDS)
    yield _most(result, "startup.evaluate_ratio_to_import_torch", EVALUATE_RATIO)
    yield _most(result, "startup.first_step_seconds", FIRST_STEP_SECONDS)


def _row(
    result: Mapping[str, Any],
    key: str,
    digits: int = 3,
    requirement: str = "",
    met: bool | None = None,
) -> Row:
    value, spread = at(result, key), at(result, f"{key}_spread")
    if value is None:
        return Row(key, result.get("peer_missing") or "not measured", requirement, None)
    return Row(key, f"{number(value, digits)} ± {number(spread, digits)}", requirement, met)


def _least(result: Mapping[str, Any], key: str, limit: float) -> Row:
    value = at(result, key)
    return _row(
        result, key, requirement=f"≥ {limit:g}", met=None if value is None else value >= limit
    )


def _most(result: Mapping[str, Any], key: str, limit: float) -> Row:
    value = at(result, key)
    return _row(
        result, key, requirement=f"≤ {limit:g}", met=None if value is None else value <= limit
    )


def _below_peer(result: Mapping[str, Any]) -> Row:
    """The peer of the same run decides; the figures of another machine do where it is missing."""
    key = "data.peak_memory_mb"
    ours, theirs = at(result, key), at(result, "data.peer_peak_memory_mb")
    limit = PEER_MEMORY_MB.get(str(result.get("subset"))) if theirs is None else theirs
    if ours is None or limit is None:
        return _row(result, key, 0)
    requirement = "< the peer's" if theirs is not None else f"< {number(limit, 0)}"
    return _row(result, key, 0, requirement, ours < limit)


def _loader(result: Mapping[str, Any]) -> Iterator[Row]:
    theirs = at(result, "loader.peer_windows_per_second")
    rates = at(result, "loader.windows_per_second") or {}
    spreads = at(result, "loader.windows_per_second_spread") or {}
    for window, rate in rates.items():
        yield Row(
            f"loader.windows_per_second.{window}",
            f"{number(rate, 0)} ± {number(spreads[window], 0)}",
            "" if theirs is None else "≥ the peer's",
            None if theirs is None else rate >= theirs,
        )
    yield _row(result, "loader.peer_windows_per_second", 0)
    for window, peak in (at(result, "loader.peak_memory_mb") or {}).items():
        yield Row(f"loader.peak_memory_mb.{window}", number(peak, 0), "", None)


def number(value: float, digits: int = 3) -> str:
    """Write a number for people.

    >>> number(0.65432), number(119000.4, 0)
    ('0.654', '119,000')
    """
    return f"{value:,.{digits}f}"


def remarks(result: Mapping[str, Any]) -> Iterator[str]:
    """Say what a reader of the figures must know."""
    if result.get("quick"):
        yield "quick: few turns and one seed; run it without --quick before you quote a figure"
    if result.get("files") != "official files":
        yield f"data: {result.get('files')}"
    yield from dict.fromkeys(  # runs of one seed differ in their time alone
        f"seed {run['seed']}: {name} never became good (best validation RMSE "
        f"{run[side]['best']:.2f}) and counts as its whole time"
        for run in at(result, "accuracy.seeds") or ()
        for side, name in (("usual_loop", "the usual loop"), ("ours", "ours"))
        if not run[side]["reached"]
    )
