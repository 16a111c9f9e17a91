"""Operating conditions: the distinct combinations of settings at which engines operate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StringConstraints

from cmapss_rul.config.base import Config
from cmapss_rul.data.fleet import row_blocks
from cmapss_rul.system.errors import DataError

CMAPSS_DECIMALS = (0, 2, 0)
"""Decimals to which the settings of C-MAPSS are rounded: altitude, Mach number, TRA.

*Measured*: so rounded, the rows of FD002 and FD004 form exactly six combinations, in the test
files the same ones as in the training files (tests/data/test_conditions.py).
"""

MAX_CONDITIONS = 50
"""Above this, the combinations are a continuum rather than operating conditions."""

_BLOCK_COMBINATIONS = 4096
"""Combinations per block of the distance computation: a user's file may have millions."""

ColumnName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
"""Name of a column in the user's file."""


class BySettings(Config):
    """Each combination of rounded settings is a condition."""

    name: Literal["settings"] = Field(
        "settings", description="Combinations of the rounded settings are the conditions."
    )
    decimals: tuple[Annotated[int, Field(ge=-9, le=9)], ...] | None = Field(
        None,
        max_length=50,
        description="Decimals to which each setting is rounded, -1 for tens; null for those of "
        "C-MAPSS: 0, 2, 0.",
    )


class ByColumn(Config):
    """Each value of a column is a condition."""

    name: Literal["column"] = Field(
        "column", description="The values of one numeric column are the conditions."
    )
    column: ColumnName = Field(description="Name of the column.")


class NoConditions(Config):
    """All rows have the same condition."""

    name: Literal["none"] = Field(
        "none", description="A single condition: sensors are scaled over all rows at once."
    )


ConditionsConfig = Annotated[BySettings | ByColumn | NoConditions, Field(discriminator="name")]


@dataclass(frozen=True, eq=False)
class Conditions:
    """The operating conditions of the training engines.

    Each is identified by its keys: the rounded settings, the value of a column, or nothing.

    Attributes:
        table: [condition, key], rounded keys, in ascending order.
        decimals: [key], decimals to which each key is rounded; None for no rounding.
    """

    table: NDArray[np.float64]
    decimals: tuple[int, ...] | None = CMAPSS_DECIMALS

    @classmethod
    def fit(
        cls, keys: NDArray[np.float64], decimals: Sequence[int] | None = CMAPSS_DECIMALS
    ) -> "Conditions":
        """Collect the distinct conditions of raw keys [row, key]; a single one without keys.

        Raises:
            DataError: there are more than 50.
        """
        decimals = None if decimals is None else tuple(decimals)
        if not keys.shape[1]:  # np.unique does not work on rows of no columns
            return cls(np.zeros((1, 0)), decimals)
        found = [_distinct(_round(keys[block], decimals)) for block in row_blocks(len(keys))]
        # np.unique also sorts: the index of a condition does not depend on the order of rows
        table = np.unique(np.concatenate(found), axis=0)
        if len(table) > MAX_CONDITIONS:
            keys_text = "the values of that column" if decimals is None else "the rounded settings"
            raise DataError(
                f"{keys_text} form {len(table)} operating conditions; expected at most "
                f"{MAX_CONDITIONS}: are the columns the right ones? Otherwise round more "
                "(data.conditions.decimals), or set data.conditions.name to none"
            )
        return cls(table, decimals)

    def assign(self, keys: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the index of each row's condition; an unknown one is assigned to the nearest.

        Nearest by the squared Euclidean distance, with each key divided by its range over the
        known conditions, so that altitude in 1000 ft does not outweigh the Mach number. `keys`
        are raw, [row, key].
        """
        # FD001 and FD003: nothing to assign, so skip the rounding of every row
        if len(self.table) == 1:
            return np.zeros(len(keys), dtype=np.int64)
        condition = np.full(len(keys), -1)
        # exact comparison is safe: equal decimals round to the same float
        for block in row_blocks(len(keys)):
            rounded = _round(keys[block], self.decimals)
            for index, known in enumerate(self.table):
                condition[block][_equals(rounded, known)] = index
        unknown = np.flatnonzero(condition < 0)
        if len(unknown):
            condition[unknown] = self._nearest(_round(keys[unknown], self.decimals))
        return condition

    def _nearest(self, rounded: NDArray[np.float64]) -> NDArray[np.int64]:
        # distances of the distinct combinations only: far fewer than rows
        combinations, inverse = np.unique(rounded, axis=0, return_inverse=True)
        span = np.ptp(self.table, axis=0)
        scale = np.where(span > 0, span, 1.0)
        nearest = np.empty(len(combinations), dtype=np.int64)
        for start in range(0, len(combinations), _BLOCK_COMBINATIONS):
            block = slice(start, start + _BLOCK_COMBINATIONS)
            difference = (combinations[block, None] - self.table) / scale
            nearest[block] = (difference**2).sum(axis=-1).argmin(axis=1)
        assigned: NDArray[np.int64] = nearest[inverse.ravel()]
        return assigned

    def is_unknown(self, keys: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return [row], whether the row's condition did not occur in training."""
        # unknown if even the nearest condition is not equal
        differs = _round(keys, self.decimals) != self.table[self.assign(keys)]
        return np.asarray(differs.any(axis=1))


def _distinct(rounded: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distinct rows, in any order; after the 51st, the remaining rows unchanged.

    With few conditions this is much faster than sorting all rows.
    """
    found: list[NDArray[np.float64]] = []
    while len(rounded) and len(found) <= MAX_CONDITIONS:
        found.append(rounded[0])
        rounded = rounded.compress(~_equals(rounded, rounded[0]), axis=0)
    return np.concatenate([np.reshape(found, (-1, rounded.shape[1])), rounded])


def _equals(rounded: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return [row], whether the row has this condition; faster column by column."""
    same: NDArray[np.bool_] = rounded[:, 0] == known[0]
    for i in range(1, len(known)):
        same &= rounded[:, i] == known[i]
    return same


def _round(keys: NDArray[np.float64], decimals: tuple[int, ...] | None) -> NDArray[np.float64]:
    if not decimals:
        return keys + 0.0  # turns −0.0 into 0.0
    columns = [np.round(keys[:, i], places) for i, places in enumerate(decimals)]
    return np.stack(columns, axis=1) + 0.0
