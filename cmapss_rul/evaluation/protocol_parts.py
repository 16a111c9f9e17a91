"""Parts of the protocol: digests of the files, the split, the networks of an ensemble."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from cmapss_rul.data.split import LEAK
from cmapss_rul.data.verification import Provenance
from cmapss_rul.training.checkpoint import TrainFile
from cmapss_rul.training.trained_model import TrainedModel


@dataclass(frozen=True)
class FileDigest:
    """SHA-256 of a file, and of its text without line endings and padding, and its origin."""

    sha256: str
    canonical_sha256: str
    official: bool
    simulated: bool

    @classmethod
    def of(cls, file: TrainFile | Provenance) -> "FileDigest":
        """Digests of a file that was trained or tested on."""
        return cls(file.sha256, file.canonical_sha256, file.official, file.simulated)


@dataclass(frozen=True)
class SplitFacts:
    """How the engines of the training file were split.

    Attributes:
        test: share of engines held out as the test set; None where there is a test file.
        test_seed: seed that drew them.
        leak: why a split by windows leaks; None for one by engines.
        fraction: share of the engines, or windows, for validation.
        calibration: share of the engines that only calibrate the intervals.
        training_engines, validation_engines, calibration_engines: number of each.
        fold: held out of a cross-validation, counted from 0; None without one.
        folds: of an ensemble, all of whose engines train and validate; None for one network.
        censored_engines: number of those that train or validate and have not failed.
    """

    test: float | None
    test_seed: int | None
    by: str
    leak: str | None
    fraction: float
    calibration: float
    seed: int
    training_engines: int
    validation_engines: int
    calibration_engines: int
    censored_engines: int = 0
    fold: str | None = None
    folds: int | None = None

    @property
    def leak_warning(self) -> str:
        """Warning for readers of the metrics; only where there is a leak."""
        return f"split by windows, {self.leak}"

    @classmethod
    def of(cls, model: TrainedModel) -> "SplitFacts":
        """Describe the split behind a model."""
        split, engines = model.config.split, model.engines
        return cls(
            # every configuration has both keys; without held-out engines they had no effect
            test=split.test if engines.test else None,
            test_seed=split.test_seed if engines.test else None,
            by=split.by,
            leak=LEAK if split.by == "windows" else None,
            fraction=split.validation,
            calibration=split.calibration,
            # without a seed of its own the split follows that of the run
            seed=model.config.seed if split.seed is None else split.seed,
            training_engines=len(engines.training),
            validation_engines=len(engines.validation),
            calibration_engines=len(engines.calibration),
            censored_engines=len({*engines.censored} - {*engines.test}),
            fold=f"{split.test_fold} of {split.test_folds}" if split.test_folds else None,
            folds=split.folds if model.members else None,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values for the JSON, with the test share only if engines were held out."""
        plain = dataclasses.asdict(self)
        if self.test is None:
            del plain["test"], plain["test_seed"]
        for name in ("censored_engines", "fold", "folds"):
            if not plain[name]:
                del plain[name]
        return plain

    def __str__(self) -> str:
        """Describe the split, without its seed."""
        if self.leak:
            engines = f"the same {self.training_engines} train and validate ({self.leak})"
        elif self.folds:
            engines = (
                f"{self.training_engines} in {self.folds} folds, each validates one network and "
                "trains the others"
            )
        else:
            engines = f"{self.training_engines} train, {self.validation_engines} validate"
        if self.calibration_engines and not self.leak:
            engines += f", {self.calibration_engines} calibrate the intervals"
        if self.censored_engines:
            engines += f"; {self.censored_engines} of them have not failed"
        return f"by {self.by}: {engines}"


@dataclass(frozen=True)
class EnsembleFacts:
    """The networks of an ensemble over folds of engines; `seconds` trained and validated all."""

    folds: int
    epochs: list[int]
    seconds: float | None

    @classmethod
    def of(cls, model: TrainedModel) -> "EnsembleFacts | None":
        """Describe the networks of a model; None for a single network."""
        if not model.members:
            return None
        epochs = [member.epoch for member in model.members]
        seconds = None if model.seconds is None else round(model.seconds, 3)
        return cls(len(epochs), epochs, seconds)

    def __str__(self) -> str:
        """Name it, as every table with single networks beside it has to."""
        return f"ensemble of {self.folds} folds"
