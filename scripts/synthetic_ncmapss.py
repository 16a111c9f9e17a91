"""Write a synthetic HDF5 file in the layout of N-CMAPSS, for tests and memory measurements.

    python -m scripts.synthetic_ncmapss OUT.h5 [--seconds N]

Names, types and columns are those of NASA's files; the numbers are synthetic: simple flights, and
sensors that drift with age. The attribute `simulated` of the file is set.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.flight_file import SIMULATED
from cmapss_rul.data.ncmapss import CONDITIONS, SENSORS, VIRTUAL_SENSORS

HEALTH = tuple(
    f"{part}_{kind}_mod" for part in ("fan", "LPC", "HPC", "HPT", "LPT") for kind in ("eff", "flow")
)
INDEX = ("unit", "cycle", "Fc", "hs")

DS02 = {
    "dev": {2: 75, 5: 89, 10: 82, 16: 63, 18: 71, 20: 66},
    "test": {11: 59, 14: 76, 15: 67},
}
"""Flights of each unit of DS02."""


def write_ncmapss(
    path: Path, units: Mapping[str, Mapping[int, int]] = DS02, *, seconds: int = 600, seed: int = 0
) -> Path:
    """Write a synthetic file.

    Args:
        path: path of the file.
        units: `dev` and `test` → unit → number of flights.
        seconds: mean length of a flight; lengths vary by a third.
        seed: random seed.
    """
    generator = np.random.default_rng(seed)
    weights = generator.normal(0, 1, (4, len(SENSORS) + len(VIRTUAL_SENSORS)))
    drift = generator.normal(0, 8, (1, weights.shape[1]))
    with h5py.File(path, "w") as file:
        file.attrs[SIMULATED] = True
        names = {"W": CONDITIONS, "X_s": SENSORS, "X_v": VIRTUAL_SENSORS, "T": HEALTH, "A": INDEX}
        for name, columns in names.items():
            file[f"{name}_var"] = np.array([column.encode() for column in columns])
        for part, lives in units.items():
            lengths = {
                unit: generator.integers(seconds * 2 // 3, seconds * 4 // 3 + 1, life)
                for unit, life in lives.items()
            }
            total = sum(int(length.sum()) for length in lengths.values())
            sets = {
                name: file.create_dataset(f"{name}_{part}", (total, len(columns)), "f8")
                for name, columns in names.items()
            }
            sets["Y"] = file.create_dataset(f"Y_{part}", (total, 1), "i8")
            start = 0
            for unit, length in lengths.items():
                for cycle, count in enumerate(length.tolist(), start=1):
                    stop = start + count
                    blocks = _flight(generator, unit, cycle, len(length), count, weights, drift)
                    for name, block in blocks.items():
                        sets[name][start:stop] = block
                    start = stop
    return path


def _flight(
    generator: np.random.Generator,
    unit: int,
    cycle: int,
    life: int,
    count: int,
    weights: NDArray[np.float64],
    drift: NDArray[np.float64],
) -> dict[str, NDArray[Any]]:
    """Return dataset → rows of one flight."""
    time = np.linspace(0, 1, count)
    top = generator.uniform(20_000, 35_000)
    level = np.interp(time, [0, 0.25, 0.75, 1], [0, 1, 1, 0])
    scenario = np.stack(
        [3000 + (top - 3000) * level, 0.3 + 0.5 * level, 50 + 25 * level, 520 - 60 * level], axis=1
    )
    wear = (cycle / life) ** 2
    signals = 500 + (scenario / [30_000, 0.8, 75, 500]) @ weights * 50 + wear * drift
    signals += generator.normal(0, 1, signals.shape)
    ones = np.ones(count)
    return {
        "W": scenario,
        "X_s": signals[:, : len(SENSORS)],
        "X_v": signals[:, len(SENSORS) :],
        "T": np.outer(ones, np.full(len(HEALTH), -0.01 * wear)),
        "A": np.stack([ones * unit, ones * cycle, ones * 3, ones * (wear < 0.1)], axis=1),
        "Y": np.full((count, 1), life - cycle),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Write a synthetic HDF5 file in the layout of N-CMAPSS."
    )
    parser.add_argument("out", type=Path)
    # *measured*: 10,060 make a file of 2.47 GB
    parser.add_argument("--seconds", type=int, default=600, help="mean length of a flight")
    options = parser.parse_args()
    print(write_ncmapss(options.out, seconds=options.seconds))
