"""Bands of true RUL, to break metrics down by remaining life."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BANDS = 5


def rul_bands(cap: int) -> list[tuple[int, int | None]]:
    """Return five bands of equal width below the cap, and one from the cap upwards.

    Args:
        cap: of the labels, cycles.

    Returns:
        Of each band the lowest RUL and the exclusive upper bound; None where there is none.

    >>> rul_bands(125)
    [(0, 25), (25, 50), (50, 75), (75, 100), (100, 125), (125, None)]
    """
    edges = np.unique(np.linspace(0, cap, _BANDS + 1).round().astype(np.int64)).tolist()
    return list(zip(edges, [*edges[1:], None], strict=True))


def in_band(rul: NDArray[Any], low: int, below: int | None) -> NDArray[np.bool_]:
    """Return whether each RUL lies in a band, [n].

    >>> in_band(np.array([24, 25, 49, 50]), 25, 50)
    array([False,  True,  True, False])
    """
    return (rul >= low) & (rul < (np.inf if below is None else below))


def band_name(low: int, below: int | None) -> str:
    """Format a band for tables and plots.

    >>> band_name(0, 25), band_name(125, None)
    ('0–24', '125 or more')
    """
    return f"{low} or more" if below is None else f"{low}–{below - 1}"
