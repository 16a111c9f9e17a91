"""Fleets in memory for the tests."""

import numpy as np
from hypothesis import strategies as st

from cmapss_rul.data.columns import COLUMNS
from cmapss_rul.data.fleet import Fleet

SIX = [
    (0, 0.0, 100),
    (10, 0.25, 100),
    (20, 0.7, 100),
    (25, 0.62, 60),
    (35, 0.84, 100),
    (42, 0.84, 100),
]
"""The operating conditions of FD002 and FD004: altitude, Mach number, TRA."""

lives = st.lists(st.integers(1, 12), min_size=1, max_size=6)
"""Numbers of rows of a few engines."""


def fleet_of(*lengths: int, seed: int = 0, conditions=((0, 0.0, 100),)) -> Fleet:
    """Engines with the given numbers of cycles, random sensors and alternating conditions."""
    engine = np.repeat(np.arange(1, len(lengths) + 1), lengths)
    cycle = np.concatenate([np.arange(1, length + 1) for length in lengths])
    values = np.random.default_rng(seed).normal(100, 5, (len(engine), len(COLUMNS)))
    values[:, :3] = np.array(conditions)[np.arange(len(engine)) % len(conditions)]
    return Fleet.from_rows(engine, cycle, values)
