"""Whether a file is like the data that a model was trained on, before its predictions are used."""

from dataclasses import asdict, dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.records import Records
from cmapss_rul.data.testset import read_own_rul
from cmapss_rul.display.table import Table
from cmapss_rul.display.text import counted
from cmapss_rul.evaluation.intervals import interval_bounds, interval_level
from cmapss_rul.evaluation.predict import read_input
from cmapss_rul.evaluation.predictions import predict_fleet
from cmapss_rul.system.errors import CheckpointError
from cmapss_rul.training.trained_model import TrainedModel, as_model

# *Measured* with scripts.check_limits: the test files of the four subsets and of 20 simulated
# fleets are at most 0.43 away, and at least 0.57 with one sensor moved by a standard deviation.
DISTANCE = 0.5
"""Standard deviations by which a sensor may be away from the training data."""

# *Measured* on the official test files: one engine alone is up to 1.6 away, ten together up to 0.7.
FEW_ENGINES = 2.0
"""Or this, divided by √engines, where that is more: few engines differ by chance."""

UNKNOWN = 0.01
"""Share of rows that may have an unknown operating condition."""

SHORT = 0.5
"""Share of records that may be shorter than the window."""

COVERAGE_CHANCE = 0.01
"""Probability of so low a coverage, if the intervals hold, below which they count as broken."""


@dataclass(frozen=True)
class Distance:
    """Distance of one column at one operating condition.

    Attributes:
        condition: number of the operating condition, from 1.
        distance: from the training data at the same ages, standard deviations.
    """

    column: str
    condition: int
    engines: int
    distance: float
    limit: float

    @property
    def ok(self) -> bool:
        """Whether it is within the limit."""
        return self.distance <= self.limit


@dataclass(frozen=True)
class Share:
    """A share of rows, records or intervals, and its limit.

    Attributes:
        found: share; None where the file cannot tell.
        limit: at most; of a coverage at least.
    """

    name: str
    found: float | None
    limit: float
    of: int
    at_least: bool = False

    @property
    def ok(self) -> bool:
        """Whether it is within the limit, or unknown."""
        if self.found is None:
            return True
        return self.found >= self.limit if self.at_least else self.found <= self.limit


