"""Repeat a cell of the ledger and check that the results are identical or inside its spread.

A metric of a new run is inside if it is in the t prediction interval of the ledger's seeds,
mean ± t(n − 1) · sd · √(1 + 1/n), the 95 % interval for one more run: with five seeds, mean ±
3.0 sd. Mean ± 2 sd would ignore the uncertainty of an sd from a few seeds. On an equal machine with
equal versions, a seed of the ledger reproduces its results bit for bit. Elsewhere the interval
applies to known seeds, too, since training amplifies rounding errors without a known bound. With
one seed there is no spread, and only identical results pass.
"""

import dataclasses
import itertools
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from scipy import stats

from cmapss_rul.config.shipped import shipped_configs
from cmapss_rul.display.table import Bold, Table
from cmapss_rul.display.text import by_nearness, finite, json_text
from cmapss_rul.experiments.grid import Grid, make_grid
from cmapss_rul.experiments.identity import comparable, differences
from cmapss_rul.experiments.results import Comparison, Ledger
from cmapss_rul.experiments.runs import VIEWS
from cmapss_rul.experiments.summaries import CellSummary, RunSummary, Spread
from cmapss_rul.metrics.bootstrap import LEVEL
from cmapss_rul.system.errors import RulError, UsageError
from cmapss_rul.training.gradient_boosting import GRADIENT_BOOSTING

NAME = "ledger.json"
SAME = 1e-9
"""Relative tolerance of identical values; other machines differ by more."""
_NOT_COMPARED = {"run", "seconds"}  # the name of the run, and the speed of the machine
_SUFFIXES = dict(zip(VIEWS, ("", " raw", " every cycle", " every cycle, raw"), strict=True))
"""Windows and labels → suffix of the metric name; none for the last window, capped labels."""


@dataclass(frozen=True)
class Verdict:
    """Verdict on one metric of one run.

    Attributes:
        seed: seed of the run.
        figure: name of the metric.
        value: value in the new run; None if it overflows.
        ledger: mean over the seeds of the ledger.
        interval: 95 % prediction interval for one more run; None without a spread.
        same: true if all metrics of the run equal those of the ledger's run with that seed.
        inside: true if identical or in the interval.
    """

    seed: int
    figure: str
    value: float | None
    ledger: float | None
    interval: tuple[float, float] | None
    same: bool
    inside: bool


class OutsideSpread(RulError):
    """Metrics of a repeated cell are outside the spread of the ledger."""

    def __init__(self, verdicts: Sequence[Verdict]) -> None:
        outside = sum(not verdict.inside for verdict in verdicts)
        super().__init__(
            f"{outside} of {len(verdicts)} metrics are outside the ledger's spread; with a new "
            "seed one in twenty is outside by chance"
        )


def shipped_ledger() -> Path:
    """Return the path of the ledger in the folder of the shipped configurations."""
    return next(iter(shipped_configs().values())).with_name(NAME)


def find_cell(ledger: Ledger, config: str, label: str) -> CellSummary:
    """Return a cell of the ledger.

    Args:
        ledger: ledger from `read_ledger`.
        config: name or file of a configuration.
        label: balancer, then settings of the grid as `key=value`.

    Raises:
        UsageError: no such cell; lists the existing ones, the nearest first.
    """
    name = Path(config).name.removesuffix(".yaml")
    labels = [cell.label for cell in ledger.cells if cell.config == name]
    if not labels:
        known = dict.fromkeys(cell.config for cell in ledger.cells)
        raise UsageError(
            f"the ledger has no configuration '{name}'; expected one of: "
            f"{', '.join(by_nearness(name, known)) or 'none, the ledger is empty'}"
        )
    for cell in ledger.cells:
        if cell.key == (name, label):
            return cell
    raise UsageError(
        f"the ledger has no cell '{label}' of {name}; expected one of: "
        f"{', '.join(by_nearness(label, labels))}"
    )


def grid_of_cell(
    cell: CellSummary,
    config: str | None = None,
    seeds: Sequence[int] = (0,),
    data: Path | None = None,
) -> Grid:
    """Make the grid that repeats a cell of the ledger.

    Args:
        cell: cell of the ledger.
        config: name or file of the configuration; by default the shipped one with the cell's name.
        seeds: seeds of the runs.
        data: data folder; by default that of the configuration.

    Raises:
        UsageError: the configuration differs from that of the ledger. Keys that were added later
            are ignored if they have their defaults.
    """
    # quoted, because YAML would read some paths as numbers or lists
    sets = [] if data is None else [f"data.dir={json.dumps(str(data))}"]
    folds = cell.configuration.get("split", {}).get("folds")
    if folds:
        sets.append(f"split.folds={folds}")
    grid = make_grid(
        [config or cell.config.removesuffix(f" ({folds} folds)")],
        # gradient boosting is not a balancer: the grid adds it to that of the configuration
        balancers=None if cell.balancer == GRADIENT_BOOSTING else [cell.balancer],
        baseline=cell.balancer == GRADIENT_BOOSTING,
        seeds=seeds,
        # as axes, not as overrides, so that the new cell has the same label as the ledger's
        axes={key: [value] for key, value in cell.settings.items()},
        sets=sets,
    )
    grid = replace(grid, cells=[made for made in grid.cells if made.balancer == cell.balancer])
    name, now = f"{cell.config} {cell.label}", comparable(grid.cells[0].resolved)
    then = cell.configuration  # missing in ledgers of the first version
    changed = differences({"cells": {name: then}}, {"cells": {name: now}}) if then else ["none"]
    if changed:
        raise UsageError(
            f"the configuration differs from that of the ledger: {'; '.join(changed[:20])}; update "
            "the ledger with rul compare --ledger"
        )
    return grid


