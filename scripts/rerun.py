"""A cell of the ledger made again: is it the same, and does it fall inside the spread?

A figure of a new run is inside where it lies in the t prediction interval of the ledger's seeds,
mean ± t(n − 1) · sd · √(1 + 1/n): with five seeds, mean ± 3.0 sd. That is the range for one more
run of the same kind, at 95 %, while mean ± 2 sd would take the sd of a few seeds for the true
one. A seed of the ledger that was made on an equal machine with equal versions gives the same
figures to the last bit; how far others may lie apart nobody promises, so for them, too, the
interval decides. One seed of the ledger has no spread, and then only the same figures count.
"""

import dataclasses
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from scipy import stats

from cmapss_rul.config.shipped import shipped_configs
from cmapss_rul.display.text import by_nearness, finite, json_text, printable
from cmapss_rul.experiments.comparison import Comparison
from cmapss_rul.experiments.grid import Grid, make_grid
from cmapss_rul.experiments.identity import comparable, differences
from cmapss_rul.experiments.results import FIGURES, Result
from cmapss_rul.experiments.statistics import LEVEL
from cmapss_rul.system.errors import RulError, UsageError

NAME = "ledger.json"
SAME = 1e-9
"""Relative difference below which two figures are the same; what a machine changes is larger."""
_NOT_COMPARED = {"run", "seconds"}
_WAYS = dict(zip(FIGURES, ("", " raw", " every cycle", " every cycle, raw"), strict=True))
"""What each way to score adds to a figure's name; nothing for the last window, capped."""


@dataclass(frozen=True)
class Verdict:
    """One figure of one run against the ledger.

    Attributes:
        seed: of the run.
        figure: its name.
        value: of the new run; None where it is too large for a number.
        ledger: mean over the ledger's seeds.
        interval: in which one more run is expected; None without a spread.
        same: the run repeats the ledger's run of that seed, figure by figure.
        inside: the verdict.
    """

    seed: int
    figure: str
    value: float | None
    ledger: float | None
    interval: tuple[float, float] | None
    same: bool
    inside: bool


class OutsideSpread(RulError):
    """Figures of a cell made again fall outside of the ledger's spread."""

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        outside = sum(not verdict.inside for verdict in verdicts)
        super().__init__(
            f"{outside} of {len(verdicts)} figures fall outside of the ledger's spread; one in "
            "twenty does so by chance where the seed is new"
        )


def shipped_ledger() -> Path:
    """Where the ledger of the shipped configurations stands: beside them."""
    return next(iter(shipped_configs().values())).with_name(NAME)


def find(ledger: Mapping[str, Any], config: str, label: str) -> Mapping[str, Any]:
    """Return a cell of the ledger.

    Args:
        ledger: as `ledger.read` gives it.
        config: name of a configuration, or its file.
        label: the balancer, then the grid's settings as `key=value`.

    Raises:
        UsageError: there is none; those that there are, the nearest first.
    """
    name = Path(config).name.removesuffix(".yaml")
    labels = [cell["label"] for cell in ledger["cells"] if cell["config"] == name]
    if not labels:
        known = dict.fromkeys(cell["config"] for cell in ledger["cells"])
        raise UsageError(
            f"the ledger has no configuration '{printable(name)}'; expected of: "
            f"{', '.join(by_nearness(name, known)) or 'none, it is empty'}"
        )
    for cell in ledger["cells"]:
        if (cell["config"], cell["label"]) == (name, label):
            found: Mapping[str, Any] = cell
            return found
    raise UsageError(
        f"the ledger has no cell '{printable(label)}' of {printable(name)}; expected of: "
        f"{', '.join(by_nearness(label, labels))}"
    )


def grid_of(
    cell: Mapping[str, Any],
    config: str | None = None,
    seeds: Sequence[int] = (0,),
    data: Path | None = None,
) -> Grid:
    """Make the grid of one cell of the ledger.

    Args:
        cell: of the ledger.
        config: name or file of the configuration; a shipped one of the cell's name by default.
        seeds: of the runs.
        data: folder of the data; that of the configuration by default.

    Raises:
        UsageError: the configuration is no longer the one that the ledger's figures are of. A key
            that came later is no difference where it stands at its default.
    """
    grid = make_grid(
        [config or cell["config"]],
        balancers=[cell["balancer"]],
        seeds=seeds,
        axes={key: [value] for key, value in cell["settings"].items()},
        sets=[] if data is None else [f"data.dir={json.dumps(str(data))}"],
    )
    name, now = f"{cell['config']} {cell['label']}", comparable(grid.cells[0].resolved)
    then = cell.get("configuration", {})  # which a ledger of the first version lacks
    changed = differences({"cells": {name: then}}, {"cells": {name: now}}) if then else ["none"]
    if changed:
        raise UsageError(
            f"the configuration is not the one of the ledger: {'; '.join(changed[:20])}; fill the "
            "ledger anew with rul compare --ledger"
        )
    return grid


