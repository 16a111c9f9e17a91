"""Numbers as text with a fixed number of decimals, a whole table at once.

Formatting number by number would take minutes for 10,000 engines; digits found column by
column with whole-array arithmetic take seconds.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_SPACE, _POINT, _MINUS, _ZERO = b" .-0"
_NOTHING = 0


def fixed_point(values: NDArray[np.float64], decimals: Sequence[int], end: bytes = b"\n") -> bytes:
    r"""Write a table as text, a space behind each number and `end` behind each row.

    Args:
        values: [row, column], finite, at most 2**53 after multiplication by 10**decimals.
        decimals: [column], digits behind the point.
        end: what closes a row.

    >>> fixed_point(np.array([[1.0, -0.25], [30.0, 641.826]]), [0, 2])
    b'1 -0.25 \n30 641.83 \n'
    """
    if not len(values):
        return b""
    columns = [_column(values[:, i], places) for i, places in enumerate(decimals)]
    ends = np.broadcast_to(np.frombuffer(end, np.uint8), (len(values), len(end)))
    characters = np.concatenate([*columns, ends], axis=1).ravel()
    return bytes(characters[characters != _NOTHING])


def _column(values: NDArray[np.float64], decimals: int) -> NDArray[np.uint8]:
    """Characters of one column, [row, width]; `_NOTHING` stands where a row is shorter."""
    scaled = np.rint(values * 10**decimals).astype(np.int64)
    rest = np.abs(scaled)
    digits = max(len(str(rest.max())), decimals + 1)
    width = 1 + digits + (decimals > 0) + 1
    characters = np.full((len(values), width), _NOTHING, dtype=np.uint8)
    characters[:, -1] = _SPACE
    place = width - 2
    for digit in range(digits):
        if digit == decimals and decimals > 0:
            characters[:, place] = _POINT
            place -= 1
        # a digit in front of the point is written unless it would be a leading zero
        written = rest > 0 if digit > decimals else np.True_
        rest, units = np.divmod(rest, 10)
        characters[:, place] = np.where(written, units + _ZERO, _NOTHING)
        place -= 1
    characters[:, 0] = np.where(scaled < 0, _MINUS, _NOTHING)
    return characters
