"""Markdown table of both point estimates in the runs of a comparison.

    python -m scripts.estimate_table FOLDER...    folders of runs

Reads `evaluation.json` of every run, as written by `rul evaluate RUN --estimate nasa`. Per cell:
RMSE and NASA score of last windows, mean ± sd over its runs, number of runs in which the score is
lower, and p of a paired t test of the scores. Runs without that estimate are excluded.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scipy import stats

from cmapss_rul.display.table import Table, to_markdown
from cmapss_rul.experiments.summaries import Spread
from cmapss_rul.experiments.table import show_spread
from scripts.coverage_table import read_evaluations

_Cells = Mapping[str, Sequence[Mapping[str, Any]]]


def estimate_table(cells: _Cells, labels: str) -> Table:
    """Tabulate both estimates by cell; `labels` is 'capped' or 'raw'."""
    rows = []
    for name, runs in sorted(cells.items()):
        both = [
            (run["metrics"]["last"][labels], run["estimate_nasa"]["last"][labels])
            for run in runs
            if "estimate_nasa" in run
        ]
        if len(both) < 2:
            continue
        network, earlier = zip(*both, strict=True)
        lower = sum(b["nasa"] < a["nasa"] for a, b in both)
        scores = [[run["nasa"] for run in part] for part in (network, earlier)]
        p = f"{stats.ttest_rel(*scores).pvalue:.2g}"
        rows.append([name, _scores(network), _scores(earlier), f"{lower} of {len(both)}", p])
    head = [f"last windows, {labels} labels", "the network's RUL", "--estimate nasa"]
    return Table("", [*head, "lower score in", "p"], rows)


def _scores(runs: Sequence[Mapping[str, float]]) -> str:
    rmse, nasa = (Spread.of([run[key] for run in runs]) for key in ("rmse", "nasa"))
    return f"{show_spread(rmse, 2)} / {show_spread(nasa, 0)}"


def main() -> None:
    """Print a table of capped and one of raw labels."""
    cells = read_evaluations([Path(name) for name in sys.argv[1:]])
    if not cells:
        sys.exit("found no evaluation.json; name a folder of rul compare")
    for labels in ("capped", "raw"):
        print(to_markdown(estimate_table(cells, labels)), end="\n\n")


if __name__ == "__main__":
    main()
