"""Study of three treatments of censored records, on simulated fleets with known failure times.

    python -m scripts.censored_study    train 45 small runs, write configs/censored.json

Finished runs are kept, so that an interrupted study can be resumed. `scripts/write-tables` then
writes the table into its page.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import COLUMNS, CYCLE, ENGINE, LITERATURE_SENSORS
from cmapss_rul.data.degradation import failure_records
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.labels import cap_rul, run_to_failure_rul
from cmapss_rul.data.simulate import Parameters
from cmapss_rul.data.simulate_censored import EVENT, censored_rows
from cmapss_rul.display.table import Table, to_markdown
from cmapss_rul.evaluation.predictions import predict_fleet
from cmapss_rul.experiments.summaries import Spread
from cmapss_rul.experiments.table import show_spread
from cmapss_rul.metrics.bootstrap import percentile_interval, resampled_rmse
from cmapss_rul.metrics.regression import SHORTEST_CUT
from cmapss_rul.system.files import write_atomic
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import restore

RESULTS = Path("configs/censored.json")
SHARES = (0.3, 0.6, 0.8)
SEEDS = (0, 1, 2, 3, 4)
ENGINES, TEST_ENGINES, TEST_SEED = 100, 100, 1000
WAYS = {
    "one-sided": "with a one-sided loss",
    "left out": "left out",
    "as failures": "taken as failures",
}
"""Treatments of censored records → their names in the table."""
_WINDOWS = 3200  # per epoch: the same number of steps for every number of records
_TRAIN: dict[str, Any] = {
    "epochs": 12, "batch_size": 128, "optimiser": "muon", "learning_rate": 5e-3, "warmup": 0.15,
    "clip": 10.0, "threads": 1,
}  # fmt: skip


class Cell(NamedTuple):
    """Run of the study."""

    share: float
    way: str
    seed: int

    @property
    def name(self) -> str:
        """Name of the run folder."""
        return f"{self.share:g}-{self.way.replace(' ', '-')}-s{self.seed}"


def cells() -> list[Cell]:
    """List all runs, seed by seed."""
    return [Cell(share, way, seed) for seed in SEEDS for share in SHARES for way in WAYS]


def training_rows(cell: Cell) -> NDArray[np.float64]:
    """Return the training rows of a run, [row, 27], the event in the last column."""
    rows, _ = censored_rows(Parameters(engines=ENGINES, seed=cell.seed), cell.share)
    return rows[rows[:, -1] == 1] if cell.way == "left out" else rows


def configuration(cell: Cell, file: Path, rows: int) -> RunConfig:
    """Return the configuration of a short training on a file with this number of rows."""
    sensors = list(LITERATURE_SENSORS)
    data = {"train": str(file), "sensors": sensors, "conditions": {"name": "none"}, "window": 60}
    if cell.way == "one-sided":
        data["event"] = EVENT
    share = min(1.0, round(_WINDOWS / (0.8 * rows), 3))
    return RunConfig.model_validate(
        {
            "seed": cell.seed,
            "data": data,
            "split": {"test": 0},
            "model": {"cnn": {"pool": 3}},
            "loss": {"rul": {"name": "mse"}},
            "balancer": {"name": "amnl"},
            "train": {**_TRAIN, "window_share": share},
        }
    )


def test_fleet() -> Fleet:
    """Return the full records of engines that no run trains on."""
    records = np.concatenate([*failure_records(TEST_SEED, TEST_ENGINES, 1, 1)])
    number, cycle = records[:, 0].astype(np.int64), records[:, 1].astype(np.int64)
    return Fleet.from_rows(number, cycle, records[:, 2:])


def engine_errors(run: Path, fleet: Fleet) -> list[float]:
    """Return [engine], expected squared error at a random cut of the record, cycles²."""
    model = restore(run)
    # the model accepts only its own columns
    own = Fleet.from_rows(
        fleet.engine, fleet.cycle, fleet.column_values(LITERATURE_SENSORS), LITERATURE_SENSORS
    )
    predicted = predict_fleet(model, own).rul
    true = cap_rul(run_to_failure_rul(fleet), model.config.data.cap)
    seen = np.arange(fleet.rows) - fleet.row_starts + 1
    kept = seen >= SHORTEST_CUT
    _, number = np.unique(fleet.engine[kept], return_inverse=True)
    squares = np.bincount(number, np.square(predicted - true)[kept]) / np.bincount(number)
    return [round(value, 4) for value in squares.tolist()]


def run_cell(cell: Cell, folder: Path, fleet: Fleet) -> list[float]:
    """Train and test a run, or read its saved result."""
    done = folder / f"{cell.name}.json"
    if done.exists():
        return list(json.loads(done.read_text(encoding="utf-8")))
    rows = training_rows(cell)
    file = folder / f"{cell.name}.csv"
    folder.mkdir(parents=True, exist_ok=True)
    header = ",".join((ENGINE, CYCLE, *COLUMNS, EVENT))
    np.savetxt(file, rows, fmt="%.10g", delimiter=",", header=header, comments="")
    run = folder / cell.name
    train(configuration(cell, file, len(rows)), run, resume=run.exists())
    errors = engine_errors(run, fleet)
    write_atomic(done, json.dumps(errors))
    return errors


def summarise_study(errors: Mapping[Cell, Sequence[float]]) -> dict[str, Any]:
    """Summarise the squared errors of runs, [engine] each, by share and way.

    For each share, only seeds with all treatments are included. Differences are mean over seeds of
    RMSE of the one-sided loss − RMSE of another treatment; the 95 % interval is a bootstrap over
    test engines, paired by engine and seed.
    """
    found: dict[str, Any] = {"engines": ENGINES, "test_engines": TEST_ENGINES, "shares": []}
    for share in SHARES:
        seeds = [s for s in SEEDS if all(Cell(share, way, s) in errors for way in WAYS)]
        if seeds:
            squares = {
                way: np.array([errors[Cell(share, way, seed)] for seed in seeds]) for way in WAYS
            }
            found["shares"].append({"share": share, "seeds": seeds, **_summarise(squares)})
    return found


def _summarise(squares: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Summarise one share: RMSE of each seed, and differences from the first treatment."""
    rmse = {way: np.sqrt(values.mean(axis=1)) for way, values in squares.items()}
    # the same bootstrap samples for all treatments, so that differences are paired
    drawn = {way: _resampled(values) for way, values in squares.items()}
    first, *others = WAYS
    differences = {
        way: {
            "mean": float((rmse[first] - rmse[way]).mean()),
            "interval": percentile_interval((drawn[first] - drawn[way]).mean(axis=0)),
            "seeds_better": int((rmse[first] < rmse[way]).sum()),
        }
        for way in others
    }
    return {"rmse": {way: v.tolist() for way, v in rmse.items()}, "difference": differences}


