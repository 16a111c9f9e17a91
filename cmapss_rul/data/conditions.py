"""Operating conditions: the few combinations of settings that an engine flies in."""

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
"""Decimals after which the settings of C-MAPSS are exact: altitude, Mach number, TRA."""

MOST_CONDITIONS = 50
"""More distinct conditions than this are no conditions but a continuum."""

OwnName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
"""Name of a column of a user's own file."""


class BySettings(Config):
    """A condition is a combination of settings, rounded."""

    name: Literal["settings"] = Field(
        "settings", description="Combinations of the settings, rounded, are the conditions."
    )
    decimals: tuple[Annotated[int, Field(ge=-9, le=9)], ...] | None = Field(
        None,
        max_length=50,
        description="Decimals that each setting is rounded to, -1 meaning tens; null for those "
        "of C-MAPSS: 0, 2, 0.",
    )


class ByColumn(Config):
    """A condition is a value of one column."""

    name: Literal["column"] = Field(
        "column", description="The values of one column, numbers, are the conditions."
    )
    column: OwnName = Field(description="Name of the column; each of its values is a condition.")


class NoConditions(Config):
    """All rows are of one condition."""

    name: Literal["none"] = Field(
        "none", description="One condition: sensors are scaled over all rows at once."
    )


ConditionsConfig = Annotated[BySettings | ByColumn | NoConditions, Field(discriminator="name")]


@dataclass(frozen=True, eq=False)
class Conditions:
    """The operating conditions of a training set.

    What tells them apart are keys: rounded settings, one column, or nothing at all.

    Attributes:
        table: [condition, key], rounded keys, in rising order.
        decimals: [key], what each key is rounded to; None takes them as they are.
    """

    table: NDArray[np.float64]
    decimals: tuple[int, ...] | None = CMAPSS_DECIMALS

    @classmethod
    def fit(
        cls, keys: NDArray[np.float64], decimals: Sequence[int] | None = CMAPSS_DECIMALS
    ) -> "Conditions":
        """Collect the conditions that occur.

        Args:
            keys: [row, key], raw; without any key all rows are of one condition.
            decimals: [key], what to round each key to; None takes them as they are.

        Raises:
            DataError: when there are more than 50.
        """
        exact = None if decimals is None else tuple(decimals)
        if not keys.shape[1]:  # numpy finds no unique rows where rows are empty
            return cls(np.zeros((1, 0)), exact)
        found = [_distinct(_rounded(keys[block], exact)) for block in row_blocks(len(keys))]
        table = np.unique(np.concatenate(found), axis=0)
        if len(table) > MOST_CONDITIONS:
            what = "the settings, rounded," if exact is not None else "the values of that column"
            raise DataError(
                f"{what} form {len(table)} operating conditions; expected at most "
                f"{MOST_CONDITIONS}: are the columns the right ones? Else round more "
                "(data.conditions.decimals), or set data.conditions.name to none"
            )
        return cls(table, exact)

    def assign(self, keys: NDArray[np.float64]) -> NDArray[np.int64]:
        """Index of each row's condition; of the nearest one where it is unknown.

        Nearest: the smallest sum of squared differences, each key divided by its range over
        the known conditions.

        Args:
            keys: [row, key], raw.

        Returns:
            condition: [row], index into `table`.
        """
        if len(self.table) == 1:
            return np.zeros(len(keys), dtype=np.int64)
        condition = np.full(len(keys), -1)
        for block in row_blocks(len(keys)):
            rounded = _rounded(keys[block], self.decimals)
            for index, known in enumerate(self.table):
                condition[block][_equal(rounded, known)] = index
        strange = np.flatnonzero(condition < 0)
        if len(strange):
            condition[strange] = self._nearest(_rounded(keys[strange], self.decimals))
        return condition

    def _nearest(self, rounded: NDArray[np.float64]) -> NDArray[np.int64]:
        found, inverse = np.unique(rounded, axis=0, return_inverse=True)
        span = np.ptp(self.table, axis=0)
        scale = np.where(span > 0, span, 1.0)
        nearest = np.empty(len(found), dtype=np.int64)
        for start in range(0, len(found), _AT_ONCE):
            off = (found[start : start + _AT_ONCE, None] - self.table) / scale
            nearest[start : start + _AT_ONCE] = (off**2).sum(axis=-1).argmin(axis=1)
        assigned: NDArray[np.int64] = nearest[inverse.ravel()]
        return assigned

    def is_unknown(self, keys: NDArray[np.float64]) -> NDArray[np.bool_]:
        """[row], whether a row's condition did not occur in training."""
        differs = _rounded(keys, self.decimals) != self.table[self.assign(keys)]
        return np.asarray(differs.any(axis=1))


_AT_ONCE = 4096
"""Combinations whose distances are in memory at a time: a user's file may hold millions."""


def _distinct(rounded: NDArray[np.float64]) -> NDArray[np.float64]:
    """The conditions that occur, in any order; of more than 50 it may name some twice."""
    found: list[NDArray[np.float64]] = []
    while len(rounded) and len(found) <= MOST_CONDITIONS:  # few: no need to sort the rows
        found.append(rounded[0])
        rounded = rounded.compress(~_equal(rounded, rounded[0]), axis=0)
    return np.concatenate([np.reshape(found, (-1, rounded.shape[1])), rounded])


def _equal(rounded: NDArray[np.float64], known: NDArray[np.float64]) -> NDArray[np.bool_]:
    """[row], whether a row is in a condition; column by column, which is faster."""
    same: NDArray[np.bool_] = rounded[:, 0] == known[0]
    for i in range(1, len(known)):
        same &= rounded[:, i] == known[i]
    return same


def _rounded(keys: NDArray[np.float64], decimals: tuple[int, ...] | None) -> NDArray[np.float64]:
    if decimals is None or not decimals:
        return keys + 0.0  # −0.0 becomes 0.0
    columns = [np.round(keys[:, i], places) for i, places in enumerate(decimals)]
    return np.stack(columns, axis=1) + 0.0
