"""Prediction for a user's engines, with flags for unusual inputs."""

from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.flights import read_flights
from cmapss_rul.data.records import ALLOW_GAPS, Records, read_file, read_records
from cmapss_rul.display.text import counted
from cmapss_rul.evaluation.intervals import (
    estimated_rul,
    interval_bounds,
    interval_caveat,
    interval_level,
    why_no_intervals,
)
from cmapss_rul.evaluation.predictions import predict_fleet
from cmapss_rul.intervals.estimate import Estimate
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.trained_model import TrainedModel, as_model

STUCK_NOTE = "stuck at one value: "
"""In the note of a prediction, before the names of the sensors."""


def predict(
    run_or_model: TrainedModel | PathLike[str] | str,
    table: pd.DataFrame | PathLike[str] | str | bytes,
    *,
    every_cycle: bool = False,
    level: float | None = None,
    estimate: Estimate = "rmse",
    allow_gaps: bool = False,
    engine: str | None = None,
    cycle: str | None = None,
    cycle_from_order: bool = False,
    name: str | None = None,
) -> pd.DataFrame:
    """Predict the RUL of engines from their records to date.

    Args:
        run_or_model: a trained model, or the path of a run or checkpoint, which is restored on
            the CPU.
        table: the records: a data frame, the path of a file (C-MAPSS text, CSV with a header,
            Parquet, Excel; also gzip or zip), or its bytes. For a model of N-CMAPSS also its
            HDF5 file, of which the test units are read.
        every_cycle: return one row per cycle instead of one per engine.
        level: coverage level of the intervals; by default the calibrated one nearest to 0.9.
        estimate: point estimate: 'rmse', that of the network, or 'nasa', the one with the lowest
            expected NASA score. Intervals are the same for both.
        allow_gaps: accept records with missing cycles, and mark them.
        engine: name of the engine column, if it differs from the training file and its aliases.
        cycle: name of the cycle column, likewise.
        cycle_from_order: the cycle column holds times, whose order defines the cycles.
        name: name of the table in error messages; by default the path.

    Returns:
        One row per prediction; see `predict_records`.

    Raises:
        CheckpointError: the checkpoint is invalid.
        DataError: the table is invalid; names the position.
        UsageError: the model was not calibrated at that level, or for that estimate.
        RulError: a prediction is not finite.

    >>> import cmapss_rul
    >>> table = cmapss_rul.predict("runs/demo-s0", "data/simulated/test_FD001.txt")
    >>> table[["engine", "cycle"]].iloc[0].tolist()
    [1, 195]
    >>> bool(table["rul"].between(0, 125).all())
    True
    """
    model = as_model(run_or_model)
    records = read_input(
        model,
        table,
        allow_gaps=allow_gaps,
        engine=engine,
        cycle=cycle,
        cycle_from_order=cycle_from_order,
        name=name,
    )
    return predict_records(model, records, every_cycle=every_cycle, level=level, estimate=estimate)


def read_input(
    model: TrainedModel,
    table: pd.DataFrame | PathLike[str] | str | bytes,
    *,
    allow_gaps: bool = False,
    engine: str | None = None,
    cycle: str | None = None,
    cycle_from_order: bool = False,
    name: str | None = None,
) -> Records:
    """Read the records of engines for a model; for arguments and errors, see `predict`."""
    content: pd.DataFrame | bytes
    if isinstance(table, pd.DataFrame | bytes):
        content, own_name = table, "the data frame" if isinstance(table, pd.DataFrame) else "bytes"
    elif model.config.data.flights is not None and Path(table).suffix in (".h5", ".hdf5"):
        # test units only, since the development units trained
        data = model.config.data
        return read_flights(
            Path(table), "test", virtual=data.virtual_sensors, stride=data.stride, labels=False
        ).records
    elif model.config.data.stride is not None:
        raise UsageError(
            f"{model.path} reads seconds of flights; expected an HDF5 file of N-CMAPSS (.h5, .hdf5)"
        )
    else:
        content, own_name = read_file(Path(table)), str(table)
    given = {"engine": engine, "cycle": cycle, "cycle_from_order": cycle_from_order}
    return read_records(
        content,
        own_name if name is None else name,
        # a copy, since these column names are for this file only
        model.config.data.model_copy(update={key: value for key, value in given.items() if value}),
        model.preprocessor.conditions,
        gaps=None if allow_gaps else ALLOW_GAPS,
    )


