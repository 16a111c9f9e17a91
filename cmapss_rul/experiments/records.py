"""What comparison.json and ledger.json hold, as typed records; the one place that reads JSON.

A record's attributes are named like its JSON keys. Keys that this version does not know are
preserved, and keys that an older version did not write stay absent when a record is saved again.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from cmapss_rul.display.text import finite, json_text


class Record(BaseModel):
    """Immutable plain values that come from JSON and go back into it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a record from its file.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is no JSON, or a key is missing or has another type; one line.
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
        """Return strict JSON; a number that is not finite becomes null."""
        plain = finite(self.model_dump(mode="json", exclude_unset=True))
        return json_text(plain, indent=indent) + "\n"


class Spread(Record):
    """Mean and sd (with n − 1) over the seeds of a cell; None where they are not defined."""

    mean: float | None
    sd: float | None


class Scores(Record):
    """Test RMSE in cycles and NASA score (sum over windows) under one protocol."""

    rmse: Spread
    nasa: Spread


class ValidationScores(Record):
    """Validation metrics of the selected epochs: RMSE in cycles, mean NASA score, accuracy."""

    rmse: Spread
    nasa_mean: Spread
    health_accuracy: Spread


class RunSummary(Record):
    """The metrics of one run; its fields are also the columns of comparison.csv.

    Test metrics are named after windows and labels; without a suffix they are those of the last
    window of each engine on capped labels. `val_…` are of the selected epoch, `best_epoch`. The
    `oracle_…` keys exist only with `--oracle`.
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


class FileDigest(Record):
    """SHA-256 of a data file's bytes, and of its text without line endings and padding."""

    sha256: str
    canonical_sha256: str


class SplitSummary(Record):
    """How training, validation and calibration engines were separated: `by` engines or windows."""

    by: str
    fraction: float
    training_engines: int
    validation_engines: int
    calibration_engines: int | None = None  # evaluations of older versions lack it


class CellProtocol(Record):
    """The evaluation protocol of a cell: that of its runs, less what belongs to one seed.

    `padded` counts test engines with a record shorter than the window, `auxiliary` the engines
    of each other subset that trained too.
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


class CellSummary(Record):
    """One cell of a grid: the metrics of its runs over the seeds, and how they were made.

    What depends on a run is None, or empty, where no run of the cell succeeded.

    Attributes:
        leak: the warning about a split by windows; None where engines were split.
        files: official, simulated or own, in words.
        n_seeds: number of runs that succeeded.
        rmse: last window of each test engine, capped labels, cycles; `nasa` too.
        rmse_interval_over_engines: bootstrap interval of the mean RMSE; None for one engine.
        config_digest: SHA-256 of `configuration`.
        configuration: resolved, without seed, threads and paths.
        commit: of the code that trained; `unknown` outside of a checkout.
    """

    config: str
    subset: str
    balancer: str
    settings: dict[str, Any]
    label: str
    leak: str | None
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
    def marked_label(self) -> str:
        """The label, marked where the split leaks."""
        return self.label + (" (leak)" if self.leak else "")


class MeanInterval(Record):
    """The mean of n values, one a seed, with its t interval and t test.

    Attributes:
        sd: with n − 1; None for a single value, like `interval`, the t interval at 95 %.
        t: mean ÷ (sd/√n); None where there is no spread.
        p: two-sided, of the mean being 0; None where there is no test.
    """

    n: int
    mean: float
    sd: float | None
    interval: tuple[float, float] | None
    t: float | None
    p: float | None


class EngineBootstrap(Record):
    """The difference of two cells' mean RMSE, a − b in cycles, under resampling of test engines."""

    n: int
    draws: int
    mean: float
    interval: tuple[float, float]
    share_below_0: float


class Pair(Record):
    """Two cells of one configuration, compared by RMSE (last windows, capped labels): a − b.

    Attributes:
        paired_t: paired t test over the seeds that both have; None below two.
        bootstrap: over test engines; None where the test sets differ or have one engine.
        why_not: why there is no paired test.
        p_holm: p after Holm's correction over the pairs of the configuration.
        shown: whether a difference holds over seeds, after the correction, and over engines.
        sentence: the finding in words.
    """

    config: str
    a: str
    b: str
    leak: str | None
    paired_t: MeanInterval | None
    bootstrap: EngineBootstrap | None
    why_not: str | None = None
    p_holm: float | None = None
    shown: bool = False
    sentence: str = ""

    @property
    def keys(self) -> set[tuple[str, str]]:
        """Keys of its two cells, see `CellSummary.key`."""
        return {(self.config, self.a), (self.config, self.b)}


class MeanRanks(Record):
    """Mean ranks of cells over configurations; rank 1 is the lowest RMSE.

    Attributes:
        labels: the cells that every configuration has; those with a leak are in `leaks`.
        ranks: [config][cell]; ties share their mean rank; `mean` is [cell].
        friedman_p: of all cells being equal; None below three cells or two configurations.
        critical_difference: Nemenyi's, of two mean ranks at 95 %; None below two configurations.
    """

    labels: list[str]
    configs: list[str]
    ranks: list[list[float]]
    mean: list[float]
    friedman_p: float | None
    critical_difference: float | None
    leaks: list[str]

    def ascending(self) -> Iterator[tuple[str, float]]:
        """Yield label, marked where its split leaks, and mean rank; the lowest rank first."""
        for mean, label in sorted(zip(self.mean, self.labels, strict=True)):
            yield label + (" (leak)" if label in self.leaks else ""), mean


class OracleOptimism(Record):
    """How much lower the RMSE of the best test epoch is, over the cells that every seed has."""

    subset: str
    n_seeds: int
    n_cells: int
    optimism: MeanInterval | None
    mark: str
    sentence: str


class LeakOptimism(Record):
    """Test − validation RMSE of a split by windows, less that of a split by engines, cycles."""

    config: str
    subset: str
    cell: str
    n_seeds: int
    gap_windows: MeanInterval | None
    gap_engines: MeanInterval | None
    optimism: MeanInterval | None
    mark: str
    sentence: str


class GridSummary(Record):
    """Which grid was compared."""

    digest: str
    seeds: list[int]
    oracle: bool


class MissingRun(Record):
    """A run that failed, and its error."""

    run: str
    error: str


class Comparison(Record):
    """A grid that was trained and evaluated: comparison.json.

    Attributes:
        cells: in the grid's order, also those without a run.
        ranks: None where fewer than two cells exist in every configuration.
        oracle: one a subset; None without `--oracle`.
        leak: one for each two cells that differ in the split alone; None without any.
        notes: what a reader must know of the whole.
    """

    grid: GridSummary
    cells: list[CellSummary]
    pairs: list[Pair]
    ranks: MeanRanks | None
    oracle: list[OracleOptimism] | None
    leak: list[LeakOptimism] | None
    missing: list[MissingRun]
    notes: list[str]

    @property
    def errors(self) -> dict[str, str]:
        """The error of each missing run, by name."""
        return {missing.run: missing.error for missing in self.missing}


class Ledger(Record):
    """The cells of several grids: ledger.json; ranks are over the cells without settings."""

    about: str = ""
    cells: list[CellSummary]
    pairs: list[Pair]
    oracle: list[OracleOptimism]
    leak: list[LeakOptimism]
    ranks: MeanRanks | None = None


def by_config(cells: Sequence[CellSummary]) -> dict[str, list[CellSummary]]:
    """Group cells by configuration, in order of appearance."""
    groups: dict[str, list[CellSummary]] = {}
    for cell in cells:
        groups.setdefault(cell.config, []).append(cell)
    return groups
