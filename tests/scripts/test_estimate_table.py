"""The table of both estimates, from the evaluations of runs."""

import json

from scripts.coverage_table import read_evaluations
from scripts.estimate_table import estimate_table


def test_both_estimates_are_compared_run_by_run(tmp_path):
    # differences of the scores: 30, 10, 20; mean 20, sd 10, t = 20 ÷ (10 ÷ √3) = 3.4641, 2 df
    scores = [(100.0, 70.0), (100.0, 90.0), (130.0, 110.0)]
    for seed, (network, earlier) in enumerate(scores):
        run = tmp_path / "runs" / f"fd001-amnl-s{seed}"
        run.mkdir(parents=True)
        plain = {
            "metrics": {"last": {"capped": {"rmse": 11.0 + seed, "nasa": network}}},
            "estimate_nasa": {"last": {"capped": {"rmse": 12.0, "nasa": earlier}}},
        }
        (run / "evaluation.json").write_text(json.dumps(plain))
    other = tmp_path / "runs" / "fd001-fixed-s0"
    other.mkdir()
    (other / "evaluation.json").write_text(json.dumps({"metrics": plain["metrics"]}))
    (row,) = estimate_table(read_evaluations([tmp_path]), "capped").rows
    assert row == [
        "fd001-amnl", "12.00 ± 1.00 / 110 ± 17", "12.00 ± 0.00 / 90 ± 20", "3 of 3", "0.074",
    ]  # fmt: skip
