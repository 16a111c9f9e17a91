"""The study of coverage on simulated fleets and the table of a comparison, without their runs."""

import json

import pytest

from scripts.coverage_study import configuration, coverage_study_table, failures, summarise_study
from scripts.coverage_table import coverage_table, read_coverage


def fleet(covered, predicted=10.0):
    """A hundred engines, of which as many are covered at every level."""
    held = [True] * covered + [False] * (100 - covered)
    return {"predicted": [predicted] * 100, "true": [0.0] * 100, "held": [held] * 3}


def test_a_level_fails_by_the_binomial_distribution():
    """Of 100 engines at 0.8, 73 or fewer are covered with p = 0.0558, 72 with p = 0.0342."""
    holds, fails = (summarise_study([fleet(count)]) for count in (73, 72))
    assert holds["levels"][0]["p"] == pytest.approx(0.0558, abs=1e-4)
    assert fails["levels"][0]["p"] == pytest.approx(0.0342, abs=1e-4)
    assert "level 0.8: 72 of 100" in failures(fails)
    assert not any(text.startswith("level 0.8") for text in failures(holds))


def test_a_band_fails_from_two_hundred_engines_on():
    few = summarise_study([fleet(90), fleet(70, 60.0)])
    many = summarise_study([*[fleet(90)] * 4, *[fleet(70, 60.0)] * 2])
    assert "level 0.8, 50–74: 140 of 200" in failures(many)
    assert not any("50–74" in text for text in failures(few))
    assert [band["engines"] for band in many["levels"][0]["bands"]] == [400, 0, 200, 0, 0, 0]
    text = coverage_study_table(many)
    assert "coverage (600 engines)" in text
    assert "50–74 (200)" in text
    assert "| 0.8 | 0.833 |" in text


def test_forty_engines_calibrate_so_that_every_level_is_there(tmp_path):
    config = configuration(3, tmp_path)
    assert (config.seed, config.split.validation, config.data.dir) == (3, 0.4, str(tmp_path))


def evaluation(level_coverages):
    def part(x):
        return {"capped": {"coverage": x, "width": 20.0}}

    coverage = [
        {"level": level, "last": part(x), "every": part(1.0)}
        for level, x in level_coverages.items()
    ]
    return json.dumps(
        {"intervals": {"engines": 20, "levels": [*level_coverages], "coverage": coverage}}
    )


def test_the_runs_of_a_comparison_make_a_row_a_cell(tmp_path):
    for seed, covered in ((0, 0.7), (1, 0.9)):
        run = tmp_path / "runs" / f"fd001-amnl-s{seed}"
        run.mkdir(parents=True)
        (run / "evaluation.json").write_text(evaluation({0.8: covered, 0.9: 0.95}))
    cells = read_coverage([tmp_path])
    (row,) = coverage_table(cells, "last").rows
    assert row == ["fd001-amnl", "2", "20", "0.80 ± 0.14, 20", "0.95 ± 0.00, 20", "not offered"]
    assert coverage_table(cells, "every").rows[0][3] == "1.00 ± 0.00, 20"
