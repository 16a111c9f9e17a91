"""An evaluation for people: one table, and under it the protocol."""

import math
from collections.abc import Iterator
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cmapss_rul.evaluation.evaluate import Evaluation
from cmapss_rul.evaluation.interval_table import interval_notes, interval_tables
from cmapss_rul.system.text import printable

_YARDSTICKS = {"test_mean": "oracle", "train_mean": "train mean"}

HEAD = ("RMSE", "95 %", "MAE", "bias", "NASA", "mean")

_COMPARE = (
    "floor: a perfect predictor under the cap; oracle: the mean of the test labels, which it "
    "knows; train mean: of the training labels; each on last windows"
)


def render(evaluation: Evaluation) -> RenderableType:
    """Lay out figures, what they compare with, intervals, health and protocol in 80 columns."""
    protocol = evaluation.protocol
    title = f"{protocol.subset} · {protocol.files} · one seed ({protocol.seed})"
    return Group(
        Text(title, style="bold"),
        _figures(evaluation),
        *interval_tables(evaluation.intervals),
        _notes(evaluation),
    )


def _figures(evaluation: Evaluation) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("windows, labels")
    for name in HEAD:
        table.add_column(name, justify="right", no_wrap=True)
    for windows, of_windows in evaluation.metrics.items():
        for labels, values in of_windows.items():
            table.add_row(f"{windows}, {labels}", *cells(values))
    table.add_section()
    for name, values in comparisons(evaluation):
        table.add_row(name, *cells(values), style="dim")
    return table


def comparisons(evaluation: Evaluation) -> Iterator[tuple[str, dict[str, Any]]]:
    """What the last-window figures must be compared with."""
    yield "floor, raw", evaluation.floors["last"]["raw"]
    for key, name in _YARDSTICKS.items():
        for labels, values in evaluation.baselines[key]["last"].items():
            yield f"{name}, {labels}", values


def cells(values: dict[str, Any]) -> list[str]:
    """RMSE with its interval, MAE, bias, NASA score and its mean, in the order of `HEAD`."""
    interval = values.get("rmse_interval")
    return [
        number(values["rmse"], 2),
        f"{number(interval[0], 1)}–{number(interval[1], 1)}" if interval else "",
        number(values["mae"], 2),
        number(values["bias"], 2),
        number(values["nasa"], 0),
        number(values["nasa_mean"], 2),
    ]


def number(value: float, decimals: int) -> str:
    """Round, in few characters.

    >>> number(164681.2, 0), number(-0.004, 2), number(3e250, 0), number(math.inf, 2)
    ('164,681', '0.00', '3.0e+250', '∞')
    """
    if math.isinf(value):
        return "∞"
    if abs(value) >= 1e7:
        return f"{value:.1e}"
    decimals = decimals if abs(value) < 1e4 else 0
    return f"{round(value, decimals) + 0.0:,.{decimals}f}"  # + 0.0 takes the sign off −0


def _notes(evaluation: Evaluation) -> Table:
    notes = Table.grid(padding=(0, 2))
    notes.add_column(no_wrap=True)
    notes.add_column(overflow="fold")
    for name, text in [
        ("windows", "last: the last one of each engine; every: one a cycle"),
        ("95 %", "interval of the RMSE by bootstrap over engines"),
        ("bias", "predicted − true, cycles"),
        ("NASA", "sum of the score, and its mean per window; lower is better"),
        ("compare with", _COMPARE),
        *interval_notes(evaluation.intervals),
        *((f"health, {windows}", _health(value)) for windows, value in evaluation.health.items()),
        *evaluation.protocol.lines(),
    ]:
        notes.add_row(Text(name, style="bold"), Text(printable(text)))
    return notes


def _health(values: dict[str, Any]) -> str:
    return (
        f"accuracy {values['accuracy']:.3f}, macro F1 {values['macro_f1']:.3f}; of the "
        f"probabilities: ECE {values['ece']:.3f}, Brier score {values['brier']:.3f}"
    )
