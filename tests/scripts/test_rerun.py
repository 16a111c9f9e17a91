"""Repeated cells of a ledger: lookup, refusals and verdicts."""

import dataclasses
import io
import json

import pytest
from rich.console import Console
from scipy import stats

from cmapss_rul.display.table import to_terminal
from cmapss_rul.experiments.identity import comparable, config_digest
from cmapss_rul.experiments.ledger import merge_comparison, read_ledger
from cmapss_rul.experiments.results import Comparison, Ledger
from cmapss_rul.experiments.summaries import CellSummary
from cmapss_rul.system.errors import RulError, UsageError
from cmapss_rul.training.config import load_config
from scripts import rerun
from tests.experiments.inputs import comparison, grid

SEEDS = (0, 1, 2, 3, 4)
FIGURES = [10.0, 11.0, 12.0, 13.0, 14.0]  # mean 12, sd √2.5
HALF = 2.776445 * 2.5**0.5 * 1.2**0.5


@pytest.fixture(scope="module")
def ledger(tmp_path_factory):
    """A ledger of two balancers and of two settings."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.json"
    made = grid(balancers=["fixed", "amnl"], seeds=SEEDS)
    merge_comparison(path, comparison(made, {"fixed": FIGURES, "amnl": FIGURES}))
    made = grid("fd003", balancers=["gradnorm"], axes={"balancer.alpha": [0.5]}, seeds=(3,))
    merge_comparison(path, comparison(made, {"gradnorm balancer.alpha=0.5": [12.0]}))
    return read_ledger(path)


@pytest.fixture
def fixed(ledger):
    """The cell of `fixed` as plain values, to be changed at will."""
    return json.loads(rerun.find_cell(ledger, "fd001", "fixed").as_json())


def record(cell):
    return CellSummary.model_validate(cell)


def judge(cell, made):
    return rerun.judge(record(cell), made)


def repeated(cell, *values, seeds=(0,), **changes):
    """The comparison of a grid of that cell whose runs gave these values."""
    cell = record(cell)
    made = rerun.grid_of_cell(cell, seeds=seeds)
    return comparison(made, {cell.label: list(values)}, **changes)


# ---- which cell ----------------------------------------------------------------------------


def test_a_cell_is_found_by_name_or_file(ledger):
    assert rerun.find_cell(ledger, "fd001", "amnl").label == "amnl"
    assert rerun.find_cell(ledger, "some/where/fd001.yaml", "amnl").config == "fd001"


@pytest.mark.parametrize(
    ("config", "label", "message"),
    [
        ("fd01", "amnl", "no configuration 'fd01'; expected one of: fd001, fd003"),
        ("fd001", "amln", "no cell 'amln' of fd001; expected one of: amnl, fixed"),
        ("fd003", "amnl", "no cell 'amnl' of fd003; expected one of: gradnorm balancer.alpha=0.5"),
    ],
)
def test_a_missing_cell_is_reported_with_those_that_exist(ledger, config, label, message):
    with pytest.raises(UsageError) as caught:
        rerun.find_cell(ledger, config, label)
    assert message in str(caught.value)


def test_an_empty_ledger_is_reported():
    with pytest.raises(UsageError, match="expected one of: none, the ledger is empty"):
        rerun.find_cell(Ledger(cells=[], pairs=[], oracle=[], leak=[]), "fd001", "amnl")


def test_the_grid_is_the_cells_configuration(fixed, tmp_path):
    made = rerun.grid_of_cell(record(fixed), seeds=[3, 7], data=tmp_path / "a: b")
    assert [run.seed for run in made.runs] == [3, 7]
    expected = load_config("fd001", ["balancer.name=fixed"])
    assert config_digest(made.cells[0].resolved) == config_digest(expected)
    assert made.cells[0].resolved.data.dir == str(tmp_path / "a: b")


def test_settings_of_the_grid_are_those_of_the_cell(ledger):
    cell = rerun.find_cell(ledger, "fd003", "gradnorm balancer.alpha=0.5")
    made = rerun.grid_of_cell(cell)
    assert made.cells[0].label == cell.label
    assert made.cells[0].resolved.balancer.alpha == 0.5


def test_a_configuration_that_has_changed_is_refused_with_the_difference(fixed):
    epochs = fixed["configuration"]["train"]["epochs"]
    fixed["configuration"]["train"]["epochs"] = 3
    with pytest.raises(UsageError) as caught:
        rerun.grid_of_cell(record(fixed))
    assert str(caught.value) == (
        "the configuration differs from that of the ledger: fd001 fixed: train.epochs was 3 and "
        f"is {epochs}; update the ledger with rul compare --ledger"
    )
    del fixed["configuration"]
    with pytest.raises(UsageError, match="differs from that of the ledger: none; update"):
        rerun.grid_of_cell(record(fixed))


def test_a_newer_key_at_its_default_is_no_change(fixed):
    assert fixed["configuration"]["split"].pop("seed") is None
    rerun.grid_of_cell(record(fixed))


# ---- inside or outside ---------------------------------------------------------------------


def test_the_interval_is_that_of_one_more_run():
    """mean ± t(4) · sd · √(1 + 1/5); a run out of the same normal law lies in it 95 times."""
    low, high = rerun.prediction_interval(12.0, 2.5**0.5, 5)
    assert (low, high) == pytest.approx((12 - HALF, 12 + HALF), abs=1e-5)
    draws = stats.norm(12, 2).rvs((4000, 6), random_state=0)
    inside = 0
    for row in draws:
        low, high = rerun.prediction_interval(row[:5].mean(), row[:5].std(ddof=1), 5)
        inside += low <= row[5] <= high
    assert inside / len(draws) == pytest.approx(0.95, abs=0.01)


def test_the_interval_ends_at_0_and_needs_a_spread():
    assert rerun.prediction_interval(1.0, 5.0, 5)[0] == 0.0
    assert rerun.prediction_interval(12.0, None, 1) is None
    assert rerun.prediction_interval(None, None, 5) is None


def test_every_figure_is_held_against_its_own(fixed):
    verdicts = judge(fixed, repeated(fixed, 11.5, seeds=(7,)))
    assert {v.figure: (v.value, v.ledger) for v in verdicts} == {
        "RMSE": (11.5, 12.0),
        "NASA": (115.0, 120.0),
        "RMSE raw": (21.5, 22.0),
        "NASA raw": (215.0, 220.0),
        "RMSE every cycle": (12.5, 13.0),
        "NASA every cycle": (125.0, 130.0),
        "RMSE every cycle, raw": (31.5, 32.0),
        "NASA every cycle, raw": (315.0, 320.0),
        "RMSE of validation": (13.5, 14.0),
    }
    assert all(v.inside and not v.same and v.seed == 7 for v in verdicts)


@pytest.mark.parametrize("side", [-1, 1])
def test_just_inside_and_just_outside(fixed, side):
    for gap, inside in ((HALF - 1e-3, True), (HALF + 1e-3, False)):
        verdicts = judge(fixed, repeated(fixed, 12.0 + side * gap, seeds=(7,)))
        assert {v.inside for v in verdicts if v.figure == "RMSE"} == {inside}


def test_a_run_of_the_ledger_is_the_same_whatever_its_seconds(fixed):
    for run in fixed["runs"]:
        run["seconds"] += 5
    verdicts = judge(fixed, repeated(fixed, 11.0, seeds=(1,)))
    assert all(v.same and v.inside for v in verdicts)


def test_one_other_figure_and_the_run_is_not_the_same(fixed):
    fixed["runs"][1]["clipped_share"] += 1e-6
    verdicts = judge(fixed, repeated(fixed, 11.0, seeds=(1,)))
    assert not any(v.same for v in verdicts)
    assert all(v.inside for v in verdicts)


def test_the_ledgers_own_runs_are_always_inside_even_when_not_the_same(fixed):
    """The farthest of n values lies (n − 1)/√n sd from their mean: 1.8 of 3.0 for five."""
    fixed["runs"] = []
    for figure in FIGURES:
        assert all(v.inside for v in judge(fixed, repeated(fixed, figure, seeds=(9,))))


def test_each_seed_is_judged_alone(fixed):
    verdicts = judge(fixed, repeated(fixed, 11.0, 30.0, seeds=(1, 8)))
    assert {v.seed for v in verdicts if not v.inside} == {8}
    assert len(verdicts) == 18


def test_one_seed_has_no_spread_so_that_only_the_same_counts(ledger):
    cell = rerun.find_cell(ledger, "fd003", "gradnorm balancer.alpha=0.5")
    assert all(v.inside for v in judge(cell, repeated(cell, 12.0, seeds=(3,))))
    other = judge(cell, repeated(cell, 12.0, seeds=(4,)))
    assert not any(v.inside for v in other)
    assert {v.interval for v in other} == {None}


def test_a_figure_too_large_for_a_number_is_outside(fixed):
    made = repeated(fixed, 11.5, seeds=(7,))
    plain = json.loads(made.as_json())
    plain["cells"][0]["runs"][0]["nasa_every_raw"] = None
    made = Comparison.model_validate(plain)
    outside = [v for v in judge(fixed, made) if not v.inside]
    assert [v.figure for v in outside] == ["NASA every cycle, raw"]


def test_other_files_cannot_be_judged(fixed):
    fixed["data"]["test_FD001.txt"]["canonical_sha256"] = "z"
    with pytest.raises(RulError, match=r"test_FD001\.txt is not the file that the ledger's"):
        judge(fixed, repeated(fixed, 11.0))


def test_the_error_counts_what_is_outside(fixed):
    verdicts = judge(fixed, repeated(fixed, 11.0, 30.0, seeds=(1, 8)))
    error = rerun.OutsideSpread(verdicts)
    assert error.exit_code == 1
    assert str(error).startswith("9 of 18 metrics are outside the ledger's spread; with")


# ---- output ---------------------------------------------------------------------------------


def printed(fixed, made) -> str:
    text = io.StringIO()
    Console(width=80, file=text).print(
        to_terminal(rerun.verdict_table(judge(fixed, made), record(fixed), made))
    )
    return text.getvalue()


def test_the_table_has_a_row_for_each_metric(fixed):
    text = printed(fixed, repeated(fixed, 11.0, 30.0, seeds=(1, 8)))
    assert text.startswith("fd001, fixed: official files; ledger: 5 seeds\n")
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert "seed 1" in lines
    assert "seed 8" in lines
    assert "RMSE 12.00 7.19 to 16.81 11.00 identical" in lines
    assert "NASA 120 71.91 to 168 300 outside" in lines
    assert "in the ledger" not in text


def test_versions_that_differ_are_listed(fixed):
    fixed["versions"] |= {"torch": "2.0.0"}
    del fixed["versions"]["scipy"]
    made = repeated(fixed, 11.0, seeds=(1,))
    plain = json.loads(made.as_json())
    plain["cells"][0]["commit"] = None
    made = Comparison.model_validate(plain)
    text = " ".join(printed(fixed, made).split())
    assert "commit unknown now; in the ledger c0ffee" in text
    assert "torch 2.13.0 now; in the ledger 2.0.0" in text
    assert "now; in the ledger unknown" in text
    assert "numpy" not in text


def test_json_is_strict(fixed):
    verdicts = judge(fixed, repeated(fixed, 11.0, seeds=(1,)))
    verdicts[0] = dataclasses.replace(verdicts[0], value=float("inf"))
    plain = json.loads(rerun.as_json(verdicts))
    assert plain[0]["value"] is None
    assert plain[1] == {
        "seed": 1, "figure": "NASA", "value": 110.0, "ledger": 120.0,
        "interval": list(verdicts[1].interval), "same": True, "inside": True,
    }  # fmt: skip


def test_the_shipped_ledger_is_beside_the_shipped_configurations():
    assert rerun.shipped_ledger().parts[-2:] == ("configs", "ledger.json")


def test_the_grid_of_a_baseline_has_no_network(fixed):
    pytest.importorskip("sklearn")
    cell = {**fixed, "balancer": "gradient boosting", "label": "gradient boosting"}
    cell["configuration"] = comparable(load_config("fd001"))
    made = rerun.grid_of_cell(record(cell), seeds=[3])
    assert [(run.cell.label, run.cell.baseline) for run in made.runs] == [
        ("gradient boosting", True)
    ]
