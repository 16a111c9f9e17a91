"""Validate the limits of `rul check` on C-MAPSS and on simulated fleets.

    python -m scripts.check_limits data/raw

For each subset, and for 20 simulated fleets, prints the largest distance of a used sensor of the
test file from the training data, and the smallest distance after each sensor is shifted by one
standard deviation within its operating condition. No model is trained: the distances depend only
on the data.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from cmapss_rul.data.columns import SUBSETS
from cmapss_rul.data.config import DataConfig
from cmapss_rul.data.preprocess import Preprocessor
from cmapss_rul.data.reader import read_fleet
from cmapss_rul.data.simulate import simulate
from cmapss_rul.data.split import SplitConfig
from cmapss_rul.evaluation.check import DISTANCE


def distances(folder: Path, subset: str) -> tuple[float, float]:
    """Return the largest distance of a sensor, and the smallest of a sensor shifted by ±1 sd."""
    config = DataConfig.model_validate({"subset": subset})
    train, test = (read_fleet(folder / f"{kind}_{subset}.txt") for kind in ("train", "test"))
    engines = SplitConfig().split_engines(train.engines, seed=0).training
    preprocessor = Preprocessor.fit(train, config, engines)
    assert preprocessor.reference is not None
    condition, scaled = preprocessor.condition(test), preprocessor.scale(test)
    as_it_is, *moved = (
        preprocessor.reference.distances(scaled + shift, condition, test.cycle)
        for shift in (np.float32(0), np.float32(1), np.float32(-1))
    )
    varies = preprocessor.scaler.factor > 0
    nearest = min(np.where(varies, found, -np.inf).max(axis=0).min() for found in moved)
    return float(as_it_is[varies].max()), float(nearest)


def fleets(official: Path, folder: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield name, folder and subset of each fleet."""
    for subset in SUBSETS:
        yield subset, official, subset
    for seed in range(20):
        engines, conditions = (100, 20)[seed % 2], (1, 6)[seed // 2 % 2]
        place = folder / str(seed)
        made = simulate(place, engines=engines, conditions=conditions, seed=seed)
        name = f"simulated, seed {seed}, {engines} engines, {conditions} condition(s)"
        yield name, place, made.parameters.subset


def main() -> None:
    """Print one line per fleet; exit with 1 if the limit does not separate all of them."""
    separated = True
    with tempfile.TemporaryDirectory() as folder:
        for name, place, subset in fleets(Path(sys.argv[1]), Path(folder)):
            plain, moved = distances(place, subset)
            separated &= plain <= DISTANCE < moved
            print(f"{name}: {plain:.2f} unchanged, {moved:.2f} shifted")
    print(f"limit {DISTANCE}: {'separates all' if separated else 'DOES NOT separate all'}")
    sys.exit(not separated)


if __name__ == "__main__":
    main()
