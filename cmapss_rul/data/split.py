"""Training and validation engines."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from cmapss_rul.config.base import Config
from cmapss_rul.errors import DataError


@dataclass(frozen=True, eq=False)
class Split:
    """Which engines train and which select; no engine does both.

    Attributes:
        training: numbers of the engines, rising.
        validation: numbers of the engines, rising.
    """

    training: NDArray[np.int64]
    validation: NDArray[np.int64]


class SplitConfig(Config):
    """The `split` part of a configuration."""

    by: Literal["engines"] = Field(
        "engines", description="Whole engines go to one side; windows of one engine never part."
    )
    validation: float = Field(
        0.2, gt=0, lt=1, description="Share of the training file's engines that select the epoch."
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
        count = round(self.validation * len(engines))
        count = min(max(count, 1), len(engines) - 1)
        generator = np.random.default_rng(seed if self.seed is None else self.seed)
        drawn = generator.permutation(np.sort(engines))
        return Split(training=np.sort(drawn[count:]), validation=np.sort(drawn[:count]))
