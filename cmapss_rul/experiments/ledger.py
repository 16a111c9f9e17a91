"""The ledger: the cells of several grids in one JSON, by the keys of comparison.json."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cmapss_rul.display.text import finite, json_text
from cmapss_rul.experiments.comparison import Comparison
from cmapss_rul.experiments.pairs import finish, ranks_of
from cmapss_rul.system.errors import UsageError
from cmapss_rul.system.files import save_file
from cmapss_rul.system.locks import wait_for_folder
from cmapss_rul.system.text import one_line, printable

_ABOUT = (
    "Written by `rul compare … --ledger FILE`, never by hand: a cell's figures, with the digest "
    "of its configuration (without seed, threads and paths), commit, versions and data."
)
_KEYS = {
    "cells": ("config", "label"),
    "pairs": ("config", "a", "b"),
    "oracle": ("subset",),
    "leak": ("config", "cell"),
}
"""What makes an entry of each list the same as a former one, which it replaces."""


def read(path: Path, *, to_write: bool = False) -> dict[str, Any]:
    """Read a ledger.

    Args:
        path: of the JSON.
        to_write: one that is not there yet is empty.

    Raises:
        UsageError: the file is no ledger, or is missing.
    """
    if to_write and not path.exists():
        return {name: [] for name in _KEYS}
    advice = "name another file" + (", or one that does not exist yet" if to_write else "")
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"--ledger {printable(path)}: cannot be read: {one_line(error)[:200]}; {advice}"
        ) from error
    if not isinstance(found, dict) or any(
        not _entries(found.get(name), keys) for name, keys in _KEYS.items()
    ):
        raise UsageError(
            f"--ledger {printable(path)}: is no ledger that `rul compare` wrote; {advice}"
        )
    return found


def _entries(value: Any, keys: Iterable[str]) -> bool:
    return isinstance(value, list) and all(
        isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in keys)
        for entry in value
    )


def merge(path: Path, comparison: Comparison) -> None:
    """Put a comparison's cells into a ledger.

    A cell of the same configuration and label is replaced, and so are pairs; pairs of a
    replaced cell with one of another grid fall away, since one side is no longer what it was.
    A cell that another one repeats under a shorter label, as `amnl split.by=engines` repeats
    `amnl`, is left out with its pairs. A cell without any run that ended well is left as it was.

    Ranks and Holm's correction are worked out anew over all that the ledger then holds. Only
    balancers are ranked, not cells with settings of their own, and pairs with a leak are a
    family of their own: what a grid adds to show the leak takes nothing from the comparison of
    the others.

    Args:
        path: of the JSON; made where it is missing.
        comparison: of a grid.

    Raises:
        UsageError: the file is no ledger.
        RulError: it cannot be written.
    """
    new = finite(comparison.plain)
    with wait_for_folder(path.parent):  # of two grids that end at once neither loses its cells
        plain = _with(read(path, to_write=True), new)
        save_file(path, json_text(plain, indent=1) + "\n")


def _with(ledger: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """A ledger with the cells of a comparison put into it."""
    cells = [cell for cell in new["cells"] if cell["n_seeds"]]
    replaced = {(cell["config"], cell["label"]) for cell in cells}
    ledger["pairs"] = [pair for pair in ledger["pairs"] if not _sides(pair) & replaced]
    new["cells"], new["pairs"] = cells, [p for p in new["pairs"] if _sides(p) <= replaced]
    merged = {name: _merged(ledger[name], new[name] or [], keys) for name, keys in _KEYS.items()}
    merged["cells"] = _without_twins(merged["cells"])
    kept = {(cell["config"], cell["label"]) for cell in merged["cells"]}
    pairs = [pair for pair in merged["pairs"] if _sides(pair) <= kept]
    return {
        "about": _ABOUT,
        **merged,
        "pairs": [
            *finish([pair for pair in pairs if not pair["leak"]]),
            *finish([pair for pair in pairs if pair["leak"]]),
        ],
        "ranks": ranks_of([cell for cell in merged["cells"] if not cell["settings"]]),
    }


def _sides(pair: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Configuration and label of the two cells of a pair."""
    return {(pair["config"], pair[side]) for side in "ab"}


def _without_twins(cells: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Leave out cells that have the digest and the figures of another one with a shorter label."""
    said: dict[Any, str] = {}
    for cell in sorted(cells, key=lambda cell: len(cell["label"])):
        said.setdefault(_what_it_says(cell), cell["label"])
    return [cell for cell in cells if said[_what_it_says(cell)] == cell["label"]]


def _what_it_says(cell: Mapping[str, Any]) -> Any:
    figures = sorted((run["seed"], run["rmse"], run["nasa"]) for run in cell["runs"])
    return cell["config"], cell["config_digest"], tuple(figures)


def _merged(
    former: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]], keys: tuple[str, ...]
) -> list[Mapping[str, Any]]:
    by_key = {tuple(entry[key] for key in keys): entry for entry in (*former, *new)}
    return [by_key[key] for key in sorted(by_key)]
