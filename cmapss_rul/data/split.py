"""Which engines train, validate and calibrate; or windows, as half of the public code does."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from cmapss_rul.config.base import Config
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.system.errors import DataError

LEAK = "a leak: the windows that validate come from the engines that train"
"""How everything that comes from a split by windows is marked."""


@dataclass(frozen=True, eq=False)
class EngineSplit:
    """Which engines do what; by engines none does two things, by windows each trains and selects.

    Attributes:
        training: numbers of the engines, rising.
        validation: numbers of the engines, rising.
        calibration: numbers of the engines kept for the intervals, rising; mostly none.
    """

    training: NDArray[np.int64]
    validation: NDArray[np.int64]
    calibration: NDArray[np.int64]


class RowSplit(NamedTuple):
    """Rows of a fleet at which windows end; no row is on both sides.

    Attributes:
        training: rows whose windows train, rising.
        validation: rows whose windows select, rising.
        calibration: rows whose windows are behind the intervals alone, rising.
    """

    training: NDArray[np.int64]
    validation: NDArray[np.int64]
    calibration: NDArray[np.int64]


class SplitConfig(Config):
    """The `split` part of a configuration."""

    by: Literal["engines", "windows"] = Field(
        "engines",
        description="Whole engines go to one side; or single windows, drawn at random: a leak, "
        "there to measure what it feigns.",
    )
    validation: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Share of the training file's engines (or windows) that select the epoch.",
    )
    calibration: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the engines that neither train nor select, so that the intervals "
        "made from them hold exactly; 0 makes them from the engines that select.",
    )
    test: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Share of the engines of data.train that are set aside to test on, before any "
        "other split; only where data.train is set and data.test is not.",
    )
    test_seed: int = Field(
        0, ge=0, lt=2**63, description="Seed that draws them, and the cycles at which they are cut."
    )
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="Seed of the split; null takes the run's seed. A number holds the split "
        "while the seed varies.",
    )

    @model_validator(mode="after")
    def _leaves_engines_to_train(self) -> "SplitConfig":
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

    def hold_out_test(
        self, engines: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw the engines of a user's training file that are kept to test on.

        Args:
            engines: [engine], their numbers.

        Returns:
            Numbers of the engines for all other splits, and of those set aside, both rising.

        Raises:
            DataError: when there are too few engines for each purpose to have one.
        """
        engines = np.sort(engines)
        if self.test == 0:
            return engines, engines[:0]
        kept = 3 if self.calibration else 2
        if len(engines) <= kept:
            raise DataError(
                f"found {len(engines)} engine(s) in the training file; expected at least "
                f"{kept + 1}: one to train on, one to validate on, "
                + ("one to calibrate with, " if self.calibration else "")
                + "and one set aside to test on; name a file of test "
                "records as data.test, or set split.test to 0"
            )
        count = min(max(round(self.test * len(engines)), 1), len(engines) - kept)
        drawn = np.random.default_rng(self.test_seed).permutation(engines)
        return np.sort(drawn[count:]), np.sort(drawn[:count])

    def draw_cutoffs(self, lives: NDArray[np.int64], window: int) -> NDArray[np.int64]:
        """Draw where the engines set aside are cut: each once, by a generator of its own.

        The last cycle that is kept lies between min(window, life − 1) and life − 1, each as
        likely as any other. Which it is follows from one number an engine, whatever the window.

        Args:
            lives: [engine], cycles until the failure, at least 2.
            window: length of a window, cycles.

        Returns:
            kept: [engine], cycles.
        """
        least = np.minimum(window, lives - 1)
        drawn = np.random.default_rng([self.test_seed, 1]).random(len(lives))
        kept: NDArray[np.int64] = least + (drawn * (lives - least)).astype(np.int64)
        return kept

    def split_engines(self, engines: NDArray[np.int64], seed: int) -> EngineSplit:
        """Draw validation and calibration engines with a generator of the split's own.

        The validation engines are the same ones whether others calibrate or not.

        Args:
            engines: [engine], their numbers.
            seed: the run's seed, used where `seed` is null.

        Raises:
            DataError: when there are fewer engines than kinds of them.
        """
        if len(engines) < 2:
            raise DataError(
                f"found {len(engines)} engine in the training file; expected at least 2, "
                "one to train on and one to validate on"
            )
        engines = np.sort(engines)
        if self.by == "windows":
            return EngineSplit(training=engines, validation=engines, calibration=engines[:0])
        split = EngineSplit(*self._partition(engines, seed))
        if self.calibration and not len(split.calibration):
            raise DataError(
                f"found {len(engines)} engines in the training file, of which "
                f"{len(split.validation)} validate and none is left to calibrate; expected at "
                "least 3, or split.calibration 0"
            )
        return split

    def split_rows(self, fleet: Fleet, split: EngineSplit, seed: int) -> RowSplit:
        """Tell the rows apart whose windows train, select and calibrate.

        Args:
            fleet: the records of the train file.
            split: what `draw` gave for its engines and the same seed.
            seed: the run's seed, used where `seed` is null.
        """
        if self.by == "windows":
            return RowSplit(*self._partition(np.arange(fleet.rows), seed))
        sides = (split.training, split.validation, split.calibration)
        return RowSplit(*(np.flatnonzero(np.isin(fleet.engine, side)) for side in sides))

    def _partition(
        self, numbers: NDArray[np.int64], seed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Part rising numbers into those that train, validate and calibrate, each rising."""
        count = min(max(round(self.validation * len(numbers)), 1), len(numbers) - 1)
        kept = max(round(self.calibration * len(numbers)), 1) if self.calibration else 0
        until = min(count + kept, len(numbers) - 1)
        generator = np.random.default_rng(seed if self.seed is None else self.seed)
        drawn = generator.permutation(numbers)
        return np.sort(drawn[until:]), np.sort(drawn[:count]), np.sort(drawn[count:until])
