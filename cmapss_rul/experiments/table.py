"""Rendering of a comparison: tables, findings and notes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from cmapss_rul.display.table import Bold, Table, terminal_text, to_terminal
from cmapss_rul.display.text import row_noun
from cmapss_rul.evaluation.protocol import EVERY_FLIGHT
from cmapss_rul.experiments.results import Comparison, MeanRanks, equivalence_findings
from cmapss_rul.experiments.summaries import (
    C,
    CellProtocol,
    CellSummary,
    Spread,
    by_config,
    marked_config,
    marked_label,
)

if TYPE_CHECKING:  # rich takes a tenth of a second to import
    from rich.console import RenderableType

_MOST_SENTENCES = 12
"""Maximum number of pairs that are all listed; of more, only significant ones."""

Columns = Mapping[str, Callable[[CellSummary], str]]
"""Formatter of a cell, by column heading."""


def show_spread(value: Spread, decimals: int) -> str:
    """Format mean ± sd, as far as defined.

    >>> show_spread(Spread(mean=12.345, sd=0.5), 2), show_spread(Spread(mean=None, sd=None), 2)
    ('12.35 ± 0.50', '–')
    """
    if value.mean is None:
        return "–"
    sd = "" if value.sd is None else f" ± {value.sd:,.{decimals}f}"
    return f"{value.mean:,.{decimals}f}{sd}"


def show_share(value: Spread) -> str:
    """Format a mean share in per cent.

    >>> show_share(Spread(mean=0.256, sd=0.1))
    '26%'
    """
    return "–" if value.mean is None else f"{value.mean:.0%}"


SCORE_COLUMNS: Columns = {
    "RMSE": lambda cell: show_spread(cell.rmse, 2),
    "NASA": lambda cell: show_spread(cell.nasa, 0),
    "RMSE raw": lambda cell: show_spread(cell.last_raw.rmse, 2),
    "every cycle": lambda cell: show_spread(cell.every_capped.rmse, 2),
}
TRAINING_COLUMNS: Columns = {
    "seeds": lambda cell: str(cell.n_seeds),
    "validation": lambda cell: show_spread(cell.validation.rmse, 2),
    "clipped": lambda cell: show_share(cell.clipped_share),
    "epochs": lambda cell: show_spread(cell.epochs, 0),
    "seconds": lambda cell: show_spread(cell.seconds, 0),
}


def render(comparison: Comparison) -> "RenderableType":
    """Render a comparison for a terminal of 80 columns."""
    from rich.console import Group

    seeds = len(comparison.grid.seeds)
    over = f"mean ± sd over {seeds} seeds" if seeds > 1 else "one seed"
    # two tables, since one with all columns would be too wide
    parts = [
        terminal_text(Bold(f"grid {comparison.grid.digest} · {over}")),
        to_terminal(grouped_table(comparison.cells, SCORE_COLUMNS)),
        to_terminal(grouped_table(comparison.cells, TRAINING_COLUMNS)),
    ]
    if (ranks := comparison.shown_ranks) is not None:
        parts.append(to_terminal(rank_table(ranks, f"over {', '.join(ranks.configs)}")))
    notes = (f"note: {note}" for note in comparison.notes)
    return Group(*parts, *map(terminal_text, (*findings(comparison), *notes)))


def grouped_table(
    cells: Sequence[C], columns: Mapping[str, Callable[[C], str]], title: str = ""
) -> Table:
    """Return a table of cells, grouped by configuration."""
    rows: list[list[str]] = []
    for group in by_config(cells).values():
        rows.append([Bold(marked_config(group[0]))])
        rows += cell_rows(group, columns, marked_label)
    return Table(title, ["cell", *columns], rows)


def cell_rows(
    cells: Iterable[C], columns: Mapping[str, Callable[[C], str]], name: Callable[[C], str]
) -> list[list[str]]:
    """Return one row per cell: its name, then a text for each column."""
    return [[name(cell), *(show(cell) for show in columns.values())] for cell in cells]


def rank_table(ranks: MeanRanks, heading: str, title: str = "") -> Table:
    """Return a table of mean ranks, the lowest first."""
    rows = [[label, f"{mean:.2f}"] for label, mean in ranks.ascending()]
    return Table(title, [heading, "mean rank"], rows)


def findings(comparison: Comparison) -> Iterator[str]:
    """Yield the meaning of the metrics, their protocol, and the findings."""
    yield f"RMSE and NASA score: {scored_at(comparison.cells)}, capped labels; 'raw': raw labels."
    yield (
        "'every cycle': one window per cycle, capped labels. 'validation': validation RMSE. "
        "Predictions are clamped to [0, cap]."
    )
    protocols = (cell.protocol for cell in comparison.cells if cell.protocol is not None)
    yield from (f"protocol: {line}" for line in dict.fromkeys(map(describe_protocol, protocols)))
    yield from pair_findings(comparison.pairs, "comparison.json has a sentence for each")
    yield from (f"· {line}" for line in equivalence_findings(comparison.pairs))
    for entry in (*(comparison.oracle or ()), *(comparison.leak or ())):
        yield f"· {entry.sentence}"


def scored_at(cells: Iterable[CellSummary]) -> str:
    """Describe the windows of the main test metrics of cells."""
    places = {cell.protocol.scored_at for cell in cells if cell.protocol is not None}
    last = "last window of each test engine"
    if EVERY_FLIGHT not in places:
        return last
    return EVERY_FLIGHT + (f" of N-CMAPSS, else {last}" if places - {EVERY_FLIGHT} else "")


def describe_protocol(protocol: CellProtocol) -> str:
    """Summarise the protocol of a cell in one line."""
    split = protocol.split
    calibration = split.calibration_engines
    auxiliary = " and ".join(f"{count} of {name}" for name, count in protocol.auxiliary.items())
    engines = f"{split.training_engines} train, {split.validation_engines} validate"
    if split.folds:
        engines = f"ensemble of {split.folds} folds of {split.training_engines} engines"
    rows = f"{row_noun(protocol.unit)}s"
    if protocol.stride is not None:
        rows = f"rows {protocol.stride} s apart"
    return (
        f"{protocol.subset}, {protocol.files}; {protocol.engines} test engines "
        f"({protocol.padded} padded), {protocol.windows:,} windows of {protocol.window} "
        f"{rows}; cap {protocol.cap}; split by {split.by}, {engines}"
        + (f", {calibration} calibrate the intervals" if calibration else "")
        + (f", all {auxiliary} train too" if auxiliary else "")
        + f"; selection: {protocol.selection}"
    )


class _AnyPair(Protocol):
    @property
    def shown(self) -> bool: ...
    @property
    def sentence(self) -> str: ...


def pair_findings(pairs: Sequence[_AnyPair], where_all_are: str) -> Iterator[str]:
    """Yield the sentences of pairs; of many pairs, only those with a significant difference."""
    if len(pairs) <= _MOST_SENTENCES:
        yield from (f"· {pair.sentence}" for pair in pairs)
        return
    shown = [pair for pair in pairs if pair.shown]
    yield from (f"· {pair.sentence}" for pair in shown)
    yield (
        f"· no difference shown in {len(pairs) - len(shown)} of {len(pairs)} pairs; {where_all_are}"
    )
