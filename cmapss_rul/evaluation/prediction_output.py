"""Formatting of predictions as CSV, JSON and a table, with warnings about unusual inputs."""

from collections.abc import Hashable, Iterator
from dataclasses import asdict
from typing import Any

import pandas as pd

from cmapss_rul.data.labels import health_class_names
from cmapss_rul.display.table import Table
from cmapss_rul.display.text import counted, json_text
from cmapss_rul.evaluation.intervals import interval_facts, interval_level
from cmapss_rul.evaluation.predict import STUCK_NOTE
from cmapss_rul.intervals.estimate import Estimate
from cmapss_rul.training.trained_model import TrainedModel


def unusual_inputs(table: pd.DataFrame) -> Iterator[str]:
    """Yield a warning for each kind of input outside the training data.

    Values in another unit, swapped columns or a stuck sensor give plausible predictions, and
    readers of a CSV file may overlook its last columns.
    """
    of = f"of {counted(len(table), 'prediction')}"
    if unknown := sum(known is False for known in table["condition_known"]):
        yield f"{unknown} {of} with an operating condition that did not occur in training"
    outside = [names.split() for names in table["sensors_out_of_range"] if names]
    if outside:
        names = ", ".join(dict.fromkeys(name for found in outside for name in found))
        yield f"{len(outside)} {of} with values outside the training range: {names}"
    if stuck := sum(STUCK_NOTE in note for note in table["note"]):
        yield f"{stuck} {of} with a sensor stuck at one value"


def to_csv(table: pd.DataFrame, *, full_precision: bool = False) -> str:
    """Format the table as CSV; unknown values are empty.

    Without `full_precision`, RUL, bounds and probabilities have three decimals, finer than the
    accuracy of any model.
    """
    if not full_precision:
        names = [name for name in map(str, table) if name.startswith(("rul", "p_"))]
        table = table.assign(**{name: table[name].map(_round) for name in names})
    return table.to_csv(index=False, lineterminator="\n")


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def to_table(table: pd.DataFrame, model: TrainedModel, common: str) -> Table:
    """Tabulate predictions for a terminal, with one decimal, and the common note below.

    `common` is the common end of all notes; see `common_note`.
    """
    data = model.config.data
    names = health_class_names(model.config.loss.health.boundaries, data.cap)
    rows = [
        [
            str(row["engine"]),
            str(row["cycle"]),
            f"{row['rul']:.1f}",
            "–" if row["rul_lower"] is None else f"{row['rul_lower']:.1f}–{row['rul_upper']:.1f}",
            names[row["health"]],
            "; ".join(_remarks(row, common)),
        ]
        for row in table.to_dict(orient="records")
    ]
    notes = [f"{common[:1].upper()}{common[1:]}.", f"{data.cap} {data.unit} means that or more."]
    head = ["engine", "cycle", "RUL", "interval", "health (RUL)", "remarks"]
    return Table("", head, rows, "lrrrll", notes)


def _remarks(row: dict[Hashable, Any], common: str) -> Iterator[str]:
    """Yield what is unusual about a row of the table."""
    # without the common part of the notes, which is shown once, below the table
    own = row["note"].removesuffix(common).removesuffix("; ")
    if own:
        yield own
    if row["padded"]:
        yield "shorter than the window"
    # `is False`, since None means unknown
    if row["condition_known"] is False:
        yield "unknown operating condition"
    if row["sensors_out_of_range"]:
        yield f"out of range: {row['sensors_out_of_range']}"


def to_json(
    table: pd.DataFrame,
    model: TrainedModel,
    level: float | None = None,
    estimate: Estimate = "rmse",
) -> str:
    """Format the table as strict JSON, with facts about the model; unknown values are null."""
    data, facts = model.config.data, interval_facts(model)
    content = {
        "model": {
            "checkpoint": str(model.path),
            "subset": data.fleet_name,
            "window": data.window,
            "cap": data.cap,
            "boundaries": list(model.config.loss.health.boundaries),
            "epoch": model.epoch,
            **({"folds": len(model.members)} if model.members else {}),
            # the level of these predictions; `facts` has the default level
            "intervals": facts and {**asdict(facts), "level": interval_level(model, level)},
            "estimate": estimate,
        },
        "predictions": table.to_dict(orient="records"),
    }
    return json_text(content) + "\n"
