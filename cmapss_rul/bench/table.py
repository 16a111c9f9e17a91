"""Tables of benchmark results: values, requirements and caveats."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from cmapss_rul.bench.measurement import look_up
from cmapss_rul.display.table import Table

PEER_MEMORY_MB = {"FD001": 460.0, "FD004": 862.0}
"""Peak memory of rul-datasets on another machine (*measured*), used if it is not installed."""


RATIO = 3
"""Required speed-up of the time to the target accuracy."""


class Row(NamedTuple):
    """Row of the table: key in the JSON, median ± spread, required limit of the median.

    `requirement` is empty without a limit, `met` None without a limit or a value.
    """

    key: str
    value: str
    requirement: str
    met: bool | None


def result_table(result: Mapping[str, Any]) -> Table:
    """Tabulate a result, with data, threads, duration and machine as notes."""
    words = {None: "", True: "yes", False: "NO"}  # capitals are visible in a long column
    return Table(
        "",
        ["key", "median ± spread", "required", "met"],
        [[row.key, row.value, row.requirement, words[row.met]] for row in rows(result)],
        notes=[
            f"{result['subset']}, {result['files']}, {result['threads']} threads per process, "
            f"{result['minutes']:.1f} minutes",
            describe_machine(result["machine"]),
            *([ONE_SPLIT] if "accuracy" in result else []),
            *remarks(result),
        ],
    )


ONE_SPLIT = (
    "accuracy: time to the target accuracy on split 0 of the training engines only; it differs "
    "widely between splits: measure five with rul bench --splits 5"
)


MOST_NEVER = 1
"""Maximum number of 15 runs that may never reach the target accuracy."""


def splits_table(result: Mapping[str, Any]) -> Table:
    """Tabulate the result of `rul bench --splits`, a row per split, with the median as a note."""
    found = result["accuracy"]
    seeds = list(dict.fromkeys(run["seed"] for run in found["runs"]))
    cells = {(run["split"], run["seed"]): _ratio_cell(run) for run in found["runs"]}
    rows = [
        [f"split {split}", *(cells[split, seed] for seed in seeds)]
        for split in range(found["splits"])
    ]
    low, high = found["quartiles"]
    never, runs = found["never"], len(found["runs"])
    met = found["ratio_to_usual_loop"] >= RATIO and never["ours"] <= MOST_NEVER
    notes = [
        f"Ratio of the times to the target accuracy, reference loop ÷ ours: median "
        f"{found['ratio_to_usual_loop']:.2f}, quartiles {low:.2f} to {high:.2f} over {runs} runs "
        f"(required: a median of {RATIO:g} and at most {MOST_NEVER} of 15 runs of ours that never "
        f"reach it: {'met' if met else 'NOT met'}).",
        f"Target never reached (*): ours {never['ours']} of {runs}, the reference loop "
        f"{never['usual_loop']} of {runs}; such a run counts with its whole time.",
        f"{result['subset']}, {result['files']}, {result['threads']} threads per process, "
        f"{result['minutes']:.1f} minutes",
        describe_machine(result["machine"]),
    ]
    return Table("", ["", *(f"seed {seed}" for seed in seeds)], rows, notes=notes)


def _ratio_cell(run: Mapping[str, Any]) -> str:
    reached = run["ours"]["reached"] and run["usual_loop"]["reached"]
    return f"{run['ratio']:.2f}" + ("" if reached else " *")


def scale_table(result: Mapping[str, Any]) -> Table:
    """Tabulate the points of `rul bench --scale`."""
    rows = [
        [
            f"{point['engines']:,}",
            str(point["window"]),
            "cache" if point["cached"] else "text",
            f"{point['rows']:,}",
            f"{point['seconds']:.2f}",
            f"{point['microseconds_a_row']:.2f}",
            f"{point['bytes_a_row']:,.0f}",
        ]
        for point in result["points"]
    ]
    head = ["engines", "window", "from", "rows", "seconds", "µs per row", "B per row"]
    return Table("", head, rows, "r" * len(head), notes=[describe_machine(result["machine"])])


def describe_machine(machine: Mapping[str, Any]) -> str:
    """Describe the machine of a benchmark in one line.

    >>> describe_machine({"processor": "X", "cores": 2, "memory_mb": 8000.0, "gpu": None,
    ...           "system": "Linux", "load_average": 0.5, "versions": {"torch": "2.13.0"}})
    'X, 2 cores, 8 GB, no GPU, Linux, torch 2.13.0; load average at the start 0.50'
    """
    load, memory = machine["load_average"], machine["memory_mb"]
    parts = [
        machine["processor"],
        f"{machine['cores']} cores",
        "memory unknown" if memory is None else f"{memory / 1000:.0f} GB",
        machine["gpu"] or "no GPU",
        machine["system"],
        f"torch {machine['versions']['torch']}",
    ]
    return ", ".join(parts) + ("" if load is None else f"; load average at the start {load:.2f}")


def remarks(result: Mapping[str, Any]) -> Iterator[str]:
    """Yield caveats of a result."""
    if result.get("quick"):
        yield "quick: few turns and one seed; run without --quick before quoting a result"
    if result.get("files") != "official files":
        yield f"data: {result.get('files')}"
    if result.get("peer_missing"):
        yield f"not measured: {result['peer_missing']}"
    yield from dict.fromkeys(  # repeated runs of a seed differ only in time
        f"seed {run['seed']}: {name} did not reach the target (best validation RMSE "
        f"{run[key]['best']:.2f}) and counts with its total time"
        for run in look_up(result, "accuracy.seeds") or ()
        for key, name in (("usual_loop", "the reference loop"), ("ours", "ours"))
        if not run[key]["reached"]
    )


# ---- rows ------------------------------------------------------------------------------------


def rows(result: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the rows of a result."""
    on_gpu = look_up(result, "machine.gpu") is not None
    minima = {
        "accuracy.ratio_to_usual_loop": RATIO,
        # on a GPU the reference loop waits for the CPU in each step, so that more can be gained
        "step.ratio_to_usual_loop": 5 if on_gpu else 1,
        "step.share_of_matmul_limit": 0.65,
        "published.step.share_of_matmul_limit": 0.89,
        "data.cold_ratio_to_peer": 1,
        "data.cached_ratio_to_peer": 10,
    }
    # only GradNorm needs gradients of each loss; the others compute with two numbers
    maxima = {
        f"balancers.{name}.ratio_to_fixed": 1.5 if name == "gradnorm" else 1.02
        for name in result.get("balancers", {})
    }
    yield from (_limited(result, key, "≥", limit) for key, limit in minima.items())
    yield _memory_row(result)
    yield _row(result, "data.peer_peak_memory_mb", 0)
    yield from _loader_rows(result)
    yield _row(result, "inference.windows_per_second", 0)
    for name, value in (look_up(result, "inference.one_window_ms") or {}).items():
        yield Row(f"inference.one_window_ms.{name}", format_number(value), "", None)
    yield from (_limited(result, key, "≤", limit) for key, limit in maxima.items())
    yield _row(result, "startup.import_torch_seconds")
    yield _limited(result, "startup.help_seconds", "≤", 0.3)
    yield _limited(result, "startup.evaluate_seconds", "≤", 4)
    yield _limited(result, "startup.evaluate_ratio_to_import_torch", "≤", 3.5)
    yield _limited(result, "startup.first_step_seconds", "≤", 2)


