"""The table of committed benchmarks, from synthetic results."""

import json

from scripts.bench_table import BENCHMARKS, bench_table, read_benchmarks
from tests.bench.results import result


def test_existing_results_are_read(tmp_path):
    assert read_benchmarks(tmp_path) == []
    (tmp_path / "configs").mkdir()
    (tmp_path / BENCHMARKS[3]).write_text(json.dumps(result(subset="FD004")))
    assert read_benchmarks(tmp_path) == [result(subset="FD004")]


def test_subsets_stand_side_by_side_and_what_is_missed_is_marked():
    slow = {"ratio_to_usual_loop": 0.5, "ratio_to_usual_loop_spread": 0.0}
    other = result(subset="FD004", step=slow)
    text = bench_table([result(), other])
    assert "| median ± spread | FD001 | FD004 | required |" in text
    line = "| `step.ratio_to_usual_loop` | 1.000 ± 0.100 | 0.500 ± 0.000, missed | ≥ 1 |"
    assert line in text
    assert (
        "FD004: official files, 2 threads per process, 20 minutes, 2026-11-21; X, 2 cores" in text
    )


def test_the_time_to_accuracy_of_one_split_is_left_out():
    assert "accuracy." not in bench_table([result()])  # it has a table over splits
