"""The table of kept benchmarks, from results made by hand."""

import json

from cmapss_rul.bench.kept import KEPT, as_markdown, read
from tests.bench.results import result


def test_those_that_are_there_are_read(tmp_path):
    assert read(tmp_path) == []
    (tmp_path / "configs").mkdir()
    (tmp_path / KEPT[3]).write_text(json.dumps(result(subset="FD004")))
    assert read(tmp_path) == [result(subset="FD004")]


def test_subsets_stand_side_by_side_and_what_is_missed_is_marked():
    slow = {"ratio_to_usual_loop": 0.5, "ratio_to_usual_loop_spread": 0.0}
    other = result(subset="FD004", step=slow)
    text = as_markdown([result(), other])
    assert "| figure, median ± spread | FD001 | FD004 | must reach |" in text
    line = "| `step.ratio_to_usual_loop` | 1.000 ± 0.100 | 0.500 ± 0.000, missed | ≥ 1 |"
    assert line in text
    assert "FD004: official files, 2 threads a side, 20 minutes, 2026-11-21; X, 2 cores" in text
