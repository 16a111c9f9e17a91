"""Which folder is reported on, and where the report goes."""

from pathlib import Path

from cmapss_rul.evaluation.save import check_writable
from cmapss_rul.reports.grid import report_grid
from cmapss_rul.reports.page import pictures_folder
from cmapss_rul.reports.run import report_run
from cmapss_rul.system.errors import UsageError
from cmapss_rul.system.text import printable

_COMPARISON, _GRID = "comparison.json", "grid.json"


def report(
    folder: Path | str,
    output: Path | str | None = None,
    *,
    device: str = "cpu",
    data_dir: Path | str | None = None,
) -> list[Path]:
    """Report on a run, or on a comparison.

    Args:
        folder: of a run, or of `rul compare`.
        output: the HTML file; `report.html` in the folder by default. Its pictures go to a folder
            beside it, `report-figures`; a run's MODEL_CARD.md always goes to the run's folder.
        device: where a run's network computes.
        data_dir: folder of the data; that of the run by default.

    Returns:
        The files that were written: the page, its pictures, and a run's model card.

    Raises:
        UsageError: the folder is neither, or the output is no HTML file.
        RulError: what `restore`, `evaluate` and writing raise.
    """
    folder = Path(folder)
    output = folder / "report.html" if output is None else Path(output)
    is_grid = _is_grid(folder)
    if output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(
            f"--output {printable(output)}: expected the name of a page, ending in .html"
        )
    check_writable(output)
    check_writable(pictures_folder(output) / "picture.png")
    if is_grid:
        return report_grid(folder / _COMPARISON, output)
    return report_run(folder, output, device=device, data_dir=data_dir)


def _is_grid(folder: Path) -> bool:
    name = printable(folder)
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "there is no such folder"
        raise UsageError(f"{name}: {what}; expected that of a run, or of rul compare")
    if (folder / _COMPARISON).exists():
        return True
    if (folder / "best.pt").exists():
        return False
    if (folder / _GRID).exists():
        raise UsageError(f"{name}: its runs were not compared yet; call rul compare again")
    raise UsageError(
        f"{name}: holds neither best.pt, as a run does, nor {_COMPARISON}, as rul compare makes "
        "it; rul runs lists the runs"
    )
