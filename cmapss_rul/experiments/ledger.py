"""The ledger: the cells of several grids in one JSON, by the keys of comparison.json."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cmapss_rul.errors import UsageError
from cmapss_rul.experiments.comparison import Comparison
from cmapss_rul.experiments.pairs import finish, ranks_of
from cmapss_rul.files import write_whole
from cmapss_rul.text import finite, json_text, one_line, printable

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


def read(path: Path) -> dict[str, Any]:
    """Read a ledger; one that is not there yet is empty.

    Raises:
        UsageError: the file is no ledger.
    """
    if not path.exists():
        return {name: [] for name in _KEYS}
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(
            f"--ledger {printable(path)}: cannot be read: {one_line(error)[:200]}; name another "
            "file, or one that does not exist yet"
        ) from error
    if not isinstance(found, dict) or any(
        not _entries(found.get(name), keys) for name, keys in _KEYS.items()
    ):
        raise UsageError(
            f"--ledger {printable(path)}: is no ledger that `rul compare` wrote; name another "
            "file, or one that does not exist yet"
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
    Ranks and Holm's correction are worked out anew over all that the ledger then holds. A
    cell without any run that ended well is left as it was.

    Args:
        path: of the JSON; made where it is missing.
        comparison: of a grid.

    Raises:
        UsageError: the file is no ledger.
    """
    ledger, new = read(path), finite(comparison.plain)
    cells = [cell for cell in new["cells"] if cell["n_seeds"]]
    replaced = {(cell["config"], cell["label"]) for cell in cells}
    ledger["pairs"] = [
        pair
        for pair in ledger["pairs"]
        if not {(pair["config"], pair["a"]), (pair["config"], pair["b"])} & replaced
    ]
    merged = {
        name: _merged(ledger[name], cells if name == "cells" else new[name] or [], keys)
        for name, keys in _KEYS.items()
    }
    plain = {
        "about": _ABOUT,
        **merged,
        "pairs": finish(merged["pairs"]),
        "ranks": ranks_of(merged["cells"]),
    }
    write_whole(path, json_text(plain, indent=1) + "\n")


def _merged(
    former: Iterable[Mapping[str, Any]], new: Iterable[Mapping[str, Any]], keys: tuple[str, ...]
) -> list[Mapping[str, Any]]:
    by_key = {tuple(entry[key] for key in keys): entry for entry in (*former, *new)}
    return [by_key[key] for key in sorted(by_key)]
