"""Training data: from training files to labelled windows.

training file → records → split by engine → capped RUL and health class of each row
→ conditions and scaling, fitted on training engines → windows
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cmapss_rul.data.cache import read_cached_train
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.fleet import Fleet, Times
from cmapss_rul.data.flights import flight_provenance, read_flights
from cmapss_rul.data.labels import cap_rul, health_classes, run_to_failure_rul
from cmapss_rul.data.preprocess import EnsemblePreprocessor, Preprocessor
from cmapss_rul.data.records import Records, read_file, read_records
from cmapss_rul.data.split import Partition, SplitConfig
from cmapss_rul.data.verification import Provenance, provenance
from cmapss_rul.data.windows import LabelledWindows, Windows
from cmapss_rul.display.text import counted, nearest
from cmapss_rul.losses.health import UNKNOWN_CLASS
from cmapss_rul.system.errors import DataError


def read_train_records(config: DataConfig, file: Path) -> tuple[Records, Provenance]:
    """Read a training file.

    Records end with the failure, except those marked by `data.event` or `data.censored`. A user's
    file is not cached, because it may contain the engines held out as test set.

    Raises:
        DataError: the file is invalid.
    """
    if config.flights is not None:
        flights = read_flights(file, "dev", virtual=config.virtual_sensors, stride=config.stride)
        if flights.rul.any():
            raise DataError(f"{file}: found development units of which the RUL does not end at 0")
        return flights.records, flight_provenance(file)
    if not config.own:
        fleet, source = read_cached_train(file)
        # the strict reader has refused any gap
        no_gaps = np.zeros(fleet.rows, dtype=np.int64)
        names = fleet.engines.tolist()
        return Records(fleet, names, no_gaps, has_condition_columns=True), source
    source = provenance(file)
    records = read_records(read_file(file), str(file), config, event=config.event)
    if config.censored:
        numbers = _engine_numbers(config.censored, records, file)
        records = replace(records, fleet=replace(records.fleet, censored=numbers))
    fleet = records.fleet
    short = np.flatnonzero((fleet.lengths < 2) & ~np.isin(fleet.engines, fleet.censored))
    if len(short):
        raise DataError(
            f"{file}: found a single cycle of engine {records.names[short[0]]}, expected its "
            "record until the failure; leave the engine out"
        )
    if not len(fleet.failed):
        raise DataError(
            f"{file}: found no record that ends with the failure among "
            f"{counted(len(records.names), 'engine')}, expected at least 2: one to train on and "
            "one to validate on"
        )
    return records, source


def _engine_numbers(ids: Sequence[str], records: Records, file: Path) -> NDArray[np.int64]:
    """Return the numbers of the engines in `data.censored`, ascending."""
    # as text, like the ids in the configuration
    numbers = {str(name): number for number, name in enumerate(records.names, start=1)}
    unknown = [name for name in ids if name not in numbers]
    if unknown:
        near = nearest(unknown[0], numbers)
        raise DataError(
            f"{file}: found no engine '{unknown[0]}', which data.censored names"
            + ("" if near is None else f"; the nearest is '{near}'")
        )
    return np.unique([numbers[name] for name in ids]).astype(np.int64)


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Labelled windows and preprocessing of a training file, and of auxiliary ones.

    Attributes:
        training: windows at every cycle of the training engines (with a split by windows: the
            windows not drawn for validation), followed by those of all auxiliary engines.
        validation: windows at every cycle of the validation engines (or the windows drawn),
            without censored records.
        bounds: validation windows of censored records, whose labels are lower bounds; usually
            empty.
        calibration: windows at every cycle of the calibration engines, without censored records;
            usually empty.
        engines: numbers of the engines in each part.
        mean_label: mean capped label over all rows of run-to-failure records, cycles, independent
            of the split: the prediction of a constant baseline that does not know the test set.
        auxiliary: number of auxiliary windows, the last ones of `training`.
    """

    training: LabelledWindows
    validation: LabelledWindows
    bounds: LabelledWindows
    calibration: LabelledWindows
    preprocessor: Preprocessor
    engines: Partition
    mean_label: float
    auxiliary: int = 0

    def to(self, device: torch.device) -> "TrainingData":
        """Return the windows on another device."""
        return replace(
            self,
            training=self.training.to(device),
            validation=self.validation.to(device),
            bounds=self.bounds.to(device),
            calibration=self.calibration.to(device),
        )


