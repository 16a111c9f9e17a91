"""Inputs of a run: acquisition, reading and preparation of its training files."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cmapss_rul.data.fingerprints import find_duplicates, training_fingerprints
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.leakage import find_labels
from cmapss_rul.data.records import Records
from cmapss_rul.data.sources import ensure_files
from cmapss_rul.data.trainset import TrainingData, prepare_training_data, read_train_records
from cmapss_rul.data.verification import Provenance
from cmapss_rul.system.errors import DataError
from cmapss_rul.training.checkpoint import AuxiliaryFile, EngineNumbers, RunData
from cmapss_rul.training.config import RunConfig

TrainFiles = Sequence[tuple[Records, Provenance]]
"""Records and provenance of each training file; auxiliary files last."""


def find_train_files(config: RunConfig) -> list[Path]:
    """Return the paths of the training files of a configuration; fetch missing ones.

    Raises:
        DataError: a file cannot be obtained.
    """
    subsets = (config.data.subset, *config.data.auxiliary)
    wanted = [config.data.model_copy(update={"subset": subset}) for subset in subsets]
    # all are fetched before the first is read, so that a run fails early
    return [ensure_files(data, ["train"])["train"] for data in wanted]


def read_train_files(config: RunConfig, paths: Sequence[Path]) -> TrainFiles:
    """Read the training files at paths from `find_train_files`.

    Raises:
        DataError: a file is malformed.
    """
    return [read_train_records(config.data, path) for path in paths]


@dataclass(frozen=True, eq=False)
class RunInputs:
    """Prepared training files of a run; raw rows are not retained.

    Attributes:
        test: [engine], numbers of the engines held out from a user's training file as test set.
        censored: [engine], numbers of the engines whose records end before the failure.
        files: identity of the files, for the checkpoint.
        late_records: number of records that start after cycle 1.
        names: [engine], names in the training file of engines 1, 2, …
    """

    data: TrainingData
    test: NDArray[np.int64]
    censored: NDArray[np.int64]
    files: RunData
    late_records: int
    names: list[int] | list[str]

    @classmethod
    def prepare(cls, config: RunConfig, files: TrainFiles) -> "RunInputs":
        """Prepare the files.

        Raises:
            DataError: there are too few engines, or too many operating conditions.
        """
        fleets = [records.fleet for records, _ in files]
        # before any statistic is computed, so that none depends on the test engines
        test, censored = fleets[0].engines[:0], fleets[0].censored
        if config.data.own and config.data.test is None:
            rest, test = config.split.hold_out_test(fleets[0].failed, censored)
            fleets[0] = fleets[0].select_engines(rest)
        fleet, *auxiliary = fleets
        boundaries = config.loss.health.boundaries
        data = prepare_training_data(
            fleet, config.data, config.split, boundaries, config.seed, auxiliary
        )
        late = int((fleet.cycle[fleet.starts] > 1).sum()) if config.data.counts_cycles else 0
        described = _describe(config, data, files, auxiliary)
        return cls(data, test, censored, described, late, files[0][0].names)

    @property
    def engine_numbers(self) -> EngineNumbers:
        """Numbers of the engines in each part, for the checkpoint."""
        engines = self.data.engines
        return EngineNumbers(
            training=engines.training.tolist(),
            validation=engines.validation.tolist(),
            calibration=engines.calibration.tolist(),
            test=self.test.tolist(),
            censored=self.censored.tolist(),
        )

    def check_leakage(self, config: RunConfig, files: TrainFiles) -> None:
        """Refuse duplicate records, and labels among the inputs unless they are allowed.

        Stores the fingerprints of the rows and the allowed labels in `files` of these inputs.

        Raises:
            DataError: names engines or columns.
        """
        records, columns = files[0][0], config.data.input_columns
        known = np.setdiff1d(records.fleet.engines, self.test)
        # without the held-out engines, which occur in the test set by design
        hashes = training_fingerprints(records.fleet.select_engines(known), columns)
        self.files.fingerprints = torch.from_numpy(hashes)
        if not config.data.own:
            return
        # in the whole file: a duplicate of a held-out engine would train
        if duplicates := find_duplicates(records.fleet, columns):
            one, other = (records.names[number - 1] for number in duplicates[0])
            more = f", and {len(duplicates) - 1} more such pairs" if duplicates[1:] else ""
            raise DataError(
                f"{config.data.train}: found the same rows in the records of engines {one} and "
                f"{other}{more}; leave one of each pair out, since no record may both train and "
                "validate or test"
            )
        # failed training engines only: a label is recognised by its relation to the failure
        failed = np.intersect1d(self.data.engines.training, records.fleet.failed)
        labels = find_labels(records.fleet.select_engines(failed), columns)
        if labels and not config.data.allow_labels:
            found = ", ".join(f"'{name}' ({reason})" for name, reason in labels.items())
            raise DataError(
                f"{config.data.train}: found labels, known only after the failure, among the "
                f"inputs: {found}; leave them out of data.sensors and data.settings, or set "
                "data.allow_labels to true, which marks all metrics"
            )
        self.files.label_columns = [*labels]


def load_data(config: RunConfig) -> TrainingData:
    """Read and prepare the training files of a configuration; fetch missing ones.

    Raises:
        DataError: a file cannot be obtained or is malformed.
    """
    return RunInputs.prepare(config, read_train_files(config, find_train_files(config))).data


def _describe(
    config: RunConfig, data: TrainingData, files: TrainFiles, auxiliary: Sequence[Fleet]
) -> RunData:
    own, *others = (asdict(source) for _, source in files)
    return RunData(
        subset=config.data.fleet_name,
        held_cells=files[0][0].fleet.held_cells,
        **own,
        mean_label=data.mean_label,
        auxiliary=[
            AuxiliaryFile(subset=subset, engines=len(fleet.starts), **other)
            for subset, fleet, other in zip(config.data.auxiliary, auxiliary, others, strict=True)
        ],
    )
