"""Degradation model of simulated engines: hidden damage, and the sensors' response to it.

An engine is healthy until an onset; then its damage grows exponentially until it fails:

    d(t) = f · (exp(a·x) − 1) / (exp(a) − 1),   x = clip((t − onset) / (life − onset), 0, 1)

    sensor s at cycle t = level[c, s] + offset[s] + share · drift[k, s] · (w·t/life + d(t)) + noise

with c the operating condition of the cycle, k the engine's fault mode, f, a, w, offset and
share drawn for each engine, and drift scaled by level[c, s] / level[sea level, s]. Levels,
drifts and noise have the sizes *measured* in the training files of FD001 to FD003 (means over
cycles far from failure, and over the last eight); the shape of the degradation is a *guess*.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import SENSORS, SETTINGS

MIN_LIFE = 50
MIN_RECORD = 20
MAX_RUL = 195
_MAX_LIFE = 540
_BATCH = 250  # engines per batch: bounds the memory

CONDITIONS = np.array(
    [[0, 0.0, 100], [10, 0.25, 100], [20, 0.7, 100], [25, 0.62, 60], [35, 0.84, 100],
     [42, 0.84, 100]]
)  # fmt: skip
"""[condition, setting]: altitude in 1000 ft, Mach number, throttle resolver angle."""

# [condition, sensor], mean of healthy engines
_LEVELS = np.array(
    [
        [518.67, 642.4, 1587.0, 1402.8, 14.62, 21.61, 553.9, 2388.06, 9057.0, 1.30, 47.36,
         521.9, 2388.06, 8138.0, 8.4185, 0.03, 392.3, 2388, 100.0, 38.93, 23.357],
        [489.05, 604.6, 1498.7, 1305.5, 10.52, 15.49, 394.7, 2318.89, 8779.5, 1.26, 45.32,
         371.8, 2388.09, 8131.6, 8.6398, 0.03, 368.8, 2319, 100.0, 28.60, 17.163],
        [491.19, 607.3, 1482.4, 1248.2, 9.35, 13.65, 334.8, 2323.95, 8723.8, 1.08, 44.29,
         315.2, 2388.08, 8062.2, 9.2074, 0.02, 364.5, 2324, 100.0, 24.52, 14.713],
        [462.54, 536.7, 1260.0, 1046.1, 7.05, 9.03, 175.6, 1915.35, 8010.5, 0.94, 36.66,
         164.7, 2028.25, 7874.8, 10.8843, 0.02, 306.7, 1915, 84.93, 14.30, 8.580],
        [449.44, 555.5, 1363.7, 1126.8, 5.48, 8.00, 194.6, 2222.96, 8350.3, 1.02, 41.82,
         183.2, 2388.06, 8068.4, 9.3072, 0.02, 333.5, 2223, 100.0, 14.87, 8.922],
        [445.00, 549.5, 1351.4, 1122.9, 3.91, 5.71, 138.8, 2211.92, 8321.8, 1.02, 41.99,
         130.7, 2388.00, 8085.3, 9.3531, 0.02, 330.3, 2212, 100.0, 10.61, 6.368],
    ]
)  # fmt: skip

# [fault, sensor], change from healthy to failed at sea level: compressor, then fan
_DRIFTS = np.array(
    [
        [0, 1.3, 16.0, 27.0, 0, 0, -2.5, 0.17, 40.0, 0, 0.82,
         -2.2, 0.17, 28.0, 0.105, 0, 4.1, 0, 0, -0.50, -0.30],
        [0, 1.3, 20.0, 29.0, 0, 0, 14.0, 0.55, 66.0, 0, 0.95,
         13.5, 0.55, 52.0, -0.145, 0, 5.2, 0, 0, 0.56, 0.34],
    ]
)  # fmt: skip

# [sensor], standard deviation from cycle to cycle; 0 for the constant sensors
_NOISE = np.array(
    [0, 0.33, 4.3, 4.8, 0, 0.002, 0.47, 0.045, 5.0, 0, 0.14,
     0.38, 0.045, 4.8, 0.022, 0, 1.0, 0, 0, 0.11, 0.066]
)  # fmt: skip

DECIMALS = (0, 0, 4, 4, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 2, 0, 0, 2, 2, 4)
"""Decimal places in the files of C-MAPSS: unit, cycle, settings, sensors."""


@dataclass(frozen=True)
class Engines:
    """Random parameters of engines; arrays are [engine], except `share` and `offset`.

    Attributes:
        life: cycles until failure.
        onset: last healthy cycle.
        exponent: a, exponent of the damage.
        damage: f, damage at failure, in units of the drifts.
        wear: w, share of the drift that linear wear adds over a life.
        share: factor on each drift, [engine, sensor].
        fault: index of the fault mode.
        offset: deviation from the mean level, [engine, sensor].
    """

    life: NDArray[np.int64]
    onset: NDArray[np.float64]
    exponent: NDArray[np.float64]
    damage: NDArray[np.float64]
    wear: NDArray[np.float64]
    share: NDArray[np.float64]
    fault: NDArray[np.int64]
    offset: NDArray[np.float64]


def draw_engines(rng: np.random.Generator, count: int, faults: int) -> Engines:
    """Draw engines with lives of at least 50 and mostly of 120 to 360 cycles."""
    # the order of the draws must not change: a seed determines the files
    life = np.rint(205 * np.exp(0.24 * rng.standard_normal(count)))
    life = np.clip(life, MIN_LIFE, _MAX_LIFE).astype(np.int64)
    decay = np.minimum(125 * np.exp(0.18 * rng.standard_normal(count)), 0.9 * life)
    return Engines(
        life=life,
        onset=life - decay,
        exponent=rng.uniform(2.0, 4.0, count),
        damage=1 + 0.1 * rng.standard_normal(count),
        wear=rng.uniform(0.0, 0.1, count),
        share=1 + 0.08 * rng.standard_normal((count, len(SENSORS))),
        fault=rng.integers(0, faults, count),
        offset=0.4 * _NOISE * rng.standard_normal((count, len(SENSORS))),
    )


def draw_records(
    rng: np.random.Generator, engines: Engines, lengths: NDArray[np.int64], conditions: int
) -> NDArray[np.float64]:
    """Draw the first `lengths` cycles of each engine: [row, 25], the cycle and 24 columns."""
    engine = np.repeat(np.arange(len(lengths)), lengths)
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    cycle = np.arange(len(engine)) - starts + 1
    condition = rng.integers(0, conditions, len(engine))

    life, onset, exponent = engines.life[engine], engines.onset[engine], engines.exponent[engine]
    x = np.clip((cycle - onset) / (life - onset), 0, 1)
    # convex, from 0 at the onset to `damage` at the failure
    damage = engines.damage[engine] * np.expm1(exponent * x) / np.expm1(exponent)
    decay = engines.wear[engine] * cycle / life + damage

    levels = _LEVELS[condition]
    # drifts are proportional to the level of the condition
    drift = _DRIFTS[engines.fault[engine]] * levels / _LEVELS[0]
    sensors = levels + engines.offset[engine] + engines.share[engine] * drift * decay[:, None]
    sensors += _NOISE * rng.standard_normal(sensors.shape)
    return np.column_stack([cycle, _settings(rng, condition, conditions), sensors])


def _settings(
    rng: np.random.Generator, condition: NDArray[np.int64], conditions: int
) -> NDArray[np.float64]:
    """Draw settings with a jitter that rounding to 0, 2, 0 decimals removes."""
    rows = len(condition)
    jitter = np.zeros((rows, len(SETTINGS)))
    if conditions == 1:
        jitter[:, 0] = np.clip(0.0022 * rng.standard_normal(rows), -0.0087, 0.0087)
        jitter[:, 1] = np.clip(0.0003 * rng.standard_normal(rows), -0.0006, 0.0006)
    else:
        jitter[:, 0] = rng.uniform(-0.002, 0.008, rows)
        jitter[:, 1] = rng.uniform(0.0, 0.002, rows)
    return CONDITIONS[condition] + jitter


def failure_records(
    seed: int, engines: int, conditions: int, faults: int
) -> Iterator[NDArray[np.float64]]:
    """Yield run-to-failure records, [row, 26], in batches of engines."""
    rng = np.random.default_rng([seed, conditions, faults, 0])  # test engines: stream 1
    for first, count in _batches(engines):
        drawn = draw_engines(rng, count, faults)
        yield _numbered(first, drawn.life, draw_records(rng, drawn, drawn.life, conditions))


def truncated_records(
    seed: int, engines: int, conditions: int, faults: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Yield truncated records, [row, 26], and the true RUL of their engines, [engine], cycles.

    The RUL is drawn from 1 to 195 such that the record keeps at least 20 cycles.
    """
    rng = np.random.default_rng([seed, conditions, faults, 1])
    for first, count in _batches(engines):
        drawn = draw_engines(rng, count, faults)
        longest = np.minimum(drawn.life - MIN_RECORD, MAX_RUL)
        rul = rng.integers(1, longest, endpoint=True)
        lengths = drawn.life - rul
        yield _numbered(first, lengths, draw_records(rng, drawn, lengths, conditions)), rul


def _batches(engines: int) -> Iterator[tuple[int, int]]:
    for first in range(0, engines, _BATCH):
        yield first + 1, min(_BATCH, engines - first)


def _numbered(
    first: int, lengths: NDArray[np.int64], records: NDArray[np.float64]
) -> NDArray[np.float64]:
    unit = np.repeat(np.arange(first, first + len(lengths)), lengths)
    return np.column_stack([unit, records])
