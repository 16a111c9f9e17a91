"""Training and validation engines; or windows, as half of the public code does, a leak."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cmapss_rul.config.base import Config
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.errors import DataError

LEAK = "a leak: the windows that validate come from the engines that train"
"""How everything that comes from a split by windows is marked."""


@dataclass(frozen=True, eq=False)
class Split:
    """Which engines train and which select; by engines none does both, by windows each.

    Attributes:
        training: numbers of the engines, rising.
        validation: numbers of the engines, rising.
    """

    training: NDArray[np.int64]
    validation: NDArray[np.int64]


class Rows(NamedTuple):
    """Rows of a fleet at which windows end; no row is on both sides.

    Attributes:
        training: rows whose windows train, rising.
        validation: rows whose windows select, rising.
    """

    training: NDArray[np.int64]
    validation: NDArray[np.int64]


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
    seed: int | None = Field(
        None,
        ge=0,
        lt=2**63,
        description="Seed of the split; null takes the run's seed. A number holds the split "
        "while the seed varies.",
    )

    def draw(self, engines: NDArray[np.int64], seed: int) -> Split:
        """Draw the validation engines with a generator of the split's own.

        Args:
            engines: [engine], their numbers.
            seed: the run's seed, used where `seed` is null.

        Raises:
            DataError: when there are fewer than two engines.
        """
        if len(engines) < 2:
            raise DataError(
                f"found {len(engines)} engine in the training file; expected at least 2, "
                "one to train on and one to validate on"
            )
        engines = np.sort(engines)
        if self.by == "windows":
            return Split(training=engines, validation=engines)
        return Split(*self._parted(engines, seed))

    def rows(self, fleet: Fleet, split: Split, seed: int) -> Rows:
        """Tell the rows apart whose windows train and select.

        Args:
            fleet: the records of the train file.
            split: what `draw` gave for its engines and the same seed.
            seed: the run's seed, used where `seed` is null.
        """
        if self.by == "windows":
            return Rows(*self._parted(np.arange(fleet.rows), seed))
        validates = np.isin(fleet.engine, split.validation)
        return Rows(np.flatnonzero(~validates), np.flatnonzero(validates))

    def _parted(
        self, numbers: NDArray[np.int64], seed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Part rising numbers into those that train and those that validate, both rising."""
        count = min(max(round(self.validation * len(numbers)), 1), len(numbers) - 1)
        generator = np.random.default_rng(seed if self.seed is None else self.seed)
        drawn = generator.permutation(numbers)
        return np.sort(drawn[count:]), np.sort(drawn[:count])
