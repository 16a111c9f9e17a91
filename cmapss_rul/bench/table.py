"""A benchmark for people."""

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cmapss_rul.bench.machine import sentence
from cmapss_rul.bench.requirements import remarks, rows
from cmapss_rul.display.text import printable


def render(result: Mapping[str, Any]) -> RenderableType:
    """Lay a result out for the terminal: medians, spreads, and what must be reached."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column("figure", overflow="fold")
    for name in ("median ± spread", "must reach", "does"):
        table.add_column(name, justify="right")
    for row in rows(result):
        table.add_row(row.key, row.value, row.requirement, _word(row.met))
    lines = [
        f"{result['subset']}, {result['files']}, {result['threads']} threads a side, "
        f"{result['minutes']:.1f} minutes",
        sentence(result["machine"]),
    ]
    notes = [*lines, *remarks(result)]
    return Group(table, *(Text(printable(note)) for note in ["", *notes]))


def render_scale(result: Mapping[str, Any]) -> RenderableType:
    """Lay the points of a measurement of scale out."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    for name in ("engines", "window", "from", "rows", "seconds", "µs a row", "B a row"):
        table.add_column(name, justify="right")
    for point in result["points"]:
        table.add_row(
            f"{point['engines']:,}",
            str(point["window"]),
            "cache" if point["cached"] else "text",
            f"{point['rows']:,}",
            f"{point['seconds']:.2f}",
            f"{point['microseconds_a_row']:.2f}",
            f"{point['bytes_a_row']:,.0f}",
        )
    return Group(table, Text("\n" + printable(sentence(result["machine"]))))


def _word(met: bool | None) -> str:
    return "" if met is None else ("yes" if met else "NO")