def predict_records(
    model: TrainedModel,
    records: Records,
    *,
    every_cycle: bool = False,
    level: float | None = None,
    estimate: Estimate = "rmse",
) -> pd.DataFrame:
    """Predict the RUL of each engine at the end of its record, or at every cycle.

    The RUL equals that of an evaluation of the same records.

    `level` is the level of the intervals; None for the calibrated one nearest to 0.9. With
    `estimate` 'nasa', only the columns `rul` and `note` differ.

    Raises:
        UsageError: the model was not calibrated at that level, or for that estimate.
        RulError: a prediction is not a finite number.
    """
    level = interval_level(model, level)
    fleet = records.fleet
    rows = fleet.cycle_ends if every_cycle else fleet.last_rows
    found = predict_fleet(model, fleet, rows, records.names)
    bounds = (None, None) if level is None else interval_bounds(model, found.rul, level)
    # object columns, which preserve None
    lower, upper = (pd.Series([None] * len(rows) if x is None else x, dtype=object) for x in bounds)
    columns: dict[str, Any] = {
        # a fleet numbers its engines from 1
        "engine": [records.names[number - 1] for number in found.engine],
        "cycle": found.cycle,
        "cycles_seen": fleet.cycles_seen[rows],
        "rul": estimated_rul(model, found.rul, estimate),
        "rul_lower": lower,
        "rul_upper": upper,
        "health": found.health,
        **{f"p_{k}": column for k, column in enumerate(found.probabilities.T)},
        "padded": found.padded,
        "condition_known": pd.Series(_known_conditions(model, records, rows), dtype=object),
        "sensors_out_of_range": _sensors_out_of_range(model, fleet, rows),
        "note": _notes(model, records, rows, common_note(model, records, level, estimate)),
    }
    return pd.DataFrame(columns)


def _known_conditions(
    model: TrainedModel, records: Records, rows: NDArray[np.int64]
) -> list[bool | None]:
    """Return whether all operating conditions in a window occurred in training.

    None if the file lacks the condition columns.
    """
    marks = model.preprocessor.unknown_condition(records.fleet)[:, None]
    # anywhere in the window, since all of it is the network's input
    unknown = any_in_window(marks, records.fleet, rows, model.config.data.window)[:, 0]
    otherwise = True if records.has_condition_columns else None
    return [False if is_unknown else otherwise for is_unknown in unknown]


def _sensors_out_of_range(model: TrainedModel, fleet: Fleet, rows: NDArray[np.int64]) -> list[str]:
    """Return the names of the sensors outside the training range anywhere in each window."""
    names, data = model.preprocessor.columns, model.config.data
    sensors = [i for i, name in enumerate(names) if name in data.sensor_names]
    beyond = model.preprocessor.out_of_range(fleet)[:, sensors]
    marked = any_in_window(beyond, fleet, rows, data.window)
    return [" ".join(names[sensors[i]] for i in np.flatnonzero(row)) for row in marked]


def _notes(
    model: TrainedModel, records: Records, rows: NDArray[np.int64], common: str
) -> list[str]:
    fleet = records.fleet
    # in another unit than cycles, neither start nor gaps are unusual
    start = fleet.cycle[fleet.row_starts[rows]] if model.config.data.counts_cycles else 1
    held = stuck = [""] * len(rows)
    if fleet.held is not None:
        marked = any_in_window(fleet.held, fleet, rows, model.config.data.window)
        held = [" ".join(np.array(fleet.columns)[columns]) for columns in marked]
    if (unchanged := model.preprocessor.stuck(fleet, rows)) is not None:
        stuck = [" ".join(np.array(model.preprocessor.columns)[columns]) for columns in unchanged]
    starts = np.broadcast_to(start, len(rows))
    parts = zip(starts, records.missing_cycles[rows], held, stuck, strict=True)
    return ["; ".join([*_record_notes(*part), common]) for part in parts]


def _record_notes(first_cycle: int, missing: int, held: str, stuck: str) -> list[str]:
    notes = []
    # relevant because the cycle count, an input, includes cycles that were not recorded
    if first_cycle != 1:
        notes.append(f"the record starts at cycle {first_cycle}")
    if missing:
        notes.append(f"the record lacks {counted(missing, 'cycle')} in between")
    if held:
        notes.append(f"empty cells hold earlier values: {held}")
    if stuck:
        notes.append(STUCK_NOTE + stuck)
    return notes


def common_note(
    model: TrainedModel, records: Records, level: float | None = None, estimate: Estimate = "rmse"
) -> str:
    """Return the part of the notes that is common to all predictions."""
    note = _interval_note(model, interval_level(model, level))
    if estimate == "nasa":
        note = f"RUL with the lowest expected NASA score; {note}"
    if not records.has_condition_columns:
        note += "; the file lacks settings, so the operating condition was not checked"
    return note


def _interval_note(model: TrainedModel, level: float | None) -> str:
    """Describe level, source and caveat of the intervals, or why there are none."""
    if level is None or model.calibration is None:
        return f"no intervals: {why_no_intervals(model)}"
    source = f"{len(model.calibration.engines)} {model.calibration.kind} engines"
    caveat = interval_caveat(model)
    return f"interval at level {level:g} from {source}" + (f": {caveat}" if caveat else "")


def any_in_window(
    marks: NDArray[np.bool_], fleet: Fleet, rows: NDArray[np.int64], length: int
) -> NDArray[np.bool_]:
    """Return [window, column], whether any row of the window is marked.

    `marks` are [row, column]; the windows end at `rows` [window] and have `length` rows, without
    rows before the start of the record.
    """
    # differences of cumulative counts: one pass over the rows instead of one per window
    counts = np.zeros((len(marks) + 1, marks.shape[1]), dtype=np.int64)
    np.cumsum(marks, axis=0, out=counts[1:])
    starts = np.repeat(fleet.record_starts, fleet.record_lengths)
    first = np.maximum(rows + 1 - length, starts[rows])
    return np.asarray(counts[rows + 1] > counts[first])
