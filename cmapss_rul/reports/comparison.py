"""The report of a comparison, from the files of `rul compare`."""

from collections.abc import Iterator
from pathlib import Path

from cmapss_rul.display.plotting import ENDINGS
from cmapss_rul.display.table import Table
from cmapss_rul.evaluation.tables import number
from cmapss_rul.experiments.records import CellSummary, Comparison
from cmapss_rul.experiments.table import (
    TRAINING_COLUMNS,
    Columns,
    cell_rows,
    findings,
    rank_table,
    show_spread,
)
from cmapss_rul.reports.page import (
    Lines,
    Missing,
    Page,
    PageTable,
    Part,
    SavedPlot,
    Section,
    Text,
    generator_note,
    write_page,
)
from cmapss_rul.system.errors import RulError

_PLOTS = {
    "rmse_by_balancer": "Test RMSE of each cell, last windows, capped labels: a point per seed, "
    "the bar their mean",
    "ranks": "Mean rank over configurations, with the critical difference",
    "learning_curves": "Validation RMSE over epochs",
    "weights": "Weights of the two losses over epochs",
    "oracle": "Optimism of selecting the epoch on the test set",
}

_METRIC_COLUMNS: Columns = {
    "RMSE, cycles": lambda cell: show_spread(cell.rmse, 2),
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
    """Report on a comparison; nothing is trained or evaluated again.

    Args:
        path: of comparison.json; the plots of `rul compare` are beside it.
        output: the HTML file.

    Returns:
        The page, and copies of the plots.

    Raises:
        RulError: comparison.json is not as `rul compare` writes it, or writing fails.
    """
    try:
        comparison = Comparison.load(path)
    except (OSError, ValueError) as error:
        raise RulError(
            f"{path}: cannot be read ({str(error)[:200]}); call rul compare again"
        ) from error
    return write_page(comparison_page(path.parent, comparison), output)


def comparison_page(folder: Path, comparison: Comparison) -> Page:
    """Build the page of a comparison.

    Args:
        folder: of the plots.
        comparison: the contents of comparison.json.
    """
    cells, seeds = comparison.cells, comparison.grid.seeds
    subsets = ", ".join(dict.fromkeys(cell.subset for cell in cells))
    many = f"{len(seeds)} seeds" if len(seeds) > 1 else "one seed"
    sections = [
        Section(
            "metrics",
            "Test metrics",
            [*_metrics(cells), *_plots(folder, comparison, "rmse_by_balancer", "ranks")],
        ),
        Section(
            "differences",
            "Differences",
            [*_differences(comparison), *_plots(folder, comparison, "oracle")],
        ),
        Section(
            "training",
            "Training",
            [_training(cells), *_plots(folder, comparison, "learning_curves", "weights")],
        ),
        Section("provenance", "Configurations, versions and digests", list(_provenance(cells))),
    ]
    return Page(
        title=f"{folder.resolve().name}: {len(cells)} cells compared",
        subtitle=f"{subsets}; {many} each; grid {comparison.grid.digest}",
        key_metrics=[],
        warnings=comparison.notes,
        sections=sections,
        footer=generator_note(),
    )


def _cell_table(
    title: str, cells: list[CellSummary], columns: Columns, align: str = ""
) -> PageTable:
    rows = cell_rows(cells, columns, _cell_name)
    return PageTable(Table(title, ["cell", *columns], rows, align))


def _metrics(cells: list[CellSummary]) -> Iterator[Part]:
    title = (
        "Test metrics, mean ± sd over seeds. RMSE and NASA score: last window of each test "
        "engine, capped labels; raw: raw labels; every cycle: every window, capped"
    )
    yield _cell_table(title, cells, _METRIC_COLUMNS)
    runs = [
        [_cell_name(cell), str(run.seed), *map(_number, (run.rmse, run.nasa, run.val_rmse))]
        for cell in cells
        for run in cell.runs
    ]
    head = ["cell", "seed", "RMSE", "NASA score", "validation RMSE"]
    yield PageTable(Table("Every run", head, runs), folded=True)


def _differences(comparison: Comparison) -> Iterator[Part]:
    yield from map(Text, findings(comparison))
    ranks = comparison.shown_ranks
    if ranks is not None:
        yield PageTable(rank_table(ranks, "cell", f"Mean rank over {', '.join(ranks.configs)}"))
    if comparison.pairs:
        yield Lines("Every pair of cells", [pair.sentence for pair in comparison.pairs])


def _training(cells: list[CellSummary]) -> PageTable:
    title = "Validation RMSE in cycles, share of clipped steps, epochs, seconds a run; mean ± sd"
    return _cell_table(title, cells, TRAINING_COLUMNS)


def _provenance(cells: list[CellSummary]) -> Iterator[Part]:
    yield _cell_table("Configuration and code of each cell", cells, _CODE_COLUMNS, "llll")
    digests = {name: file.sha256 for cell in cells for name, file in (cell.data or {}).items()}
    rows = [*map(list, digests.items())]
    yield PageTable(Table("SHA-256 of the files", ["file", "SHA-256"], rows, "ll"))


def _plots(folder: Path, comparison: Comparison, *names: str) -> Iterator[Part]:
    """Yield the plots of `rul compare`, and a remark on any that is missing."""
    optional = {"ranks": comparison.shown_ranks, "oracle": comparison.oracle}
    for name in names:
        if name in optional and not optional[name]:
            continue
        if all((folder / f"{name}.{ending}").is_file() for ending in ENDINGS):
            yield SavedPlot(name, _PLOTS[name], _describe_plot(comparison, name), folder)
        else:
            yield Missing(f"the plot {name}, which is not in the folder; rul compare draws it")


def _describe_plot(comparison: Comparison, name: str) -> str:
    """Put the contents of a plot into words."""
    cells = comparison.cells
    if name in ("rmse_by_balancer", "ranks"):
        found = [f"{_cell_name(cell)} {show_spread(cell.rmse, 2)}" for cell in cells]
        return f"{_PLOTS[name]}. RMSE: {'; '.join(found)}."
    if name == "oracle":
        return " ".join(entry.sentence for entry in comparison.oracle or ())
    found = [f"{_cell_name(cell)} {show_spread(cell.validation.rmse, 2)}" for cell in cells]
    return f"{_PLOTS[name]}. Validation RMSE of the selected epochs: {'; '.join(found)}."


def _cell_name(cell: CellSummary) -> str:
    return f"{cell.config}: {cell.marked_label}"


def _interval(bounds: tuple[float, float] | None) -> str:
    return "–" if bounds is None else f"{bounds[0]:.2f}–{bounds[1]:.2f}"


def _number(value: float | None) -> str:
    return "–" if value is None else number(value, 2)
