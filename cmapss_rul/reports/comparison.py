"""The report of a comparison, from the files of `rul compare`."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cmapss_rul.display.plotting import ENDINGS
from cmapss_rul.display.table import Table
from cmapss_rul.evaluation.tables import number
from cmapss_rul.experiments.table import lines, share, spread
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

Plain = Mapping[str, Any]

_PLOTS = {
    "rmse_by_balancer": "Test RMSE of each cell, last windows, capped labels: a point per seed, "
    "the bar their mean",
    "ranks": "Mean rank over configurations, with the critical difference",
    "learning_curves": "Validation RMSE over epochs",
    "weights": "Weights of the two losses over epochs",
    "oracle": "Optimism of selecting the epoch on the test set",
}
_OPTIONAL = ("ranks", "oracle")
"""Plots that a comparison has only where it has the part of that name."""


def report_comparison(comparison: Path, output: Path) -> list[Path]:
    """Report on a comparison; nothing is trained or evaluated again.

    Args:
        comparison: its comparison.json; the plots of `rul compare` are beside it.
        output: the HTML file.

    Returns:
        The page, and copies of the plots.

    Raises:
        RulError: comparison.json is not as `rul compare` writes it, or writing fails.
    """
    try:
        plain = json.loads(comparison.read_bytes())
        page = comparison_page(comparison.parent, plain)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RulError(
            f"{comparison}: cannot be read ({str(error)[:200]}); call rul compare again"
        ) from error
    return write_page(page, output)


def comparison_page(folder: Path, plain: Plain) -> Page:
    """Build the page of a comparison.

    Args:
        folder: of the plots.
        plain: the contents of comparison.json.
    """
    cells, seeds = plain["cells"], plain["grid"]["seeds"]
    subsets = ", ".join(dict.fromkeys(cell["subset"] for cell in cells))
    many = f"{len(seeds)} seeds" if len(seeds) > 1 else "one seed"
    sections = [
        Section(
            "metrics",
            "Test metrics",
            [*_metrics(plain), *_plots(folder, plain, "rmse_by_balancer", "ranks")],
        ),
        Section(
            "differences", "Differences", [*_differences(plain), *_plots(folder, plain, "oracle")]
        ),
        Section(
            "training",
            "Training",
            [_training(plain), *_plots(folder, plain, "learning_curves", "weights")],
        ),
        Section("provenance", "Configurations, versions and digests", list(_provenance(plain))),
    ]
    return Page(
        title=f"{folder.resolve().name}: {len(cells)} cells compared",
        subtitle=f"{subsets}; {many} each; grid {plain['grid']['digest']}",
        key_metrics=[],
        warnings=plain["notes"],
        sections=sections,
        footer=generator_note(),
    )


def _metrics(plain: Plain) -> Iterator[Part]:
    cells = plain["cells"]
    yield PageTable(
        Table(
            "Test metrics, mean ± sd over seeds. RMSE and NASA score: last window of each test "
            "engine, capped labels; raw: raw labels; every cycle: every window, capped",
            ["cell", "RMSE, cycles", "95 % CI over engines", "NASA score", "raw", "every cycle"],
            [
                [
                    _cell_name(cell),
                    spread(cell["rmse"], 2),
                    _interval(cell["rmse_interval_over_engines"]),
                    spread(cell["nasa"], 0),
                    spread(cell["last_raw"]["rmse"], 2),
                    spread(cell["every_capped"]["rmse"], 2),
                ]
                for cell in cells
            ],
        )
    )
    runs = [
        [
            _cell_name(cell),
            str(run["seed"]),
            *(_number(run[key]) for key in ("rmse", "nasa", "val_rmse")),
        ]
        for cell in cells
        for run in cell["runs"]
    ]
    head = ["cell", "seed", "RMSE", "NASA score", "validation RMSE"]
    yield PageTable(Table("Every run", head, runs), folded=True)


def _differences(plain: Plain) -> Iterator[Part]:
    yield from (Text(line) for line in lines({**plain, "notes": []}))
    ranks = plain["ranks"]
    if ranks is not None:
        rows = [
            [label + " (leak)" * (label in ranks["leaks"]), f"{mean:.2f}"]
            for mean, label in sorted(zip(ranks["mean"], ranks["labels"], strict=True))
        ]
        title = f"Mean rank over {', '.join(ranks['configs'])}"
        yield PageTable(Table(title, ["cell", "mean rank"], rows))
    if plain["pairs"]:
        sentences = [pair["sentence"] for pair in plain["pairs"]]
        yield Lines("Every pair of cells", sentences)


def _training(plain: Plain) -> PageTable:
    return PageTable(
        Table(
            "Validation RMSE in cycles, share of clipped steps, epochs, seconds a run; mean ± sd",
            ["cell", "seeds", "validation", "clipped", "epochs", "seconds"],
            [
                [
                    _cell_name(cell),
                    str(cell["n_seeds"]),
                    spread(cell["validation"]["rmse"], 2),
                    share(cell["clipped_share"]),
                    spread(cell["epochs"], 0),
                    spread(cell["seconds"], 0),
                ]
                for cell in plain["cells"]
            ],
        )
    )


def _provenance(plain: Plain) -> Iterator[Part]:
    cells = plain["cells"]
    yield PageTable(
        Table(
            "Configuration and code of each cell",
            ["cell", "configuration", "commit", "versions"],
            [
                [
                    _cell_name(cell),
                    cell["config_digest"][:12],
                    (cell["commit"] or "unknown")[:12],
                    ", ".join(f"{name} {version}" for name, version in cell["versions"].items()),
                ]
                for cell in cells
            ],
            "llll",
        )
    )
    digests = {
        name: file["sha256"] for cell in cells for name, file in (cell["data"] or {}).items()
    }
    rows = [*map(list, digests.items())]
    yield PageTable(Table("SHA-256 of the files", ["file", "SHA-256"], rows, "ll"))


def _plots(folder: Path, plain: Plain, *names: str) -> Iterator[Part]:
    """Yield the plots of `rul compare`, and a remark on any that is missing."""
    for name in names:
        if name in _OPTIONAL and not plain[name]:
            continue
        if all((folder / f"{name}.{ending}").is_file() for ending in ENDINGS):
            yield SavedPlot(name, _PLOTS[name], _describe_plot(plain, name), folder)
        else:
            yield Missing(f"the plot {name}, which is not in the folder; rul compare draws it")


def _describe_plot(plain: Plain, name: str) -> str:
    """Put the contents of a plot into words."""
    if name in ("rmse_by_balancer", "ranks"):
        found = [f"{_cell_name(cell)} {spread(cell['rmse'], 2)}" for cell in plain["cells"]]
        return f"{_PLOTS[name]}. RMSE: {'; '.join(found)}."
    if name == "oracle":
        return " ".join(entry["sentence"] for entry in plain["oracle"])
    found = [
        f"{_cell_name(cell)} {spread(cell['validation']['rmse'], 2)}" for cell in plain["cells"]
    ]
    return f"{_PLOTS[name]}. Validation RMSE of the selected epochs: {'; '.join(found)}."


def _cell_name(cell: Plain) -> str:
    """Name a cell.

    >>> _cell_name({"config": "fd001", "label": "amnl", "leak": None})
    'fd001: amnl'
    """
    return f"{cell['config']}: {cell['label']}" + (" (leak)" if cell["leak"] else "")


def _interval(bounds: list[float] | None) -> str:
    return "–" if bounds is None else f"{bounds[0]:.2f}–{bounds[1]:.2f}"


def _number(value: float | None) -> str:
    return "–" if value is None else number(value, 2)