def judge(cell: CellSummary, comparison: Comparison) -> list[Verdict]:
    """Check each metric of each new run against the spread of the ledger.

    Args:
        cell: cell of the ledger.
        comparison: comparison of the grid from `grid_of_cell`.

    Raises:
        RulError: the runs were trained on different files.
    """
    (new,) = comparison.cells
    _check_same_data(cell, new)  # on other data any verdict would be meaningless
    former = {run.seed: run for run in cell.runs}
    verdicts = []
    for run in new.runs:
        same = _same(former.get(run.seed), run)
        for name, (known, value) in _metrics(cell, run).items():
            interval = prediction_interval(known.mean, known.sd, cell.n_seeds)
            inside = same or (
                value is not None and interval is not None and interval[0] <= value <= interval[1]
            )
            verdicts.append(Verdict(run.seed, name, value, known.mean, interval, same, inside))
    return verdicts


def prediction_interval(mean: float | None, sd: float | None, n: int) -> tuple[float, float] | None:
    """Return the prediction interval at `LEVEL` for one more run after n, clamped at 0, or None.

    >>> [round(bound, 3) for bound in prediction_interval(10.0, 1.0, 5)]  # 2.7764 · √1.2 = 3.041
    [6.959, 13.041]
    """
    if mean is None or sd is None:
        return None
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * sd * math.sqrt(1 + 1 / n)
    # RMSE and NASA score are not negative
    return max(0.0, mean - half), mean + half


def _metrics(cell: CellSummary, run: RunSummary) -> dict[str, tuple[Spread, float | None]]:
    """Return metric → mean and sd of the ledger, and value of the new run."""
    found: dict[str, tuple[Spread, float | None]] = {}
    for protocol, suffix in _SUFFIXES.items():
        plain = protocol == "last_capped"
        scores = cell if plain else getattr(cell, protocol)
        for metric in ("rmse", "nasa"):
            value = getattr(run, metric if plain else f"{metric}_{protocol}")
            found[f"{metric.upper()}{suffix}"] = (getattr(scores, metric), value)
    found["RMSE of validation"] = (cell.validation.rmse, run.val_rmse)
    return found


def _same(former: RunSummary | None, now: RunSummary) -> bool:
    """Return whether a run equals that of the ledger in every metric, except for its duration."""
    return former is not None and all(
        _equal(value, getattr(former, name))
        # only fields that are set: without --oracle its fields are absent
        for name, value in now.model_dump(exclude_unset=True).items()
        if name not in _NOT_COMPARED
    )


def _equal(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=SAME)
    return bool(one == other)


def _check_same_data(cell: CellSummary, new: CellSummary) -> None:
    known = cell.data or {}
    for name, file in (new.data or {}).items():
        # canonical digest: copies may differ in line endings and padding
        if file.canonical_sha256 != known[name].canonical_sha256:
            raise RulError(
                f"{name} is not the file that the ledger's runs were trained on; set --data to "
                "the folder with that file"
            )


def as_json(verdicts: Sequence[Verdict]) -> str:
    """Return the verdicts as strict JSON."""
    return json_text(finite([dataclasses.asdict(verdict) for verdict in verdicts])) + "\n"


def verdict_table(verdicts: Sequence[Verdict], cell: CellSummary, comparison: Comparison) -> Table:
    """Tabulate the verdicts, with the versions and commits that differ from the ledger's."""
    (new,) = comparison.cells
    rows: list[list[str]] = []
    # `groupby` needs them sorted by seed, as `judge` returns them
    for seed, group in itertools.groupby(verdicts, key=lambda verdict: verdict.seed):
        rows.append([Bold(f"seed {seed}")])
        rows += [[verdict.figure, *_columns(verdict)] for verdict in group]
    return Table(
        f"{new.config}, {new.label}: {new.files}; ledger: {cell.n_seeds} seeds",
        ["metric", "ledger", "expected", "now", "verdict"],
        rows,
        align="lrrrl",
        notes=[f"{now} now; in the ledger {then}" for now, then in version_differences(cell, new)],
    )


def _columns(verdict: Verdict) -> Iterator[str]:
    yield _number(verdict.ledger)
    low, high = verdict.interval or (None, None)
    yield "–" if verdict.interval is None else f"{_number(low)} to {_number(high)}"
    yield _number(verdict.value)
    yield "identical" if verdict.same else "inside" if verdict.inside else "outside"


def _number(value: float | None) -> str:
    """Format a metric with about four significant digits.

    >>> _number(12.3456), _number(1234.5), _number(1.5e8), _number(None)
    ('12.35', '1,234', '1.5e+08', '–')
    """
    if value is None:
        return "–"
    if value >= 1e6:
        return f"{value:.3g}"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def version_differences(cell: CellSummary, new: CellSummary) -> Iterator[tuple[str, str]]:
    """Yield versions and commits that differ: those of now, and those of the ledger."""
    then, now = ({**each.versions, "commit": each.commit} for each in (cell, new))
    for name in sorted(then.keys() | now.keys()):
        if then.get(name) != now.get(name):
            yield f"{name} {now.get(name) or 'unknown'}", str(then.get(name) or "unknown")