@dataclass(frozen=True)
class FileCheck:
    """How far a file is from the data that a model was trained on.

    Attributes:
        conditions: [condition, key], values of the columns that tell operating conditions apart.
    """

    file: str
    model: str
    engines: int
    rows: int
    conditions: list[list[float]]
    distances: list[Distance]
    shares: list[Share]

    @property
    def ok(self) -> bool:
        """Whether all is within its limits."""
        return all(d.ok for d in self.distances) and all(s.ok for s in self.shares)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the JSON."""
        return {
            "ok": self.ok,
            **{key: value for key, value in vars(self).items() if isinstance(value, str | int)},
            "conditions": self.conditions,
            "distances": [{**asdict(part), "ok": part.ok} for part in self.distances],
            "shares": [{**asdict(part), "ok": part.ok} for part in self.shares],
        }


def check(
    run_or_model: TrainedModel | PathLike[str] | str,
    table: pd.DataFrame | PathLike[str] | str | bytes,
    *,
    rul: PathLike[str] | str | None = None,
    name: str | None = None,
) -> FileCheck:
    """Compare a file with the data that a model was trained on.

    Args:
        run_or_model: a trained model, or the path of a run or checkpoint.
        table: the records, as `predict` reads them.
        rul: a file of the true RUL at the end of each record, once known.
        name: of the table, in messages; the path by default.

    Raises:
        CheckpointError: the checkpoint cannot be used, or has no reference distribution.
        DataError: a file cannot be read.
    """
    model = as_model(run_or_model)
    if model.preprocessor.reference is None:
        raise CheckpointError(
            f"{model.path}: has no distribution of its training data to compare with, because an "
            "older version of cmapss_rul wrote it; train again"
        )
    records = read_input(model, table, allow_gaps=True, name=name)
    shares = [*_shares(model, records)]
    if rul is not None:
        shares.append(_coverage(model, records, Path(rul)))
    shares.append(_stuck(model, records.fleet))
    return FileCheck(
        file=name or (str(table) if isinstance(table, str | PathLike) else "the data frame"),
        model=str(model.path),
        engines=len(records.fleet.starts),
        rows=records.fleet.rows,
        conditions=model.preprocessor.conditions.table.tolist(),
        distances=_distances(model, records),
        shares=shares,
    )


def _distances(model: TrainedModel, records: Records) -> list[Distance]:
    preprocessor, fleet = model.preprocessor, records.fleet
    assert preprocessor.reference is not None
    # rows of unknown conditions are counted apart: scaled by another condition they would be far
    condition = np.where(preprocessor.unknown_condition(fleet), -1, preprocessor.condition(fleet))
    scaled = preprocessor.scale(fleet)
    found = preprocessor.reference.distances(scaled, condition, fleet.cycle)
    distances = []
    for index, row in enumerate(found):
        engines = len(np.unique(fleet.engine[condition == index]))
        limit = max(DISTANCE, FEW_ENGINES / max(engines, 1) ** 0.5)
        distances += [
            Distance(column, index + 1, engines, float(value), limit)
            for column, value in zip(preprocessor.columns, row, strict=True)
            if np.isfinite(value)
        ]
    return distances


def _shares(model: TrainedModel, records: Records) -> list[Share]:
    fleet = records.fleet
    unknown = float(model.preprocessor.unknown_condition(fleet).mean())
    short = float((fleet.lengths < model.config.data.window).mean())
    return [
        Share(
            "rows of an unknown operating condition",
            unknown if records.has_condition_columns else None,
            UNKNOWN,
            fleet.rows,
        ),
        Share("records shorter than the window", short, SHORT, len(fleet.lengths)),
    ]


def _stuck(model: TrainedModel, fleet: Fleet) -> Share:
    """Share of records that end with a sensor whose value no longer changes; names the sensors."""
    name, records = "records that end with a stuck sensor", len(fleet.starts)
    marks = model.preprocessor.stuck(fleet, fleet.last_rows)
    if marks is None:
        return Share(name, None, 0.0, records)
    if marks.any():
        sensors = np.array(model.preprocessor.columns)[marks.any(axis=0)]
        name += f" ({', '.join(sensors)})"
    return Share(name, float(marks.any(axis=1).mean()), 0.0, records)


def _coverage(model: TrainedModel, records: Records, rul: Path) -> Share:
    """Share of the true RUL inside the interval, at the last cycle of each record."""
    from scipy.stats import binom  # here: a slow import

    data, level = model.config.data, interval_level(model)
    true = read_own_rul(rul, records.names, data.engine, whole=data.counts_cycles)
    engines = len(records.names)
    if level is None:
        return Share("intervals with the true RUL", None, 0.0, engines, at_least=True)
    found = predict_fleet(model, records.fleet, records.fleet.last_rows, records.names)
    lower, upper = interval_bounds(model, found.rul, level)
    capped = np.minimum(true, data.cap)
    inside = float(((lower <= capped) & (capped <= upper)).mean())
    limit = float(binom.ppf(COVERAGE_CHANCE, engines, level)) / engines
    return Share(f"intervals at {level:g} with the true RUL", inside, limit, engines, at_least=True)


def to_table(found: FileCheck) -> Table:
    """Lay the result out: the farthest column first, at the condition where it is farthest."""
    worst: dict[str, Distance] = {}
    for part in sorted(found.distances, key=lambda part: -part.distance / part.limit):
        worst.setdefault(part.column, part)
    several = len(found.conditions) > 1
    rows = [
        [
            part.column + (f" (condition {part.condition})" if several else ""),
            f"{part.distance:.2f}",
            f"at most {part.limit:.2f}",
            "" if part.ok else "too far",
        ]
        for part in worst.values()
    ]
    rows += [
        [
            part.name,
            "not known" if part.found is None else f"{part.found:.1%}",
            f"at {'least' if part.at_least else 'most'} {part.limit:.1%}",
            "" if part.ok else ("too few" if part.at_least else "too many"),
        ]
        for part in found.shares
    ]
    title = f"{found.file}: {counted(found.engines, 'engine')}, {counted(found.rows, 'row')}"
    notes = [
        "Columns: distance from the training data at the same age, in its standard deviations"
        + (", at the operating condition where it is largest." if several else "."),
        f"Within all limits: the file is like the training data of {found.model}."
        if found.ok
        else f"Past a limit: predictions of {found.model} for this file are not to be trusted.",
    ]
    return Table(title, ["check", "found", "limit", ""], rows, "lrrl", notes)
