"""Ledger: the cells of several grids in one JSON file, with the keys of comparison.json."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from cmapss_rul.experiments.results import Comparison, Ledger
from cmapss_rul.experiments.statistics import correct_pairs, mean_ranks
from cmapss_rul.experiments.summaries import CellSummary, JsonRecord
from cmapss_rul.system.errors import UsageError, one_line
from cmapss_rul.system.files import save_file
from cmapss_rul.system.locks import wait_for_folder

_ABOUT = (
    "Written by `rul compare … --ledger FILE`, never by hand: a cell's metrics, with the digest "
    "of its configuration (without seed, threads and paths), commit, versions and data."
)

R = TypeVar("R", bound=JsonRecord)


def read_ledger(path: Path, *, to_write: bool = False) -> Ledger:
    """Read a ledger; with `to_write`, a missing file is an empty ledger.

    Raises:
        UsageError: the file is missing, or is not a ledger.
    """
    if to_write and not path.exists():
        return Ledger(cells=[], pairs=[], oracle=[], leak=[])
    try:
        return Ledger.load(path)
    except (OSError, ValueError) as error:
        found = one_line(error)[:200]
        problem = f"is not a ledger that `rul compare` wrote ({found})"
        if isinstance(error, OSError):
            problem = f"cannot be read: {found}"
        advice = "name another file" + (", or one that does not exist yet" if to_write else "")
        raise UsageError(f"--ledger {path}: {problem}; {advice}") from error


def merge_comparison(path: Path, comparison: Comparison) -> None:
    """Merge the cells and pairs of a comparison into a ledger.

    Cells with the same configuration and label are replaced, as are pairs; pairs of a replaced
    cell with a cell of another grid are dropped. Duplicates of a cell under a longer label, such
    as `amnl split.by=engines` of `amnl`, are left out with their pairs. Cells without a
    successful run are ignored.

    Ranks and Holm's correction are recomputed over the whole ledger. Only cells without settings
    are ranked, that is, balancers. Pairs with a leak are a separate family, so that a
    demonstration of the leak does not make the other comparisons more conservative.

    Raises:
        UsageError: the file exists and is not a ledger.
        RulError: it cannot be written.
    """
    with wait_for_folder(path.parent):  # concurrent merges would lose cells
        ledger = _merge(read_ledger(path, to_write=True), comparison)
        save_file(path, ledger.as_json(indent=1))


def _merge(ledger: Ledger, comparison: Comparison) -> Ledger:
    new_cells = [cell for cell in comparison.cells if cell.n_seeds]
    replaced = {cell.key for cell in new_cells}
    cells = _without_repetitions(_merge_by(("config", "label"), [*ledger.cells, *new_cells]))
    keys = {cell.key for cell in cells}
    # a pair of a replaced and an older cell would compare different versions of the code
    kept = [pair for pair in ledger.pairs if not pair.keys & replaced]
    kept += [pair for pair in comparison.pairs if pair.keys <= replaced]
    pairs = [pair for pair in _merge_by(("config", "a", "b"), kept) if pair.keys <= keys]
    return Ledger(
        about=_ABOUT,
        cells=cells,
        pairs=[
            pair
            for leak in (False, True)
            for pair in correct_pairs([pair for pair in pairs if bool(pair.leak) is leak])
        ],
        oracle=_merge_by(("subset",), [*ledger.oracle, *(comparison.oracle or [])]),
        leak=_merge_by(("config", "cell"), [*ledger.leak, *(comparison.leak or [])]),
        ranks=mean_ranks([cell for cell in cells if not cell.settings]),
    )


def _merge_by(names: tuple[str, ...], records: Iterable[R]) -> list[R]:
    """Sort records by attributes; of records with equal attributes, keep the last."""
    by_key = {tuple(getattr(record, name) for name in names): record for record in records}
    return [by_key[key] for key in sorted(by_key)]


def _without_repetitions(cells: Sequence[CellSummary]) -> list[CellSummary]:
    """Drop duplicates: cells with the digest and metrics of one with a shorter label."""
    labels: dict[Any, str] = {}
    for cell in sorted(cells, key=lambda cell: len(cell.label)):  # keeps the shortest label
        labels.setdefault(_content(cell), cell.label)
    return [cell for cell in cells if labels[_content(cell)] == cell.label]


def _content(cell: CellSummary) -> tuple[Any, ...]:
    runs = sorted((run.seed, run.rmse, run.nasa) for run in cell.runs)
    return cell.config, cell.config_digest, tuple(runs)
