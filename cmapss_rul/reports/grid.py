"""The report of a comparison, from what `rul compare` saved."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cmapss_rul.display.plotting import ENDINGS
from cmapss_rul.evaluation.table import number
from cmapss_rul.experiments.table import lines, share, spread
from cmapss_rul.reports.page import (
    Drawn,
    Lines,
    Missing,
    Page,
    Part,
    Section,
    Table,
    Text,
    made_by,
    write,
)
from cmapss_rul.system.errors import RulError
from cmapss_rul.system.text import one_line, printable

Plain = Mapping[str, Any]

_PICTURES = {
    "rmse_by_balancer": "Test RMSE of each cell, last windows, capped labels: a point a seed, the "
    "bar their mean",
    "ranks": "Mean rank over configurations, with the critical difference",
    "learning_curves": "Validation RMSE over epochs",
    "weights": "Weights of the two losses over epochs",
    "oracle": "By how much choosing the epoch on the test set lowers RMSE",
}
_ONLY_SOMETIMES = {"ranks": "ranks", "oracle": "oracle"}
"""Pictures that a comparison has only where it has this part."""


def report_grid(comparison: Path, output: Path) -> list[Path]:
    """Report on a comparison; nothing is trained, evaluated or tested anew.

    Args:
        comparison: its comparison.json; the pictures of `rul compare` stand beside it.
        output: the HTML file.

    Returns:
        The page, and copies of the pictures.

    Raises:
        RulError: comparison.json is not as `rul compare` writes it, or writing fails.
    """
    try:
        plain = json.loads(comparison.read_bytes())
        page = page_of(comparison.parent, plain)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RulError(
            f"{printable(comparison)}: cannot be read ({one_line(error)[:200]}); call rul compare "
            "again"
        ) from error
    return write(page, output)


def page_of(folder: Path, plain: Plain) -> Page:
    """Put the page of a comparison together.

    Args:
        folder: with the pictures.
        plain: what comparison.json holds.
    """
    cells, seeds = plain["cells"], plain["grid"]["seeds"]
    subsets = ", ".join(dict.fromkeys(cell["subset"] for cell in cells))
    many = f"{len(seeds)} seeds" if len(seeds) > 1 else "one seed"
    sections = [
        Section(
            "figures",
            "Figures",
            [*_figures(plain), *_pictures(folder, plain, ("rmse_by_balancer", "ranks"))],
        ),
        Section(
            "compared", "What differs", [*_compared(plain), *_pictures(folder, plain, ("oracle",))]
        ),
        Section(
            "training",
            "Training",
            [_effort(plain), *_pictures(folder, plain, ("learning_curves", "weights"))],
        ),
        Section("protocol", "Protocol, versions and digests", list(_made(plain))),
    ]
    return Page(
        title=f"{folder.resolve().name}: {len(cells)} cells compared",
        about=f"{subsets}; {many} each; grid {plain['grid']['digest']}",
        figures=[],
        warnings=plain["notes"],
        sections=sections,
        made=made_by(),
    )


def _figures(plain: Plain) -> Iterator[Part]:
    cells = plain["cells"]
    yield Table(
        "Mean ± sd over seeds; RMSE and NASA score: last window of each test engine, capped "
        "labels; raw: raw labels; every cycle: one window a cycle, capped labels",
        ["cell", "RMSE, cycles", "over engines, 95 %", "NASA score", "raw", "every cycle"],
        [
            [
                _name(cell),
                spread(cell["rmse"], 2),
                _interval(cell["rmse_interval_over_engines"]),
                spread(cell["nasa"], 0),
                spread(cell["last_raw"]["rmse"], 2),
                spread(cell["every_capped"]["rmse"], 2),
            ]
            for cell in cells
        ],
    )
    runs = [
        [
            _name(cell),
            str(run["seed"]),
            *(_number(run[key]) for key in ("rmse", "nasa", "val_rmse")),
        ]
        for cell in cells
        for run in cell["runs"]
    ]
    head = ["cell", "seed", "RMSE", "NASA score", "validation RMSE"]
    yield Table("Every run", head, runs, folded=True)


def _compared(plain: Plain) -> Iterator[Part]:
    yield from (Text(line) for line in lines({**plain, "notes": []}))
    ranks = plain["ranks"]
    if ranks is not None:
        rows = [
            [label + " (leak)" * (label in ranks["leaks"]), f"{mean:.2f}"]
            for mean, label in sorted(zip(ranks["mean"], ranks["labels"], strict=True))
        ]
        yield Table(f"Mean rank over {', '.join(ranks['configs'])}", ["cell", "mean rank"], rows)
    if plain["pairs"]:
        sentences = [pair["sentence"] for pair in plain["pairs"]]
        yield Lines("What each pair shows", sentences)


def _effort(plain: Plain) -> Table:
    return Table(
        "Validation RMSE in cycles, share of clipped steps, epochs, seconds a run; mean ± sd",
        ["cell", "seeds", "validation", "clipped", "epochs", "seconds"],
        [
            [
                _name(cell),
                str(cell["n_seeds"]),
                spread(cell["validation"]["rmse"], 2),
                share(cell["clipped_share"]),
                spread(cell["epochs"], 0),
                spread(cell["seconds"], 0),
            ]
            for cell in plain["cells"]
        ],
    )


def _made(plain: Plain) -> Iterator[Part]:
    cells = plain["cells"]
    yield Table(
        "What each cell was made with",
        ["cell", "configuration", "commit", "versions"],
        [
            [
                _name(cell),
                cell["config_digest"][:12],
                (cell["commit"] or "unknown")[:12],
                ", ".join(f"{name} {version}" for name, version in cell["versions"].items()),
            ]
            for cell in cells
        ],
        right=False,
    )
    digests = {
        name: file["sha256"] for cell in cells for name, file in (cell["data"] or {}).items()
    }
    yield Table("SHA-256", ["file", "digest"], [*map(list, digests.items())], right=False)


def _pictures(folder: Path, plain: Plain, names: tuple[str, ...]) -> Iterator[Part]:
    """The pictures of `rul compare` that are there; those that should be and are not are said."""
    for name in names:
        if name in _ONLY_SOMETIMES and not plain[_ONLY_SOMETIMES[name]]:
            continue
        if all((folder / f"{name}.{ending}").is_file() for ending in ENDINGS):
            yield Drawn(name, _PICTURES[name], _seen(plain, name), folder)
        else:
            yield Missing(f"the picture {name}, which is not in the folder; rul compare draws it")


def _seen(plain: Plain, name: str) -> str:
    """What a picture shows, in words."""
    if name in ("rmse_by_balancer", "ranks"):
        found = [f"{_name(cell)} {spread(cell['rmse'], 2)}" for cell in plain["cells"]]
        return f"{_PICTURES[name]}. RMSE: {'; '.join(found)}."
    if name == "oracle":
        return " ".join(entry["sentence"] for entry in plain["oracle"])
    found = [f"{_name(cell)} {spread(cell['validation']['rmse'], 2)}" for cell in plain["cells"]]
    return f"{_PICTURES[name]}. Validation RMSE of the chosen epochs: {'; '.join(found)}."


def _name(cell: Plain) -> str:
    """Name a cell.

    >>> _name({"config": "fd001", "label": "amnl", "leak": None})
    'fd001: amnl'
    """
    return f"{cell['config']}: {cell['label']}" + (" (leak)" if cell["leak"] else "")


def _interval(ends: list[float] | None) -> str:
    return "–" if ends is None else f"{ends[0]:.2f}–{ends[1]:.2f}"


def _number(value: float | None) -> str:
    return "–" if value is None else number(value, 2)
