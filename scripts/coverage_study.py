"""Coverage of the prediction intervals at the last cycle of test records, on simulated fleets.

    python -m scripts.coverage_study    train 20 small runs, write configs/coverage.json

Each fleet has 100 training engines, 40 of them for validation and calibration, and 100 test
engines, whose records end at a random cycle. Finished fleets are kept, so that an interrupted
study can be resumed. `scripts/write-tables` then writes the table into its page.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cmapss_rul.data.simulate import simulate
from cmapss_rul.data.testset import read_test_set
from cmapss_rul.display.table import Table, to_markdown
from cmapss_rul.evaluation.predictions import label_fleet, predict_fleet
from cmapss_rul.intervals.conformal import DEFAULT_LEVELS
from cmapss_rul.metrics.regression import band_name, in_band, rul_bands
from cmapss_rul.system.files import write_atomic
from cmapss_rul.training.config import RunConfig, load_config
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import restore

RESULTS = Path("configs/coverage.json")
FLEETS, ENGINES, VALIDATION = 20, 100, 0.4
FEWEST = 200
"""Minimum number of test engines for a verdict on the coverage of a band."""


def configuration(seed: int, folder: Path) -> RunConfig:
    """Return the configuration of a short training on one fleet."""
    changes = [
        f"seed={seed}", f"data.dir={folder}", f"split.validation={VALIDATION}", "train.epochs=3",
        "train.threads=1",
    ]  # fmt: skip
    return load_config("demo", changes)


def run_fleet(seed: int, root: Path) -> dict[str, list[Any]]:
    """Train on one fleet and predict its test engines, or read the saved result.

    Returns:
        `predicted`, [engine]; `true`, [engine], capped; `held`, [level][engine], true if the
        interval contains the true RUL.
    """
    done, folder, run = root / f"{seed}.json", root / f"fleet-{seed}", root / f"run-{seed}"
    if done.exists():
        return dict(json.loads(done.read_text(encoding="utf-8")))
    simulate(folder, engines=ENGINES, seed=seed)
    train(configuration(seed, folder), run, resume=run.exists(), device="cpu")
    model = restore(run)
    tested = read_test_set(model.config.data.moved_to(folder), model.config.split, progress=False)
    assert tested.rul is not None
    assert model.calibration is not None
    fleet, cap = tested.fleet, model.config.data.cap
    predicted = predict_fleet(model, fleet, fleet.last_rows).rul
    true = label_fleet(model.config, fleet, tested.rul).capped[fleet.last_rows]
    held = []
    for level in DEFAULT_LEVELS:
        lower, upper = model.calibration.bounds(predicted, level, cap)
        held.append(((lower <= true) & (true <= upper)).tolist())
    found = {"predicted": predicted.tolist(), "true": true.tolist(), "held": held}
    write_atomic(done, json.dumps(found))
    return found


def summarise_study(found: Sequence[Mapping[str, Any]], cap: int = 125) -> dict[str, Any]:
    """Count test engines and covered test engines of all fleets, by level and RUL band.

    `p` is the probability of this number of covered engines or fewer if the coverage equals the
    level (one-sided binomial test).
    """
    predicted = np.concatenate([fleet["predicted"] for fleet in found])
    levels = []
    for index, level in enumerate(DEFAULT_LEVELS):
        held = np.concatenate([fleet["held"][index] for fleet in found])
        bands = [
            {"band": band_name(low, below), **_count(held[in_band(predicted, low, below)])}
            for low, below in rul_bands(cap)
        ]
        p = float(special.bdtr(int(held.sum()), len(held), level))
        levels.append({"level": level, **_count(held), "p": round(p, 4), "bands": bands})
    return {"fleets": len(found), "calibrating": round(VALIDATION * ENGINES), "levels": levels}


def _count(held: NDArray[np.bool_]) -> dict[str, int]:
    return {"engines": len(held), "covered": int(held.sum())}


def failures(found: Mapping[str, Any]) -> list[str]:
    """List undercoverage: levels with p ≤ 5 %, and large bands more than 5 points too low."""
    short = []
    for entry in found["levels"]:
        if entry["p"] <= 0.05:
            short.append(f"level {entry['level']:g}: {entry['covered']} of {entry['engines']}")
        short += [
            f"level {entry['level']:g}, {band['band']}: {band['covered']} of {band['engines']}"
            for band in entry["bands"]
            if band["engines"] >= FEWEST
            and band["covered"] < (entry["level"] - 0.05) * band["engines"]
        ]
    return short


def coverage_study_table(found: Mapping[str, Any]) -> str:
    """Tabulate the study in Markdown."""
    bands = [f"{band['band']} ({band['engines']:,})" for band in found["levels"][0]["bands"]]
    engines = found["levels"][0]["engines"]
    rows = [
        [
            f"{entry['level']:g}",
            f"{entry['covered'] / entry['engines']:.3f}",
            f"{entry['p']:.2g}",
            *(
                f"{band['covered'] / band['engines']:.2f}" if band["engines"] else "–"
                for band in entry["bands"]
            ),
        ]
        for entry in found["levels"]
    ]
    head = ["level", f"coverage ({engines:,} engines)", "p", *bands]
    return to_markdown(Table("", head, rows))


def read_coverage_study(root: Path) -> dict[str, Any] | None:
    """Read the committed results; None if there are none."""
    path = root / RESULTS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def main() -> None:
    """Run the study, write its results and print undercoverage."""
    root, found = Path("runs/coverage"), []
    root.mkdir(parents=True, exist_ok=True)
    for seed in range(FLEETS):
        found.append(run_fleet(seed, root))
        share = np.mean(found[-1]["held"], axis=1)
        print(f"fleet {seed}: {', '.join(f'{x:.2f}' for x in share)}", flush=True)
    summary = summarise_study(found)
    write_atomic(RESULTS, json.dumps(summary, indent=1) + "\n")
    print(coverage_study_table(summary))
    print("\n".join(failures(summary)) or "no undercoverage at any level or in any large band")


if __name__ == "__main__":
    main()
