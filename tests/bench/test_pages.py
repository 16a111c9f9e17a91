"""The README's table, from results made by hand."""

import json

import pytest

from cmapss_rul.bench.pages import KEPT, as_markdown, write
from tests.bench.results import result

PAGE = (
    "# A page\n\n<!-- bench: written by scripts/write-tables, never by hand -->\nold\n"
    "<!-- end of bench -->\n\nThe end.\n"
)


@pytest.fixture
def root(tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "README.md").write_text(PAGE)
    return tmp_path


def test_without_a_benchmark_the_page_stays(root):
    assert write(root) == []
    assert (root / "README.md").read_text() == PAGE


def test_a_benchmark_is_written_once(root):
    (root / KEPT[0]).write_text(json.dumps(result()))
    assert write(root) == [root / "README.md"]
    text = (root / "README.md").read_text()
    assert "| `step.ratio_to_usual_loop` | 1.000 ± 0.100 | ≥ 1 |" in text
    assert text.endswith("\n\nThe end.\n")
    assert write(root) == []


def test_subsets_stand_side_by_side_and_what_is_missed_is_marked():
    slow = {"ratio_to_usual_loop": 0.5, "ratio_to_usual_loop_spread": 0.0}
    other = result(subset="FD004", step=slow)
    text = as_markdown([result(), other])
    assert "| figure, median ± spread | FD001 | FD004 | must reach |" in text
    line = "| `step.ratio_to_usual_loop` | 1.000 ± 0.100 | 0.500 ± 0.000, missed | ≥ 1 |"
    assert line in text
    assert "FD004: official files, 2 threads a side, 20 minutes, 2026-11-21; X, 2 cores" in text
