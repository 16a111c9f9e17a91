"""Simulated fleets with censored records, and a separate file with the true RUL."""

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cmapss_rul.data.columns import COLUMNS, CYCLE, ENGINE, subset_of
from cmapss_rul.data.degradation import DECIMALS, MIN_RECORD, failure_records
from cmapss_rul.data.simulate import Parameters, SimulationResult, fixed_point
from cmapss_rul.data.verification import manifest_path
from cmapss_rul.system.errors import DataError, UsageError
from cmapss_rul.system.files import save_file

FLEET, TRUTH = "fleet_censored.csv", "truth_censored.csv"
EVENT = "failed"
MAX_CENSORED_ENGINES = 10_000
"""Bounds the memory: whole files are built in memory, with 200 bytes per row."""


def censored_rows(
    parameters: Parameters, share: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Simulate run-to-failure records, and truncate a share of them at random.

    The engines are those of the training file with the same parameters. The censored ones are
    drawn independently of their lives, and truncated uniformly between cycle 20 and the last but
    one, so the censoring is not informative.

    Returns:
        rows: [row, 27], unit, cycle, settings, sensors, and 1 where the record ends with the
            failure, else 0.
        rul: [engine], RUL at the end of each record, cycles.
    """
    p = parameters
    records = np.concatenate([*failure_records(p.seed, p.engines, p.conditions, p.faults)])
    unit, life = np.unique(records[:, 0].astype(np.int64), return_counts=True)
    rng = np.random.default_rng([p.seed, p.conditions, p.faults, 2])
    order, place = rng.permutation(p.engines), rng.random(p.engines)
    censored = order < round(share * p.engines)
    end = MIN_RECORD + (place * (life - MIN_RECORD)).astype(np.int64)
    end = np.where(censored, end, life)
    kept = records[records[:, 1] <= end[unit - 1].repeat(life)]
    failed = ~censored[kept[:, 0].astype(np.int64) - 1]
    return np.column_stack([kept, failed]), life - end


def simulate_censored(directory: Path, parameters: Parameters, share: float) -> SimulationResult:
    """Write a fleet as CSV, its true RUL, and a manifest; identical files are left unchanged.

    Raises:
        UsageError: the share is out of range, or the fleet is too large.
        DataError: a file exists with another content, or cannot be written.
    """
    engines = parameters.engines
    if not 0 <= share < 1:
        raise UsageError(f"censored: found {share:g}, expected a share from 0 to below 1")
    if engines > MAX_CENSORED_ENGINES:
        raise UsageError(
            f"engines: found {engines}, expected at most {MAX_CENSORED_ENGINES} with censored"
        )
    rows, rul = censored_rows(parameters, share)
    header = ",".join((ENGINE, CYCLE, *COLUMNS, EVENT)).encode()
    truth = np.column_stack([np.arange(1, engines + 1), rul, rul == 0]).astype(float)
    files = {
        FLEET: _csv(header, rows, (*DECIMALS, 0)),
        TRUTH: _csv(b"unit,rul_at_end,failed", truth, (0, 0, 0)),
    }
    manifest = {
        "simulated": True,
        "note": "simulated by `rul simulate --censored`; not NASA's data",
        "format_version": 1,
        "parameters": {**asdict(parameters), "censored": share},
        "files": {name: sha256(content).hexdigest() for name, content in files.items()},
    }
    unchanged = _same_files(directory, files)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{directory}: cannot be written: {error.strerror or error}") from error
    # before the files, which without a manifest would not be marked as simulated
    path = manifest_path(directory, subset_of(FLEET))
    save_file(path, json.dumps(manifest, indent=2) + "\n")
    written = tuple(name for name in files if name not in unchanged)
    for name in written:
        save_file(directory / name, files[name])
    return SimulationResult(parameters, written, unchanged)


def _same_files(directory: Path, files: dict[str, bytes]) -> tuple[str, ...]:
    """Return the names of the files that exist with this content.

    Raises:
        DataError: a file exists with another content.
    """
    found = [name for name in files if (directory / name).exists()]
    for name in found:
        if (directory / name).read_bytes() != files[name]:
            raise DataError(
                f"{directory / name}: exists with another content; use another folder, or the "
                "same parameters"
            )
    return tuple(found)


def _csv(header: bytes, rows: NDArray[np.float64], decimals: tuple[int, ...]) -> bytes:
    text = fixed_point(rows, decimals).replace(b" \n", b"\n").replace(b" ", b",")
    return header + b"\n" + text
