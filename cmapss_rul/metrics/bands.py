"""Bands of true RUL, so that a figure can be seen where the RUL is low and where it is high."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_BANDS = 5


def rul_bands(cap: int) -> list[tuple[int, int | None]]:
    """Five bands of even width up to the cap, and one from the cap on.

    Args:
        cap: of the labels, cycles.

    Returns:
        The first RUL of each band, and the first one above it; None for no end.

    >>> rul_bands(125)
    [(0, 25), (25, 50), (50, 75), (75, 100), (100, 125), (125, None)]
    """
    edges = np.unique(np.linspace(0, cap, _BANDS + 1).round().astype(np.int64)).tolist()
    return list(zip(edges, [*edges[1:], None], strict=True))


def in_band(rul: NDArray[Any], low: int, below: int | None) -> NDArray[np.bool_]:
    """[n], which RUL lie in a band.

    >>> in_band(np.array([24, 25, 49, 50]), 25, 50)
    array([False,  True,  True, False])
    """
    return (rul >= low) & (rul < (np.inf if below is None else below))


def band_name(low: int, below: int | None) -> str:
    """Name a band.

    >>> band_name(0, 25), band_name(125, None)
    ('0–24', '125 or more')
    """
    return f"{low} or more" if below is None else f"{low}–{below - 1}"
