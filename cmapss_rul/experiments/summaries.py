"""Cells of comparison.json and ledger.json as typed records; see `results` for the files.

Attributes are named like the JSON keys. Unknown keys are preserved, and keys that an older version
did not write remain absent when a record is saved again. None means undefined, for too few runs,
seeds, engines or configurations.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from cmapss_rul.display.text import finite, json_text


class JsonRecord(BaseModel):
    """Base class of immutable records that are read from and written to JSON."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a record from its file.

        Raises:
            OSError: the file cannot be read.
            ValueError: invalid JSON, or a missing key or wrong type; one line.
        """
        try:
            return cls.model_validate(json.loads(path.read_bytes()))
        except RecursionError as error:
            raise ValueError("the JSON is nested too deeply") from error
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the whole file"
            raise ValueError(f"{place}: {first['msg']}") from error

    def as_json(self, indent: int = 2) -> str:
        """Return strict JSON; non-finite numbers become null."""
        # unset keys remain absent, so that old cells of a ledger gain no unmeasured keys
        plain = finite(self.model_dump(mode="json", exclude_unset=True))
        return json_text(plain, indent=indent) + "\n"


def join_units(units: Iterable[str]) -> str:
    """Join the distinct units of records; usually there is one.

    >>> join_units(["hours", "hours"]), join_units([])
    ('hours', 'cycles')
    """
    return " or ".join(dict.fromkeys(units)) or "cycles"


def other_unit(units: Iterable[str]) -> dict[str, Any]:
    """Return the key `unit` of a record; absent for cycles."""
    unit = join_units(units)
    return {} if unit == "cycles" else {"unit": unit}


class Spread(JsonRecord):
    """Mean and standard deviation (n − 1) over the seeds of a cell."""

    mean: float | None
    sd: float | None

    @classmethod
    def of(cls, values: Sequence[float | None]) -> "Spread":
        """Summarise the values of all seeds; undefined if a value is missing.

        >>> Spread.of([1.0, 3.0]), Spread.of([2.0]), Spread.of([])  # doctest: +NORMALIZE_WHITESPACE
        (Spread(mean=2.0, sd=1.4142135623730951), Spread(mean=2.0, sd=None),
         Spread(mean=None, sd=None))
        """
        numbers = [float(value) for value in values if value is not None]
        # not the mean of the others: omitting a score that overflows would be optimistic
        if not numbers or len(numbers) < len(values):
            return cls(mean=None, sd=None)
        sd = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
        return cls(mean=float(np.mean(numbers)), sd=sd)


class Scores(JsonRecord):
    """Test RMSE in cycles and NASA score (sum over windows) in a view of the test set."""

    rmse: Spread
    nasa: Spread


class ValidationScores(JsonRecord):
    """Validation metrics of the selected epochs: RMSE in cycles, mean NASA score, accuracy."""

    rmse: Spread
    nasa_mean: Spread
    health_accuracy: Spread


class RunSummary(JsonRecord):
    """Metrics of a run; the fields are also columns of comparison.csv.

    Without a suffix, test metrics are of the last window of each engine on capped labels.
    `val_…` are of the selected epoch; `oracle_…` only exist with `--oracle`.
    """

    seed: int
    run: str
    rmse: float | None
    nasa: float | None
    rmse_last_raw: float | None
    nasa_last_raw: float | None
    rmse_every_capped: float | None
    nasa_every_capped: float | None
    rmse_every_raw: float | None
    nasa_every_raw: float | None
    val_rmse: float | None
    val_nasa_mean: float | None
    val_health_accuracy: float | None
    clipped_share: float | None
    epochs: int
    best_epoch: int
    seconds: float | None
    oracle_test_rmse: float | None = None
    oracle_test_epoch: int | None = None
    oracle_optimism: float | None = None
    oracle_mark: str | None = None


class FileDigest(JsonRecord):
    """SHA-256 of the bytes of a data file, and of its canonical form."""

    sha256: str
    canonical_sha256: str


class SplitSummary(JsonRecord):
    """Split into training, validation and calibration, `by` engines or windows."""

    by: str
    fraction: float
    training_engines: int
    validation_engines: int
    calibration_engines: int | None = None  # evaluations of older versions lack it
    folds: int | None = None  # of an ensemble only


class CellProtocol(JsonRecord):
    """Protocol of a cell's runs, without what differs between seeds.

    `padded` test engines have fewer cycles than the window; `auxiliary` is the number of engines
    of each auxiliary subset; `unit` is written only if it is not cycles, and `stride`, seconds
    between rows, only if rows are not cycles.
    """

    subset: str
    files: str
    engines: int
    padded: int
    windows: int
    cap: int
    window: int
    auxiliary: dict[str, int]
    split: SplitSummary
    selection: str
    unit: str = "cycles"
    scored_at: str = "the last windows"
    stride: int | None = None


class RunVersions(JsonRecord):
    """Versions by package, in training."""

    trained: dict[str, str]


class RunProtocol(CellProtocol):
    """Protocol in a run's evaluation.json; `digest` is by file name."""

    digest: dict[str, FileDigest]
    versions: RunVersions
    leaks: list[str] = []  # evaluations of older versions lack it


