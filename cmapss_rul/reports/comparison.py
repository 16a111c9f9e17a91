"""HTML report of a comparison, from the files of `rul compare`."""

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
    "oracle": "RMSE of the selected epoch − RMSE of the best test epoch, by seed; bars: means",
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
    """Write the report of a comparison.json and the plots beside it, without a new evaluation.

    Raises:
        RulError: comparison.json is malformed, or a file cannot be written.
    """
    try:
        comparison = Comparison.load(path)
    except (OSError, ValueError) as error:
        raise RulError(
            # truncated: a validation error lists every malformed entry
            f"{path}: cannot be read ({str(error)[:200]}); run rul compare again"
        ) from error
    return write_page(comparison_page(path.parent, comparison), output)


def comparison_page(folder: Path, comparison: Comparison) -> Page:
    """Build the page of a comparison; `folder` has its plots."""
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
        # with one cell per configuration the section on differences is empty
        sections=[Section(anchor, title, parts) for anchor, title, parts in filled if parts],
    )


def _best_cell(cells: list[CellSummary]) -> CellSummary | None:
    """Return the cell with the lowest RMSE among those without a test-set leak."""
    honest = [cell for cell in cells if cell.rmse.mean is not None and not cell.leak]
    # `or 0.0` only for mypy: every cell of `honest` has a mean
    return min(honest, key=lambda cell: cell.rmse.mean or 0.0, default=None)


def _finding(config: str, best: CellSummary | None, pairs: list[Pair]) -> str:
    """Describe the best cell and the significance of its lead in one sentence."""
    if best is None:
        return f"{config}: no cell can be ranked."
    others = [pair for pair in pairs if not pair.leak and best.key in pair.keys]
    rmse = show_spread(best.rmse, 2)
    if not others:
        found = f"{best.label} has an RMSE of {rmse} {best.unit}"
        return f"{marked_config(best)}: {found}; there is no other cell to compare it with."
    text = f"{marked_config(best)}: {best.label} has the lowest RMSE, {rmse} {best.unit}"
    # pairs exclude failed seeds, so a paired difference may contradict the means
    lower = [
        pair.b if pair.a == best.label else pair.a
        for pair in others
        if pair.shown and pair.paired_t and (pair.paired_t.mean < 0) == (pair.a == best.label)
    ]
    # absence of a significant difference is not evidence of equality
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
    # each protocol once: cells usually share theirs
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
    # by name: all cells of a subset were trained on the same files
    digests = {name: file.sha256 for cell in cells for name, file in (cell.data or {}).items()}
    rows = [*map(list, digests.items())]
    yield PageTable(Table("SHA-256 of the files", ["file", "SHA-256"], rows, "ll"))


def _plots(folder: Path, comparison: Comparison, *names: str) -> Iterator[Part]:
    """Yield the plots of `rul compare`, or a notice if one is missing."""
    # copied, not drawn again: comparison.json lacks the training histories
    several = len(by_config(comparison.cells)) > 1
    for name in names:
        if all((folder / f"{name}.{extension}").is_file() for extension in FORMATS):
            description = _describe_plot(comparison, name)
            wide = name == "weights" or (name != "ranks" and several)  # panels side by side
            yield Plot(name, _PLOTS[name], description, folder, wide)
        else:
            yield Missing(f"the plot {name}: not in the folder; run rul compare again")


def _describe_plot(comparison: Comparison, name: str) -> str:
    """Return the alternative text of a plot."""
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
