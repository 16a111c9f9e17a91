"""How often intervals held, for people."""

from collections.abc import Iterator
from typing import Any

from rich import box
from rich.table import Table

from cmapss_rul.metrics.regression import band_name
from cmapss_rul.system.text import printable


def interval_tables(intervals: dict[str, Any]) -> Iterator[Table]:
    """One table of the levels, and one of the bands of true RUL at the level nearest to 0.9.

    Args:
        intervals: what `coverage_of` found.
    """
    for head, rows in interval_rows(intervals):
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        for i, name in enumerate(head):
            table.add_column(name, justify="right" if i else "left", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        yield table


_BAND_HEAD = ("last", "width", "engines", "every", "width", "engines", "windows")

Rows = tuple[list[str], list[list[str]]]


def interval_rows(intervals: dict[str, Any]) -> Iterator[Rows]:
    """Head and rows of both tables; nothing without intervals.

    Args:
        intervals: what `coverage_of` found.
    """
    if not intervals["levels"]:
        return
    ways = ("last", "every")
    yield (
        ["interval", "last", "95 %", "width", "raw", "every", "95 %", "width", "raw"],
        [
            [f"{found['level']:g}", *(cell for way in ways for cell in _cells(found[way]))]
            for found in intervals["coverage"]
        ],
    )
    level = intervals["level"]
    found = next(found for found in intervals["coverage"] if found["level"] == level)
    yield (
        [f"true RUL, {level:g}", *_BAND_HEAD],
        [
            [band_name(last["from"], last["below"]), *_of_band(last)[:-1], *_of_band(every)]
            for last, every in zip(found["last"]["bands"], found["every"]["bands"], strict=True)
        ],
    )


def _cells(found: dict[str, Any]) -> list[str]:
    low, high = found["capped"]["interval"]
    return [
        f"{found['capped']['coverage']:.3f}",
        f"{low:.2f}–{high:.2f}",
        f"{found['capped']['width']:.1f}",
        f"{found['raw']['coverage']:.3f}",
    ]


def _of_band(band: dict[str, Any]) -> list[str]:
    found = band["capped"]
    if found is None:
        return ["–", "–", "0", "0"]
    return [
        f"{found['coverage']:.3f}",
        f"{found['width']:.1f}",
        str(found["engines"]),
        f"{found['windows']:,}",
    ]


def interval_notes(intervals: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What must be said about the intervals: what, and how it was done."""
    if not intervals["levels"]:
        yield "intervals", f"none: {printable(intervals['why'])}"
        return
    kind = intervals["mark"] or "kept for this alone, so fewer trained"
    yield (
        "intervals",
        f"conformal, from {intervals['engines']} {intervals['kind']} engines ({kind}); errors "
        f"{_FORMS[intervals['form']]}",
    )
    yield "interval", f"its level, what is promised: {intervals['promise']}"
    above = {
        windows: intervals["coverage"][0][windows]["raw"]["above_cap"]
        for windows in ("last", "every")
    }
    yield (
        "last, every",
        "share that the intervals hold, capped labels, each engine weighing the same; 95 %: "
        "binomial with the engines as trials; an upper end at the cap means 'the cap or more'",
    )
    yield (
        "raw",
        "the same on raw labels, where no interval holds a RUL above the cap: that is "
        f"{above['last']:.1%} of the engines at their last windows, {above['every']:.1%} of every",
    )


_FORMS = {
    "normalised": "in units of what is usual around the predicted RUL",
    "bins": "in units of what is usual in the predicted RUL's bin",
}
