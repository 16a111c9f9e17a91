"""The repository's own tables: pages, ledger and shipped configurations agree."""

import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cmapss_rul.experiments.identity import digest_of
from cmapss_rul.experiments.ledger import read_ledger
from cmapss_rul.experiments.statistics import holm
from cmapss_rul.training.gradient_boosting import GRADIENT_BOOSTING
from scripts.pages import LEDGER, expected_pages, marked_content, page_of
from scripts.rerun import grid_of_cell
from tests.test_configs import BALANCERS

ROOT = Path(__file__).parents[2]
WEIGHTED = "loss.rul.name=weighted_mse"
CELLS = {*BALANCERS, GRADIENT_BOOSTING, f"fixed {WEIGHTED}", f"gaba {WEIGHTED}"}


def test_every_page_agrees_with_its_data():
    for path, expected in expected_pages(ROOT).items():
        assert path.read_text(encoding="utf-8") == expected, (
            f"{path.name}: run scripts/write-tables"
        )


def test_a_page_has_the_ledger():
    page = page_of(ROOT, "ledger").read_text(encoding="utf-8")
    assert "FD001 |" in marked_content(page, "ledger")


@pytest.fixture(scope="module")
def ledger():
    return read_ledger(ROOT / LEDGER)


@pytest.fixture(scope="module")
def cells(ledger):
    return ledger.cells


def test_each_shipped_configuration_is_still_that_of_the_ledger(cells):
    for cell in cells:
        grid_of_cell(cell)  # refuses one that has changed, and names the keys
        assert digest_of(cell.configuration) == cell.config_digest


def test_the_ledger_has_every_cell_that_was_promised(cells):
    seeds = {cell.key: {run.seed for run in cell.runs} for cell in cells}
    expected = {(f"fd00{n}", name): 10 for n in (1, 2, 3, 4) for name in CELLS}
    for n in (1, 2, 3, 4):
        expected |= {(f"fd00{n}-auxiliary", "amnl"): 5, (f"fd00{n} (5 folds)", "amnl"): 5}
        for kind in ("", "-auxiliary"):
            expected[f"fd00{n}{kind}", "amnl data.cycle_count=false"] = 5
    assert {key: seeds.get(key) for key in expected} == {
        k: set(range(n)) for k, n in expected.items()
    }


def test_the_ledger_was_made_from_the_official_files_and_committed_code(cells):
    for cell in cells:
        assert cell.files == "official files"
        assert "with changes" not in cell.commit
        assert "unknown" not in cell.commit


def test_the_findings_on_balancers_follow_from_the_ledger(ledger):
    configs = [f"fd00{number}" for number in (1, 2, 3, 4)]
    pairs = [p for p in ledger.pairs if p.config in configs and {p.a, p.b} <= {*BALANCERS}]
    p_all = min(holm([pair.paired_t.p for pair in pairs]))
    half_widths = [np.ptp(pair.paired_t.interval) / 2 for pair in pairs]
    equivalent = Counter(pair.config for pair in pairs if pair.equivalence.shown)
    one, two, three, four = (equivalent[config] for config in configs)
    page = " ".join((ROOT / "docs/results.md").read_text(encoding="utf-8").split())
    for text in (
        f"Two of {len(pairs)} pairs differ significantly",
        f"corrected over all {len(pairs)} none does (p = {p_all:.3f})",
        f"± {np.median(half_widths):.2f} cycles (median) and ± {max(half_widths):.2f} at most",
        f"all {two} pairs on FD002 and on FD004, {three} on FD003 and {one} on FD001",
    ):
        assert text in page
    assert sum(pair.shown for pair in pairs) == 2
    assert two == four == len(pairs) / 4


def test_the_scripts_parse():
    for name in ("write-tables", "rerun-cell"):
        subprocess.run(["bash", "-n", str(ROOT / "scripts" / name)], check=True)