def judge(cell: Mapping[str, Any], comparison: Comparison) -> list[Verdict]:
    """Say of each figure of each new run whether it falls inside the ledger's spread.

    Args:
        cell: of the ledger.
        comparison: of a grid that `grid_of` made of it.

    Raises:
        RulError: the runs were made from other files than the ledger's.
    """
    (new,) = comparison.plain["cells"]
    _check_same_data(cell, new)
    former = {run["seed"]: run for run in cell["runs"]}
    verdicts = []
    for result, run in zip(comparison.results, new["runs"], strict=True):
        same = _same(former.get(run["seed"]), run)
        for name, (known, value) in _figures(cell, result).items():
            interval = prediction_interval(known["mean"], known["sd"], cell["n_seeds"])
            inside = same or (
                value is not None and interval is not None and interval[0] <= value <= interval[1]
            )
            verdicts.append(
                Verdict(run["seed"], name, value, known["mean"], interval, same, inside)
            )
    return verdicts


def prediction_interval(mean: float | None, sd: float | None, n: int) -> tuple[float, float] | None:
    """Range at `LEVEL` for one more run, from n runs, cut at 0; None without a spread.

    >>> [round(bound, 3) for bound in prediction_interval(10.0, 1.0, 5)]  # 2.7764 · √1.2 = 3.041
    [6.959, 13.041]
    """
    if mean is None or sd is None:
        return None
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * sd * math.sqrt(1 + 1 / n)
    return max(0.0, mean - half), mean + half


def _figures(
    cell: Mapping[str, Any], result: Result
) -> dict[str, tuple[Mapping[str, float | None], float | None]]:
    """Name → the ledger's mean and sd, and the new run's figure."""
    found: dict[str, tuple[Mapping[str, float | None], float | None]] = {}
    for way, added in _WAYS.items():
        scores = cell if way == "last_capped" else cell[way]
        for figure in ("rmse", "nasa"):
            found[f"{figure.upper()}{added}"] = (scores[figure], result.score(way, figure))
    found["RMSE of validation"] = (cell["validation"]["rmse"], float(result.best["val_rmse"]))
    return found


def _same(former: Mapping[str, Any] | None, now: Mapping[str, Any]) -> bool:
    """Whether a run repeats the ledger's: every figure but times; the oracle's are not made."""
    return former is not None and all(
        _equal(value, former.get(name)) for name, value in now.items() if name not in _NOT_COMPARED
    )


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=SAME)
    return bool(one == other)


def _check_same_data(cell: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    for name, file in new["data"].items():
        if file["canonical_sha256"] != cell["data"][name]["canonical_sha256"]:
            raise RulError(
                f"{printable(name)} is not the file that the ledger's figures were made from; "
                "name the folder of that one with --data"
            )


def as_json(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as strict JSON."""
    return json_text(finite([dataclasses.asdict(verdict) for verdict in verdicts])) + "\n"


def render(
    verdicts: Sequence[Verdict], cell: Mapping[str, Any], comparison: Comparison
) -> RenderableType:
    """Lay the verdicts out for the terminal, with what was different when the ledger was made."""
    (new,) = comparison.plain["cells"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("figure", overflow="fold")
    for name in ("ledger", "expected", "now"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for seed, group in itertools.groupby(verdicts, key=lambda verdict: verdict.seed):
        table.add_row(Text(f"seed {seed}", style="bold"))
        for verdict in group:
            table.add_row(verdict.figure, *_shown(verdict))
    lines = [f"{n} now; when the ledger was made, {t}" for n, t in differing(cell, new)]
    title = f"{new['config']}, {new['label']}: {new['files']}; ledger: {cell['n_seeds']} seeds"
    return Group(
        Text(printable(title), style="bold"), table, *(Text(printable(line)) for line in lines)
    )


def _shown(verdict: Verdict) -> Iterator[str]:
    yield _number(verdict.ledger)
    low, high = verdict.interval or (None, None)
    yield "–" if verdict.interval is None else f"{_number(low)} to {_number(high)}"
    yield _number(verdict.value)
    yield "the same" if verdict.same else "inside" if verdict.inside else "outside"


def _number(value: float | None) -> str:
    """Show a figure with what digits it deserves.

    >>> _number(12.3456), _number(1234.5), _number(1.5e8), _number(None)
    ('12.35', '1,234', '1.5e+08', '–')
    """
    if value is None:
        return "–"
    if value >= 1e6:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def differing(cell: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what was different when the ledger's cell was made: now, and then."""
    then, now = ({**each["versions"], "commit": each["commit"]} for each in (cell, new))
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name):
            yield f"{name} {now.get(name) or 'unknown'}", str(then.get(name) or "unknown")
