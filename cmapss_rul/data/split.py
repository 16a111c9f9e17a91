"""Split of the engines into training, validation, calibration and test set.

The default is a split by engine. Windows of an engine overlap and share its individual wear, so
a random split of windows leaks training data into validation, as in much published code; it is
offered only to measure its optimism.
"""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cmapss_rul.config.base import Config
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.display.text import counted
from cmapss_rul.system.errors import DataError

FEW_ENGINES = 20
"""Results on fewer test engines are marked. A *guess*: with 20, the 95 % interval of an RMSE still
spans some 60 % of it."""

LEAK = "a leak: the windows that validate come from the engines that train"
"""Mark of every result of a split by windows."""

_NONE: NDArray[np.int64] = np.zeros(0, dtype=np.int64)


class Partition(NamedTuple):
    """Engines, by number, or rows at which windows end, of each part of the training file.

    The parts are disjoint, except that with a split by windows all engines are in training and
    validation (their rows are disjoint).

    Attributes:
        training: used to train, ascending.
        validation: used to select the epoch, ascending.
        calibration: used to calibrate the intervals only, ascending; usually empty.
    """

    training: NDArray[np.int64]
    validation: NDArray[np.int64]
    calibration: NDArray[np.int64]


class SplitConfig(Config):
    """The `split` part of a configuration."""

    by: Literal["engines", "windows"] = Field(
        "engines",
        description="Split whole engines; or single windows at random, which is a leak, to measure "
        "its optimism.",
    )
    validation: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Share of the training file's engines (or windows) used to select the epoch.",
    )
    calibration: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the engines reserved for calibration, so that the coverage of the "
        "intervals is exact; with 0 they are calibrated on the validation engines.",
    )
    test: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Share of the engines of data.train held out as test set, before any other "
        "split; only where data.train is set and data.test is not.",
    )
    test_seed: int = Field(
        0,
        ge=0,
        lt=2**63,
        description="Seed of the draw of held-out test engines, and of the cycles at which their "
        "records are truncated.",
    )
    test_folds: int | None = Field(
        None,
        ge=2,
        le=1000,
        description="Folds of a cross-validation, which replace split.test: each engine is held "
        "out in one of them. Null for none.",
    )
    test_fold: int = Field(0, ge=0, lt=1000, description="Index of the held-out fold, from 0.")
    folds: int | None = Field(
        None,
        ge=2,
        le=100,
        description="Folds of an ensemble (rul train --folds): one network per fold, validated on "
        "its engines and trained on all others; predictions are averaged. Replaces "
        "split.validation; null for a single network.",
    )
    fold: int | None = Field(
        None,
        ge=0,
        lt=100,
        description="Train only the network of this fold, counted from 0; null for all folds.",
    )
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="Seed of the split; null for the run's seed. A number keeps the split fixed "
        "while the run's seed varies.",
    )

    @model_validator(mode="after")
    def _check_test_fold(self) -> "SplitConfig":
        if self.test_fold and self.test_fold >= (self.test_folds or 1):
            folds = "null" if self.test_folds is None else self.test_folds
            raise ValueError(
                f"test_fold counts from 0 and should be below test_folds, found {self.test_fold} "
                f"and {folds}"
            )
        return self

    @model_validator(mode="after")
    def _check_calibration(self) -> "SplitConfig":
        if self.calibration and self.by == "windows":
            raise ValueError(
                "calibration takes whole engines, but split.by windows trains on each; expected 0"
            )
        if self.validation + self.calibration >= 1:
            raise ValueError(
                f"validation and calibration together take {self.validation + self.calibration:g} "
                "of the engines; expected less than 1"
            )
        return self

    @model_validator(mode="after")
    def _check_folds(self) -> "SplitConfig":
        if self.fold is not None and self.fold >= (self.folds or 0):
            found = "null" if self.folds is None else self.folds
            raise ValueError(
                f"fold counts from 0 and should be below folds, found {self.fold} and {found}"
            )
        if self.folds is None:
            return self
        if self.by == "windows":
            raise ValueError("folds are of whole engines, found split.by windows")
        share = SplitConfig.model_fields["validation"].default
        if self.calibration or self.validation != share:
            name = "calibration" if self.calibration else "validation"
            raise ValueError(
                f"folds let every engine train and validate, so {name} has no effect; expected "
                f"{SplitConfig.model_fields[name].default:g}"
            )
        if self.test_folds is not None:
            raise ValueError(
                "folds and test_folds are two cross-validations, one inside the other; expected "
                "one of them (split.test holds engines out of an ensemble)"
            )
        return self

    @property
    def is_ensemble(self) -> bool:
        """Whether one network is trained for each fold."""
        return self.folds is not None and self.fold is None

    @property
    def members(self) -> list["SplitConfig"]:
        """The splits of an ensemble's networks, fold by fold; empty for a single network."""
        folds = (self.folds or 0) if self.is_ensemble else 0
        return [self.model_copy(update={"fold": fold}) for fold in range(folds)]

    def hold_out_test(
        self, engines: NDArray[np.int64], censored: NDArray[np.int64] = _NONE
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw the engines of a user's training file to hold out as test set.

        Drawn with `test_seed`, so that they do not change with the run's seed. Stratified: the
        same share of the failed and of the censored engines is drawn.

        Args:
            engines: numbers of the engines that failed.
            censored: numbers of the censored engines.

        Returns:
            Numbers of the remaining engines, and of the held-out ones, both ascending.

        Raises:
            DataError: there are too few engines for every part.
        """
        engines = np.sort(engines)
        if self.test == 0 and self.test_folds is None:
            return np.union1d(engines, censored), engines[:0]
        # one engine each to train on, to validate on and, if requested, to calibrate with
        reserved = 3 if self.calibration else 2
        if len(engines) <= reserved:
            raise DataError(
                f"found {counted(len(engines), 'engine')} {_scope(censored)}; expected at least "
                f"{reserved + 1}: one to train on, one to validate on, "
                + ("one to calibrate with, " if self.calibration else "")
                + "and one held out to test on; name a file of test "
                "records as data.test, or set split.test to 0"
            )
        if self.test_folds is not None:
            return self._hold_out_fold(engines, censored, reserved)
        # hold out at least one engine, and leave at least `reserved`
        count = min(max(round(self.test * len(engines)), 1), len(engines) - reserved)
        drawn = np.random.default_rng(self.test_seed).permutation(engines)
        # a separate stream: the number of censored engines must not change the draw of failed ones
        others = np.random.default_rng([self.test_seed, 2]).permutation(np.sort(censored))
        share = round(self.test * len(censored))
        return (
            np.union1d(drawn[count:], others[share:]),
            np.union1d(drawn[:count], others[:share]),
        )

    def _hold_out_fold(
        self, engines: NDArray[np.int64], censored: NDArray[np.int64], reserved: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Hold out a fold of the failed engines, and one of the censored engines."""
        folds = self.test_folds or 1
        if len(engines) < max(folds, reserved + 1):
            raise DataError(
                f"found {len(engines)} engine(s) {_scope(censored)}; expected at least "
                f"{max(folds, reserved + 1)} for {folds} folds; use fewer split.test_folds"
            )
        parts = []
        for numbers, seed in ((engines, self.test_seed), (censored, [self.test_seed, 2])):
            drawn = np.random.default_rng(seed).permutation(np.sort(numbers))
            parts.append(np.array_split(drawn, folds)[self.test_fold])
        held_out = np.sort(np.concatenate(parts))
        return np.setdiff1d(np.concatenate([engines, censored]), held_out), held_out

    def draw_cutoffs(self, lives: NDArray[np.int64], window: int) -> NDArray[np.int64]:
        """Draw the cycle after which the record of each held-out engine is truncated.

        Uniform from min(window, life − 1) to life − 1: [engine], the last cycle of its record.
        `lives`, [engine], are the cycles until the failure, at least 2.
        """
        # at most life − 1: at the failure there is no RUL to predict
        shortest = np.minimum(window, lives - 1)
        # one draw per engine, scaled to its range, so that the draws do not depend on the window
        drawn = np.random.default_rng([self.test_seed, 1]).random(len(lives))
        cutoff: NDArray[np.int64] = shortest + (drawn * (lives - shortest)).astype(np.int64)
        return cutoff

    def split_engines(
        self, engines: NDArray[np.int64], seed: int, censored: NDArray[np.int64] = _NONE
    ) -> Partition:
        """Draw validation and calibration engines, with `split.seed` or else the run's seed.

        The validation engines do not depend on the share of calibration. Stratified: the same
        share of the failed and of the censored engines validates; censored ones never calibrate.

        Args:
            engines: numbers of the engines that failed.
            seed: seed of the run.
            censored: numbers of the censored engines.

        Raises:
            DataError: there are fewer engines than parts.
        """
        if len(engines) < 2:
            raise DataError(
                f"found {len(engines)} engine {_scope(censored)}; expected at least 2, "
                "one to train on and one to validate on"
            )
        engines = np.sort(engines)  # the draw must not depend on the order in the file
        if self.by == "windows":
            whole = np.union1d(engines, censored)
            # every engine trains, so none is left for calibration
            return Partition(training=whole, validation=whole, calibration=engines[:0])
        if self.folds is not None:
            return self._fold(engines, seed, np.sort(censored))
        split = self._partition(engines, seed)
        if self.calibration and not len(split.calibration):
            raise DataError(
                f"found {len(engines)} engines {_scope(censored)}, of which "
                f"{len(split.validation)} validate and none is left to calibrate; expected at "
                "least 3, or split.calibration 0"
            )
        seed = seed if self.seed is None else self.seed
        # a separate stream: censored engines must not change the draw of failed ones
        others = np.random.default_rng([seed, 1]).permutation(np.sort(censored))
        # may be 0: only failed engines are required for validation
        share = round(self.validation * len(others))
        return Partition(
            training=np.union1d(split.training, others[share:]),
            validation=np.union1d(split.validation, others[:share]),
            calibration=split.calibration,
        )

    def _fold(
        self, engines: NDArray[np.int64], seed: int, censored: NDArray[np.int64]
    ) -> Partition:
        """Validate on one fold and train on the others; without a fold, all engines do both."""
        folds, whole = self.folds or 1, np.union1d(engines, censored)
        if len(engines) < folds:
            raise DataError(
                f"found {len(engines)} engines {_scope(censored)}; expected at least {folds}, one "
                "for each of split.folds; use fewer"
            )
        # the whole ensemble: each engine trains some networks and validates another
        if self.fold is None:
            return Partition(training=whole, validation=whole, calibration=engines[:0])
        seed = seed if self.seed is None else self.seed
        # separate streams, as in `split_engines`
        parts = [
            np.array_split(np.random.default_rng(stream).permutation(numbers), folds)[self.fold]
            for numbers, stream in ((engines, seed), (censored, [seed, 1]))
        ]
        validation = np.sort(np.concatenate(parts))
        return Partition(np.setdiff1d(whole, validation), validation, engines[:0])

    def split_rows(self, fleet: Fleet, split: Partition, seed: int) -> Partition:
        """Return the rows at which the windows of each part end, for the split of the engines."""
        if self.by == "windows":
            # rows instead of engines: the leak whose optimism is measured
            return self._partition(np.arange(fleet.rows), seed)
        return Partition(*(np.flatnonzero(np.isin(fleet.engine, part)) for part in split))

    def _partition(self, numbers: NDArray[np.int64], seed: int) -> Partition:
        """Partition numbers at random; each part is ascending.

        All parts are slices of one permutation, with validation first, so that it does not change
        with the share of calibration. At least one number is left to train on.
        """
        # at least one to validate on and one to train on
        validation = min(max(round(self.validation * len(numbers)), 1), len(numbers) - 1)
        calibration = max(round(self.calibration * len(numbers)), 1) if self.calibration else 0
        end = min(validation + calibration, len(numbers) - 1)
        # a separate generator, independent of all other draws of the run
        generator = np.random.default_rng(seed if self.seed is None else self.seed)
        # at random; others take the first 80 % of the engines
        drawn = generator.permutation(numbers)
        return Partition(
            training=np.sort(drawn[end:]),
            validation=np.sort(drawn[:validation]),
            calibration=np.sort(drawn[validation:end]),
        )


def _scope(censored: NDArray[np.int64]) -> str:
    """Describe the engines that an error message counts."""
    return "in the training file" + (" whose record ends with the failure" if len(censored) else "")