def prepare_training_data(
    fleet: Fleet,
    data: DataConfig,
    split: SplitConfig,
    boundaries: Sequence[int],
    seed: int,
    auxiliary: Sequence[Fleet] = (),
) -> TrainingData:
    """Split, scale and label a fleet.

    A censored record has lower bounds as labels (see `losses.rul`): it is used in training and
    for the scaling statistics, but neither to select the epoch nor to calibrate.

    In an ensemble over folds, all engines train and validate, and the windows have the
    concatenated features of all networks, each scaled by the network's training engines.
    Auxiliary fleets add training windows, scaled by the statistics of all their engines, since
    none of these validates.
    `boundaries` of the health classes descend, in cycles; `seed` is the seed of the run, used if
    the split has none.

    Raises:
        DataError: there are too few engines, or too many operating conditions.
    """
    engines = split.split_engines(fleet.failed, seed, fleet.censored)
    rows = split.split_rows(fleet, engines, seed)
    failed = ~np.isin(fleet.engine, fleet.censored)
    # fitted on training engines only: statistics of validation engines would be a leak
    preprocessor = Preprocessor.fit(fleet, data, engines.training)
    if split.is_ensemble:
        trained = [
            member.split_engines(fleet.failed, seed, fleet.censored).training
            for member in split.members
        ]
        members = [Preprocessor.fit(fleet, data, part) for part in trained]
        preprocessor = EnsemblePreprocessor.of(preprocessor, members)
    rul = cap_rul(run_to_failure_rul(fleet), data.cap)
    # lower bounds can neither score an epoch nor calibrate an interval
    known = [part[failed[part]] for part in (rows.validation, rows.calibration)]
    bounds = rows.validation[~failed[rows.validation]]
    parts = [rows.training, known[0], bounds, known[1]]
    labelled = _label(fleet, rul, preprocessor, data, boundaries, parts)
    training, validation, bounds_set, calibration = labelled
    sets = [training]
    for other in auxiliary:
        # with their own statistics: the levels of a sensor differ between subsets
        other_rul = cap_rul(run_to_failure_rul(other), data.cap)
        other_preprocessor, all_rows = Preprocessor.fit(other, data), np.arange(other.rows)
        if split.is_ensemble:
            same = [other_preprocessor] * len(split.members)
            other_preprocessor = EnsemblePreprocessor.of(other_preprocessor, same)
        sets += _label(other, other_rul, other_preprocessor, data, boundaries, [all_rows])
    return TrainingData(
        # auxiliary windows last: the loop draws from both parts by position
        training=LabelledWindows.concatenate(sets),
        validation=validation,
        bounds=bounds_set,
        calibration=calibration,
        preprocessor=preprocessor,
        engines=engines,
        # without censored rows, whose labels are lower than their RUL
        mean_label=float(rul[failed].mean()),
        auxiliary=sum(other.rows for other in auxiliary),
    )


def _label(
    fleet: Fleet,
    rul: Times,
    preprocessor: Preprocessor,
    data: DataConfig,
    boundaries: Sequence[int],
    parts: Sequence[NDArray[np.int64]],
) -> list[LabelledWindows]:
    """Return windows with capped RUL and health class, for each part of a fleet's rows.

    All parts share one series. Rows are indexed with NumPy, because the first index operation in
    PyTorch takes longer than everything else here.
    """
    series = torch.from_numpy(preprocessor.transform(fleet))
    # float32 represents all cycle counts below 2²⁴ exactly
    labels, health = rul.astype(np.float32), health_classes(rul, boundaries, data.cap)
    censored = np.isin(fleet.engine, fleet.censored)
    # RUL ≥ bound: the class is known only if the bound is already in the healthiest class
    health[censored & (health > 0)] = UNKNOWN_CLASS
    return [
        LabelledWindows(
            Windows.ending_at(series, fleet, rows, data.window),
            torch.from_numpy(labels[rows]),
            torch.from_numpy(health[rows]),
            torch.from_numpy(censored[rows]) if len(fleet.censored) else None,
        )
        for rows in parts
    ]