def _row(
    result: Mapping[str, Any],
    key: str,
    digits: int = 3,
    requirement: str = "",
    met: bool | None = None,
) -> Row:
    value, spread = look_up(result, key), look_up(result, f"{key}_spread")
    if value is None:
        return Row(key, "not measured", requirement, None)
    text = f"{format_number(value, digits)} ± {format_number(spread, digits)}"
    return Row(key, text, requirement, met)


def _limited(result: Mapping[str, Any], key: str, sign: str, limit: float) -> Row:
    value = look_up(result, key)
    met = value is not None and (value >= limit if sign == "≥" else value <= limit)
    return _row(result, key, requirement=f"{sign} {limit:g}", met=met)


def _memory_row(result: Mapping[str, Any]) -> Row:
    """Compare with rul-datasets in the same run or, if not installed, with `PEER_MEMORY_MB`."""
    key = "data.peak_memory_mb"
    ours, peer = look_up(result, key), look_up(result, "data.peer_peak_memory_mb")
    limit = PEER_MEMORY_MB.get(str(result.get("subset"))) if peer is None else peer
    if ours is None or limit is None:
        return _row(result, key, 0)
    requirement = "< rul-datasets" if peer is not None else f"< {format_number(limit, 0)}"
    return _row(result, key, 0, requirement, ours < limit)


def _loader_rows(result: Mapping[str, Any]) -> Iterator[Row]:
    peer = look_up(result, "loader.peer_windows_per_second")
    rates = look_up(result, "loader.windows_per_second") or {}
    spreads = look_up(result, "loader.windows_per_second_spread") or {}
    for window, rate in rates.items():
        yield Row(
            f"loader.windows_per_second.{window}",
            f"{format_number(rate, 0)} ± {format_number(spreads[window], 0)}",
            "" if peer is None else "≥ rul-datasets",
            None if peer is None else rate >= peer,
        )
    yield _row(result, "loader.peer_windows_per_second", 0)
    for window, peak in (look_up(result, "loader.peak_memory_mb") or {}).items():
        yield Row(f"loader.peak_memory_mb.{window}", format_number(peak, 0), "", None)


def format_number(value: float, digits: int = 3) -> str:
    """Format a number with thousands separators.

    >>> format_number(0.65432), format_number(119000.4, 0)
    ('0.654', '119,000')
    """
    return f"{value:,.{digits}f}"
