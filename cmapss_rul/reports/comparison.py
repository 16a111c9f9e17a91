"""The report of a comparison, from the files of `rul compare`."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cmapss_rul.display.plotting import FORMATS
from cmapss_rul.display.table import Table
from cmapss_rul.display.text import counted
from cmapss_rul.evaluation.tables import number
from cmapss_rul.experiments.results import Comparison, Pair, equivalence_findings
from cmapss_rul.experiments.summaries import (
    CellSummary,
    by_config,
    join_units,
    marked_config,
    marked_label,
)
from cmapss_rul.experiments.table import (
    TRAINING_COLUMNS,
    Columns,
    cell_rows,
    describe_protocol,
    rank_table,
    scored_at,
    show_spread,
)
from cmapss_rul.reports.page import (
    Column,
    Lines,
    Missing,
    Page,
    PageTable,
    Part,
    Plot,
    Section,
    Text,
    write_page,
)
from cmapss_rul.system.errors import RulError

_PLOTS = {
    "rmse_by_balancer": "Test RMSE by seed; bars: means",
    "ranks": "Mean rank over configurations",
    "learning_curves": "Validation RMSE by epoch; thin lines: seeds, thick lines: means",
    "weights": "Weights of the losses by epoch; thin lines: seeds, thick lines: means",
    "oracle": "RMSE of the selected epoch less that of the best test epoch, by seed; bars: means",
}

_METRIC_COLUMNS: Columns = {
    "RMSE": lambda cell: show_spread(cell.rmse, 2),
    "95 % CI over engines": lambda cell: _interval(cell.rmse_interval_over_engines),
    "NASA score": lambda cell: show_spread(cell.nasa, 0),
    "raw": lambda cell: show_spread(cell.last_raw.rmse, 2),
    "every cycle": lambda cell: show_spread(cell.every_capped.rmse, 2),
}
_CODE_COLUMNS: Columns = {
    "configuration": lambda cell: cell.config_digest[:12],
    "commit": lambda cell: (cell.commit or "unknown")[:12],
    "versions": lambda cell: ", ".join(f"{name} {v}" for name, v in cell.versions.items()),
}


def report_comparison(path: Path, output: Path) -> list[Path]:
    """Report on comparison.json and the plots beside it; nothing is trained or evaluated again.

    Raises:
        RulError: comparison.json is not as `rul compare` writes it, or writing fails.
    """
    try:
        comparison = Comparison.load(path)
    except (OSError, ValueError) as error:
        raise RulError(
            # the first 200 characters: a validation error lists every malformed entry
            f"{path}: cannot be read ({str(error)[:200]}); call rul compare again"
        ) from error
    return write_page(comparison_page(path.parent, comparison), output)


def comparison_page(folder: Path, comparison: Comparison) -> Page:
    """Build the page of a comparison whose plots are in a folder."""
    cells, seeds = comparison.cells, comparison.grid.seeds
    subsets = ", ".join(dict.fromkeys(cell.subset for cell in cells))
    many = f"{len(seeds)} seeds" if len(seeds) > 1 else "one seed"
    best = {config: _best_cell(group) for config, group in by_config(cells).items()}
    sections = [
        ("metrics", "Test metrics", _metrics(folder, comparison)),
        ("differences", "Differences", _differences(folder, comparison)),
        ("training", "Training", _training(folder, comparison)),
        ("provenance", "Configurations, versions and digests", _provenance(cells)),
    ]
    filled = [(anchor, title, list(parts)) for anchor, title, parts in sections]
    return Page(
        title=f"{folder.resolve().name}: {counted(len(cells), 'cell')} compared",
        subtitle=f"{subsets}; {many} each; grid {comparison.grid.digest}",
        key_metrics=[
            (f"{config}: lowest RMSE, {cell.label}", f"{show_spread(cell.rmse, 2)} {cell.unit}")
            for config, cell in best.items()
            if cell is not None
        ],
        verdict=[_finding(config, cell, comparison.pairs) for config, cell in best.items()],
        warnings=comparison.notes,
        # of one cell a configuration there are no differences
        sections=[Section(anchor, title, parts) for anchor, title, parts in filled if parts],
    )


def _best_cell(cells: list[CellSummary]) -> CellSummary | None:
    """Return the cell with the lowest RMSE; a leak makes a cell look better than it is."""
    honest = [cell for cell in cells if cell.rmse.mean is not None and not cell.leak]
    # `or 0.0` is for the type checker: `honest` has no cell without a mean
    return min(honest, key=lambda cell: cell.rmse.mean or 0.0, default=None)


def _finding(config: str, best: CellSummary | None, pairs: list[Pair]) -> str:
    """Say which cell is best, and whether a test shows it."""
    if best is None:
        return f"{config}: no cell can be ranked."
    others = [pair for pair in pairs if not pair.leak and best.key in pair.keys]
    rmse = show_spread(best.rmse, 2)
    if not others:
        found = f"{best.label} has an RMSE of {rmse} {best.unit}"
        return f"{marked_config(best)}: {found}; there is no other cell to test it against."
    text = f"{marked_config(best)}: {best.label} has the lowest RMSE, {rmse} {best.unit}"
    # seeds that failed are in no pair, so a paired difference may contradict the means
    lower = [
        pair.b if pair.a == best.label else pair.a
        for pair in others
        if pair.shown and pair.paired_t and (pair.paired_t.mean < 0) == (pair.a == best.label)
    ]
    # no significant difference does not mean that the cells are equal
    if not lower:
        return f"{text}, but no other cell is shown to be worse."
    rest = len(others) - len(lower)
    unclear = f"; not shown for {counted(rest, 'other cell')}" if rest else ""
    return f"{text}, shown to be lower than that of {', '.join(lower)}{unclear}."


def _cell_table(
    title: str,
    cells: list[CellSummary],
    columns: Columns,
    align: str = "",
    notes: Sequence[str] = (),
) -> PageTable:
    rows = cell_rows(cells, columns, _cell_name)
    return PageTable(Table(title, ["cell", *columns], rows, align, notes))


def _metrics(folder: Path, comparison: Comparison) -> Iterator[Part]:
    cells = comparison.cells
    note = (
        f"RMSE and NASA score: {scored_at(cells)}, capped labels. Raw: raw labels. "
        "Every cycle: every window, capped labels. Predictions are clamped to [0, cap]."
    )
    unit = join_units(cell.unit for cell in cells)
    columns = {f"RMSE, {unit}" if k == "RMSE" else k: show for k, show in _METRIC_COLUMNS.items()}
    yield _cell_table("Test metrics, mean ± sd over seeds", cells, columns, notes=[note])
    yield from _plots(folder, comparison, "rmse_by_balancer")
    runs = [
        [_cell_name(cell), str(run.seed), *map(_number, (run.rmse, run.nasa, run.val_rmse))]
        for cell in cells
        for run in cell.runs
    ]
    head = ["cell", "seed", "RMSE", "NASA score", "validation RMSE"]
    yield PageTable(Table("Every run", head, runs), folded=True)
    protocols = (cell.protocol for cell in cells if cell.protocol is not None)
    # each protocol once, in order: cells usually share theirs
    lines = dict.fromkeys(map(describe_protocol, protocols))
    yield from (Text(f"Protocol: {line}.") for line in lines)


def _differences(folder: Path, comparison: Comparison) -> Iterator[Part]:
    ranks = comparison.shown_ranks
    if ranks is not None:
        yield from _plots(folder, comparison, "ranks")
        yield Column([rank_table(ranks, "cell", f"Mean rank over {', '.join(ranks.configs)}")])
    for entry in (*(comparison.oracle or ()), *(comparison.leak or ())):
        yield Text(entry.sentence)
    if comparison.oracle:
        yield from _plots(folder, comparison, "oracle")
    if comparison.pairs:
        yield Lines("Every pair of cells", [pair.sentence for pair in comparison.pairs])
        yield from map(Text, equivalence_findings(comparison.pairs))


def _training(folder: Path, comparison: Comparison) -> Iterator[Part]:
    unit = join_units(cell.unit for cell in comparison.cells)
    note = f"Validation: RMSE of the selected epoch, {unit}. Clipped: share of steps."
    title = "Training, mean ± sd over seeds"
    yield _cell_table(title, comparison.cells, TRAINING_COLUMNS, notes=[note])
    yield from _plots(folder, comparison, "learning_curves", "weights")


def _provenance(cells: list[CellSummary]) -> Iterator[Part]:
    yield _cell_table("Configuration and code of each cell", cells, _CODE_COLUMNS, "llll")
    # merged by name: all cells of a subset were trained on the same files
    digests = {name: file.sha256 for cell in cells for name, file in (cell.data or {}).items()}
    rows = [*map(list, digests.items())]
    yield PageTable(Table("SHA-256 of the files", ["file", "SHA-256"], rows, "ll"))


def _plots(folder: Path, comparison: Comparison, *names: str) -> Iterator[Part]:
    """Yield the plots of `rul compare`, and a remark on any that is missing."""
    # drawn by rul compare, from histories that comparison.json lacks: copied, not drawn again
    several = len(by_config(comparison.cells)) > 1
    for name in names:
        if all((folder / f"{name}.{extension}").is_file() for extension in FORMATS):
            description = _describe_plot(comparison, name)
            wide = name == "weights" or (name != "ranks" and several)  # panels side by side
            yield Plot(name, _PLOTS[name], description, folder, wide)
        else:
            yield Missing(f"the plot {name}, which is not in the folder; rul compare draws it")


def _describe_plot(comparison: Comparison, name: str) -> str:
    """Put the contents of a plot into words."""
    cells = comparison.cells
    if name == "oracle":
        return " ".join(entry.sentence for entry in comparison.oracle or ())
    tested = name in ("rmse_by_balancer", "ranks")
    values = "; ".join(
        f"{_cell_name(cell)} {show_spread(cell.rmse if tested else cell.validation.rmse, 2)}"
        for cell in cells
    )
    metric = "RMSE" if tested else "Validation RMSE of the selected epochs"
    return f"{_PLOTS[name]}. {metric}: {values}."


def _cell_name(cell: CellSummary) -> str:
    return f"{marked_config(cell)}: {marked_label(cell)}"


def _interval(bounds: tuple[float, float] | None) -> str:
    return "–" if bounds is None else f"{bounds[0]:.2f}–{bounds[1]:.2f}"


def _number(value: float | None) -> str:
    return "–" if value is None else number(value, 2)
