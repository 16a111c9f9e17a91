"""Check for data drift: does a file resemble the training data of a model?"""

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

# *measured* with scripts.check_limits: the test files of the four subsets and of 20 simulated
# fleets have distances up to 0.43, and at least 0.57 if a sensor is shifted by a standard deviation
DISTANCE = 0.5
"""Maximum distance of a column from the training data, standard deviations."""
# *measured* on the official test files: up to 1.6 for a single engine, up to 0.7 for ten engines
FEW_ENGINES = 2.0
"""Maximum distance for few engines, times √engines; the larger of both limits applies."""

UNKNOWN = 0.01
"""Maximum share of rows with an unknown operating condition."""

SHORT = 0.5
"""Maximum share of records shorter than the window."""

COVERAGE_CHANCE = 0.01
"""Significance level of the one-sided binomial test of the coverage."""


@dataclass(frozen=True)
class Distance:
    """Distance of a column at an operating condition from the training data.

    Attributes:
        condition: number of the operating condition, from 1.
        distance: distance from the training data at the same ages, standard deviations.
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
        found: the share; None if the file does not determine it.
        limit: maximum; with `at_least`, minimum.
        of: number of rows, records or intervals.
        sensors: those that `found` is about; empty if all are.
    """

    name: str
    found: float | None
    limit: float
    of: int
    at_least: bool = False
    sensors: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether it is within the limit, or unknown."""
        if self.found is None:
            return True
        return self.found >= self.limit if self.at_least else self.found <= self.limit


@dataclass(frozen=True)
class FileCheck:
    """Result of comparing a file with the training data of a model.

    Attributes:
        conditions: [condition, key], values of the keys of each operating condition.
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
        """Whether everything is within its limits."""
        return all(d.ok for d in self.distances) and all(s.ok for s in self.shares)

    def as_dict(self) -> dict[str, Any]:
        """Return the plain values for the JSON."""
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
    """Compare a file with the training data of a model.

    Args:
        run_or_model: a trained model, or the path of a run or checkpoint.
        table: the records, as for `predict`.
        rul: file with the true RUL at the end of each record, if known.
        name: name of the table in messages; by default the path.

    Raises:
        CheckpointError: the checkpoint is invalid, or has no reference distribution.
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
    # rows of unknown conditions, counted separately, are left out: no scaling fits them
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
    """Return the share of records that end with a sensor whose value no longer changes."""
    name, records = "records that end with a stuck sensor", len(fleet.starts)
    marks = model.preprocessor.stuck(fleet, fleet.last_rows)
    if marks is None:
        return Share(name, None, 0.0, records)
    sensors = np.array(model.preprocessor.columns)[marks.any(axis=0)].tolist()
    return Share(name, float(marks.any(axis=1).mean()), 0.0, records, sensors=tuple(sensors))


def _coverage(model: TrainedModel, records: Records, rul: Path) -> Share:
    """Return the share of intervals, at the last cycle of each record, with the true RUL."""
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
    """Tabulate the result: each column at the condition with its largest distance, in order."""
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
            part.name + (f" ({', '.join(part.sensors)})" if part.sensors else ""),
            "not known" if part.found is None else f"{part.found:.1%}",
            f"at {'least' if part.at_least else 'most'} {part.limit:.1%}",
            "" if part.ok else ("too few" if part.at_least else "too many"),
        ]
        for part in found.shares
    ]
    title = f"{found.file}: {counted(found.engines, 'engine')}, {counted(found.rows, 'row')}"
    notes = [
        "Sensors: distance from the training data at the same age, in standard deviations of these"
        + (", at the operating condition where it is largest." if several else "."),
        f"Within all limits: the file resembles the training data of {found.model}."
        if found.ok
        else f"Beyond a limit: do not trust predictions of {found.model} for this file.",
    ]
    return Table(title, ["check", "found", "limit", ""], rows, "lrrl", notes)
