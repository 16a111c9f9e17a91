"""What a run trains on: its train files, found, read and prepared."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.sources import ensure_files
from cmapss_rul.data.trainset import TrainingData, prepare_training_data, read_train_records
from cmapss_rul.data.verification import Provenance, provenance
from cmapss_rul.training.config import RunConfig


@dataclass(frozen=True)
class TrainFiles:
    """The train file of a configuration, and then the auxiliary ones.

    Attributes:
        paths: of the files.
        sources: where each comes from.
    """

    paths: Sequence[Path]
    sources: Sequence[Provenance]

    @classmethod
    def of(cls, config: RunConfig) -> "TrainFiles":
        """Find the files, fetched where they are missing.

        Raises:
            DataError: a file is not to be had, or cannot be read.
        """
        subsets = (config.data.subset, *config.data.auxiliary)
        wanted = [config.data.model_copy(update={"subset": subset}) for subset in subsets]
        paths = [ensure_files(data, ["train"])["train"] for data in wanted]
        return cls(paths, [provenance(path) for path in paths])


@dataclass(frozen=True, eq=False)
class Material:
    """Train files, read and prepared; their raw rows are not kept.

    Attributes:
        data: windows and labels.
        test: [engine], numbers of the engines that were set aside to test on; mostly none.
        facts: the `data` part of a checkpoint.
        late: number of records that start later than at cycle 1.
    """

    data: TrainingData
    test: NDArray[np.int64]
    facts: dict[str, Any]
    late: int

    @classmethod
    def of(cls, config: RunConfig, files: TrainFiles) -> "Material":
        """Read and prepare the files.

        Engines that are set aside to test on are gone before anything is worked out from the
        records.

        Raises:
            DataError: a file is not as it should be.
        """
        fleets = [
            read_train_records(config.data, path, source.sha256).fleet
            for path, source in zip(files.paths, files.sources, strict=True)
        ]
        test = fleets[0].engines[:0]
        if config.data.own and config.data.test is None:
            rest, test = config.split.hold_out_test(fleets[0].engines)
            fleets[0] = fleets[0].select_engines(rest)
        fleet, *auxiliary = fleets
        boundaries = config.loss.health.boundaries
        data = prepare_training_data(
            fleet, config.data, config.split, boundaries, config.seed, auxiliary
        )
        late = int((fleet.cycle[fleet.starts] > 1).sum())
        return cls(data, test, _facts(config, data, files.sources, auxiliary), late)


def load_data(config: RunConfig) -> TrainingData:
    """Read and prepare the train files of a configuration, fetched where they are missing.

    Raises:
        DataError: a file is not to be had, or is not as it should be.
    """
    return Material.of(config, TrainFiles.of(config)).data


def _facts(
    config: RunConfig,
    data: TrainingData,
    sources: Sequence[Provenance],
    auxiliary: Sequence[Fleet],
) -> dict[str, Any]:
    own, *others = map(asdict, sources)
    return {
        "subset": config.data.fleet_name,
        **own,
        "mean_label": data.mean_label,
        "auxiliary": [
            {"subset": subset, "engines": len(fleet.starts), **other}
            for subset, fleet, other in zip(config.data.auxiliary, auxiliary, others, strict=True)
        ],
    }