def _resampled(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    found = resampled_rmse(squares, np.arange(squares.shape[1]))
    assert found is not None
    return found


def censored_table(found: Mapping[str, Any]) -> str:
    """Tabulate the study in Markdown."""
    head = ["censored", *WAYS.values()]
    head += [f"one-sided − {WAYS[way]}" for way in [*WAYS][1:]]
    rows = []
    for entry in found["shares"]:
        spreads = [show_spread(Spread.of(entry["rmse"][way]), 2) for way in WAYS]
        differences = [
            "{:+.2f} ({:+.2f} to {:+.2f}), {} of {} seeds".format(
                part["mean"], *part["interval"], part["seeds_better"], len(entry["seeds"])
            )
            for part in entry["difference"].values()
        ]
        rows.append([f"{entry['share']:.0%}", *spreads, *differences])
    return to_markdown(Table("", head, rows))


def read_study(root: Path) -> dict[str, Any] | None:
    """Read the committed results; None if there are none."""
    path = root / RESULTS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def main() -> None:
    """Run the study, and write its results after each run."""
    folder, fleet = Path("runs/censored"), test_fleet()
    errors = {}
    for cell in cells():
        errors[cell] = run_cell(cell, folder, fleet)
        print(f"{cell.name}: RMSE {np.sqrt(np.mean(errors[cell])):.2f}", flush=True)
        write_atomic(RESULTS, json.dumps(summarise_study(errors), indent=1) + "\n")


if __name__ == "__main__":
    main()