class RunScores(JsonRecord):
    """Test RMSE in cycles and NASA score of a run in a view; None if not finite."""

    rmse: float | None
    nasa: float | None


class RunCuts(JsonRecord):
    """Mean squared error of each held-out engine at random cuts, by its name, cycles²."""

    by_engine: dict[str, float]


class RunEvaluation(JsonRecord):
    """Part of a run's evaluation.json that comparisons need; `metrics` by windows and labels."""

    protocol: RunProtocol
    metrics: dict[str, dict[str, RunScores]]
    cuts: RunCuts | None = None  # of held-out engines only


class CellSummary(JsonRecord):
    """A cell of a grid: metrics over seeds, with configuration, protocol and versions.

    `rmse` (cycles) and `nasa` are of the last window of each test engine on capped labels, `leak`
    is the warning about a split by windows, `leaks` are other reasons for optimistic metrics,
    `configuration` lacks seed, threads and paths.
    """

    config: str
    subset: str
    balancer: str
    settings: dict[str, Any]
    label: str
    leak: str | None
    leaks: list[str] = []  # ledgers of older versions lack it
    files: str | None
    n_seeds: int
    rmse: Spread
    nasa: Spread
    rmse_interval_over_engines: tuple[float, float] | None
    last_raw: Scores
    every_capped: Scores
    every_raw: Scores
    validation: ValidationScores
    clipped_share: Spread
    epochs: Spread
    best_epoch: Spread
    seconds: Spread
    runs: list[RunSummary]
    config_digest: str
    configuration: dict[str, Any] = {}  # a ledger of the first version lacks it
    commit: str | None
    versions: dict[str, str]
    data: dict[str, FileDigest] | None
    protocol: CellProtocol | None

    @property
    def key(self) -> tuple[str, str]:
        """Configuration and label, unique in a comparison."""
        return self.config, self.label

    @property
    def unit(self) -> str:
        """Unit of the RUL."""
        return str(self.configuration.get("data", {}).get("unit", "cycles"))

    @property
    def auxiliary(self) -> list[str]:
        """Auxiliary subsets of the training."""
        return list(self.configuration.get("data", {}).get("auxiliary", []))


class HasConfig(Protocol):
    """A record of a configuration."""

    @property
    def config(self) -> str: ...  # noqa: D102


class AnyCell(HasConfig, Protocol):
    """Common attributes of cells, compared by test set or by validation."""

    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def leak(self) -> str | None: ...  # noqa: D102
    @property
    def auxiliary(self) -> Sequence[str]: ...  # noqa: D102


C = TypeVar("C", bound=AnyCell)
P = TypeVar("P", bound=HasConfig)


def marked_label(cell: AnyCell) -> str:
    """Return the label of a cell, marked if its split leaks."""
    return cell.label + (" (leak)" if cell.leak else "")


def marked_config(cell: AnyCell) -> str:
    """Return the configuration of a cell, marked if it also trains on other subsets."""
    others = " and ".join(cell.auxiliary)
    return cell.config + (f" (also trained on {others})" if others else "")


def by_config(parts: Sequence[P]) -> dict[str, list[P]]:
    """Group cells or pairs by configuration, in order of appearance."""
    groups: dict[str, list[P]] = {}
    for part in parts:
        groups.setdefault(part.config, []).append(part)
    return groups
