"""Evaluation protocol: all choices that a metric depends on."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fingerprints import RECORD_LEAK, engines_with
from cmapss_rul.data.fleet import list_held
from cmapss_rul.data.leakage import LABEL_LEAK
from cmapss_rul.data.ncmapss import FILES, MAX_RUL, VIRTUAL
from cmapss_rul.data.split import LEAK
from cmapss_rul.data.testset import EvaluationSet
from cmapss_rul.display.text import counted, row_noun
from cmapss_rul.evaluation.protocol_parts import EnsembleFacts, FileDigest, SplitFacts
from cmapss_rul.metrics.published import OWN_SUBSET, TEST, VALIDATION, Setup
from cmapss_rul.training.checkpoint import Versions
from cmapss_rul.training.trained_model import TrainedModel

HELD_OUT = "held-out engines of the same file"
"""Mark of metrics obtained without a test file."""

LAST_WINDOWS, EVERY_FLIGHT = "the last windows", "every flight"
"""Windows of the main metrics: of truncated, and of run-to-failure test records."""

_SELECTED = {
    "val_rmse": "RMSE over every cycle",
    "val_cut_rmse": "RMSE with each engine cut at a random cycle",
    "val_cut_nasa": "mean NASA score with each engine cut at a random cycle",
}
"""Description of the metric that selects the epoch, by `train.select`."""
# stated because libraries differ: in rul-datasets, the last RUL is 1
_LABEL = "RUL at the window's last cycle; 0 at the failure cycle"
_ASSUMED = ", which the last cycle of each training record is taken to be"
_STATED = ", which the last cycle of each training record that is not censored is"


@dataclass(frozen=True)
class Protocol:
    """The choices without which a C-MAPSS metric is meaningless; saved with every metric.

    Attributes:
        files: 'official files', 'not the official files', 'simulated, …' or 'own files'.
        scored_at: `LAST_WINDOWS`, or `EVERY_FLIGHT` for run-to-failure test units.
        official: whether train, test and RUL file are all official.
        digest: of each file by its name.
        tested_on: 'a test file', or 'held-out engines of the same file'.
        engines: number of test engines, none of which is dropped.
        padded: number of test engines (with a stride: flights) shorter than the window.
        windows: number of windows scored as 'every': one per row of the test file.
        unknown_conditions: rows of the test file in an operating condition that did not occur
            in training, assigned to the nearest one.
        cap: cap of training labels, predictions and capped test labels, cycles.
        scored: windows and labels of the metrics.
        auxiliary: number of training engines of each auxiliary subset.
        split: split into training, validation and calibration engines.
        epoch: number of training epochs; in an ensemble the maximum over networks.
        scaling: scaled columns and the statistics used.
        clamp: range of the predictions, cycles.
        runs: reminder that the intervals do not include the spread between seeds.
        versions: versions of the packages used in training, and in evaluation.
        leaks: possible leaks of test labels, other than a split by windows; each marks every
            metric.
        ensemble: the networks of an ensemble; None for a single network.
        held_cells: number of held empty cells of the test records, by column.
        stride: seconds between rows, `data.stride`; None if a row is a cycle.
    """

    subset: str
    files: str
    official: bool
    simulated: bool
    digest: dict[str, FileDigest]
    tested_on: str
    engines: int
    padded: int
    windows: int
    unknown_conditions: int
    label: str
    cap: int
    boundaries: list[int]
    scored: str
    window: int
    padding: str
    inputs: list[str]
    smoothing: float | None
    auxiliary: dict[str, int]
    split: SplitFacts
    selection: str
    epoch: int
    scaling: str
    clamp: list[int]
    seed: int
    runs: str
    versions: dict[str, dict[str, str]]
    leaks: list[str]
    ensemble: EnsembleFacts | None = None
    unit: str = "cycles"
    held_cells: dict[str, int] = field(default_factory=dict)
    scored_at: str = LAST_WINDOWS
    stride: int | None = None

    @classmethod
    def of(cls, model: TrainedModel, tested: EvaluationSet) -> "Protocol":
        """Collect the protocol of an evaluation."""
        data, fleet = model.config.data, tested.fleet
        digest = {file.name: FileDigest.of(file) for file in model.data.files}
        for file in tested.sources:
            found = FileDigest.of(file)
            other = digest.get(file.name, found) != found  # different files of the same name
            digest[f"{file.name} (test)" if other else file.name] = found
        # a single modified file makes the result incomparable
        official = not data.own and all(file.official for file in digest.values())
        simulated = any(file.simulated for file in digest.values())
        row = row_noun(data.unit)
        return cls(
            subset=data.fleet_name,
            files=_describe_files(official, simulated, data),
            official=official,
            simulated=simulated,
            digest=digest,
            tested_on=HELD_OUT if len(tested.held_out) else "a test file",
            engines=len(fleet.starts),
            padded=int((fleet.record_lengths < data.window).sum()),
            windows=fleet.rows,
            unknown_conditions=int(model.preprocessor.unknown_condition(fleet).sum()),
            label=(_LABEL + _failure(model)).replace("cycle", row),
            cap=data.cap,
            boundaries=list(model.config.loss.health.boundaries),
            scored=_scored(data),
            window=data.window,
            # stated because dropping short engines or padding with zeros gives another test set
            padding=f"front, by repeating the first {_row(data.stride, data.unit)}; "
            "no engine dropped",
            inputs=list(model.preprocessor.features),
            smoothing=data.smoothing,
            auxiliary={file.subset: file.engines for file in model.data.auxiliary},
            split=SplitFacts.of(model),
            selection=_selection(model),
            epoch=model.epoch,
            scaling=_scaling(data),
            clamp=[0, data.cap],
            seed=model.config.seed,
            runs="one run is one seed: the interval excludes the variation between seeds",
            versions={
                "trained": model.versions.model_dump(),
                "evaluated": Versions.current().model_dump(),
            },
            leaks=list(_find_leaks(model, tested)),
            ensemble=EnsembleFacts.of(model),
            unit=data.unit,
            held_cells=(tested.whole or fleet).held_cells,
            scored_at=LAST_WINDOWS if data.last_windows else EVERY_FLIGHT,
            stride=data.stride,
        )

    @property
    def data_set(self) -> str:
        """Name of the public data set with this subset, C-MAPSS for a user's file."""
        return "N-CMAPSS" if self.subset in FILES else "C-MAPSS"

    @property
    def capping(self) -> str:
        """Describe the cap of the labels, which lives of N-CMAPSS may not reach."""
        if self.subset in FILES and self.cap > MAX_RUL:
            return f"not capped (none exceeds {MAX_RUL})"
        return f"capped at {self.cap}"

    @property
    def marks(self) -> list[str]:
        """Reasons why the metrics are optimistic; empty for a leak-free protocol."""
        return [self.split.leak_warning] * bool(self.split.leak) + self.leaks

    def as_dict(self) -> dict[str, Any]:
        """Return the plain values for the JSON."""
        # asdict is recursive, so replace the split by its own as_dict, which drops keys
        plain = {**dataclasses.asdict(self), "split": self.split.as_dict()}
        usual: dict[str, Any] = {"unit": "cycles", "held_cells": {}}
        usual |= {"ensemble": None, "stride": None}
        return {k: v for k, v in plain.items() if k not in usual or v != usual[k]}

    @property
    def source(self) -> str:
        """Description of the model: epoch and seed of the run, or the ensemble."""
        if self.ensemble is None:
            return f"epoch {self.epoch} of one run (seed {self.seed})"
        epochs, seconds = ", ".join(map(str, self.ensemble.epochs)), self.ensemble.seconds
        trained = "" if seconds is None else f"; trained in {seconds:.0f} s"
        return f"{self.ensemble} (epochs {epochs}; seed {self.seed}{trained})"

    @property
    def row(self) -> str:
        """Noun for a row of a record: cycle, flight or row."""
        return _row(self.stride, self.unit)

    @property
    def span(self) -> str:
        """Description of the length of a window."""
        rows = f"{self.window} {self.row}s"
        return rows if self.stride is None else f"{rows} {self.stride} s apart, of one flight"

    def lines(self) -> list[tuple[str, str]]:
        """List the choices and their values, for tables."""
        return [
            ("data", f"{self.subset}, {self.files}"),
            *([("held cells", self._held)] if self.held_cells else []),
            *(("leak", mark) for mark in self.leaks),
            ("tested on", self._tested_on()),
            ("label", f"{self.label}; {self.capping}, and raw"),
            ("window", f"{self.span}; padded at the {self.padding}"),
            ("split", f"{self.split}; seed {self.split.seed}"),
            *self._also_trained_on(),
            *([] if self.ensemble is None else [("model", f"{self.source}; their mean")]),
            ("selection", self.selection + ("" if self.ensemble else f" (epoch {self.epoch})")),
            ("scaling", self.scaling),
            ("prediction", f"clamped to [{self.clamp[0]}, {self.clamp[1]}] before any metric"),
            ("seed", f"{self.seed}; {self.runs}"),
            ("versions", ", ".join(" ".join(pair) for pair in self.versions["evaluated"].items())),
            ("digests", ", ".join(f"{k} {v.sha256[:12]}" for k, v in self.digest.items())),
        ]

    def summary(self) -> str:
        """Return the most important choices in one line."""
        auxiliary = [f"{engines} engines of {name}" for name, engines in self.auxiliary.items()]
        flights = self.unit == "flights"
        choices = [
            *self.leaks,
            self.files if self.tested_on != HELD_OUT else f"{self.files}, {HELD_OUT}",
            f"split {self.split}",
            f"trained on {self.subset} and {', '.join(auxiliary)}"
            if auxiliary
            else f"trained on {self.subset} alone",
            f"RUL 0 at the failure {'flight' if flights else 'cycle'}, {self.capping}",
            *([f"windows of {self.span}" if self.stride else "a row is a flight"] * flights),
            f"cycle count {'is' if 'cycle_count' in self.inputs else 'is not'} an input",
            self.source,
            *([self._held] if self.held_cells else []),
        ]
        return "; ".join(choices)

    @property
    def setup(self) -> Setup:
        """Experimental setup, for the comparison with published results."""
        others = list(self.auxiliary)
        return Setup(
            trained_on=", ".join([self.subset, *others]) if others else OWN_SUBSET,
            window=self.window,
            cap=self.cap,
            cycle_count="cycle_count" in self.inputs,
            # a leak counts as selection on the test set
            selection=TEST if self.split.leak else VALIDATION,
            seeds=1,
            networks=1 if self.ensemble is None else self.ensemble.folds,
        )

    @property
    def _held(self) -> str:
        return f"empty cells of test records hold earlier values: {list_held(self.held_cells)}"

    def _also_trained_on(self) -> list[tuple[str, str]]:
        engines = [f"{count} engines of {subset}" for subset, count in self.auxiliary.items()]
        return [("also trained on", f"all {', '.join(engines)}")] if engines else []

    def _tested_on(self) -> str:
        engines, windows = counted(self.engines, "engine"), counted(self.windows, "window")
        text = f"{engines} ({self.padded} {'flights ' if self.stride else ''}padded), {windows}"
        if self.tested_on == HELD_OUT:
            text = f"{HELD_OUT}, each cut once: {text}"
        if self.unknown_conditions:
            text += f"; {self.unknown_conditions:,} in an operating condition not seen in training"
        return text


def _find_leaks(model: TrainedModel, tested: EvaluationSet) -> Iterator[str]:
    if model.config.data.virtual_sensors:
        yield VIRTUAL
    if model.data.label_columns:
        yield f"{LABEL_LEAK}: {', '.join(model.data.label_columns)}"
    if model.data.fingerprints is not None:
        # rows of the test file that occur in the training file, regardless of engine names
        known, columns = model.data.fingerprints.numpy(), model.config.data.input_columns
        if count := len(engines_with(tested.fleet, columns, known)):
            engines = counted(len(tested.fleet.starts), "test engine")
            yield f"{RECORD_LEAK}: {count} of {engines} have rows of the training file"


def _describe_files(official: bool, simulated: bool, data: DataConfig) -> str:
    # checked first, since it outweighs everything else
    if simulated:
        return "simulated, not the official files"
    if data.own:
        return "own files"
    if official and data.flights is not None:
        return "with the published numbers of records (NASA publishes no digest)"
    return "official files" if official else "not the official files"


def _row(stride: int | None, unit: str) -> str:
    return row_noun(unit) if stride is None else "row"


def _scored(data: DataConfig) -> str:
    windows = f"every window (one a {row_noun(data.unit)})"  # as in the ledger
    if data.stride is not None:
        windows = f"last window of each flight, and every window ({data.stride} s apart)"
    elif data.flights is None:
        windows = f"last window of each engine, and {windows}"
    return f"{windows}; labels capped, and raw"


def _failure(model: TrainedModel) -> str:
    if model.engines.censored:
        return _STATED
    return _ASSUMED if model.config.data.own else ""


def _selection(model: TrainedModel) -> str:
    # a checkpoint such as last.pt, not selected by validation
    if model.epoch != model.best_epoch:
        return "none: the weights after the last epoch, regardless of the validation metrics"
    if model.config.split.by == "windows":
        return f"lowest RMSE over windows drawn at random, capped labels; {LEAK}"
    # in an ensemble, the engines of each network's fold
    engines = "validation engines only" + (", for each network" if model.members else "")
    data, chosen = model.config.data, _SELECTED[model.config.train.select]
    chosen = chosen.replace("cycle", _row(data.stride, data.unit))
    return f"{engines}: lowest {chosen}, capped labels"


def _scaling(data: DataConfig) -> str:
    sensors = "sensors per operating condition, settings" if data.condition_keys else "all columns"
    return f"{sensors} globally; fitted on the training engines only" + (
        ", each subset's on its own" if data.auxiliary else ""
    )
