"""`rul compare --validation-only`: no test file, runs paired by split and seed, corrected tests."""

import io
import json
import math

import pytest
from rich.console import Console
from scipy import stats
from typer.testing import CliRunner

from cmapss_rul.cli import app
from cmapss_rul.experiments import compare as compare_module
from cmapss_rul.experiments import executors
from cmapss_rul.experiments.compare import compare, compare_validation
from cmapss_rul.experiments.executors import Options
from cmapss_rul.experiments.grid import make_grid
from cmapss_rul.experiments.runs import History
from cmapss_rul.experiments.statistics import resampled_interval
from cmapss_rul.experiments.validation import compare_by_validation, render
from cmapss_rul.system.errors import UsageError
from tests.experiments.inputs import run_in_process, write_config


def history(rmse, nasa=1.0, best_epoch=1):
    row = {"val_rmse": rmse + 1, "val_nasa": nasa, "val_cut_rmse": rmse, "val_cut_nasa": nasa}
    worse = {name: value + 9 for name, value in row.items()}
    rows = [worse, worse]
    rows[best_epoch - 1] = row
    return History([{**values, "seconds": 2.0} for values in rows], best_epoch, "0" * 64)


def grid_of(splits="0, 1, 2", seeds=(0, 1), **options):
    axes = {"split.seed": json.loads(f"[{splits}]"), "train.clip": [1, 10]}
    return make_grid(["fd001"], seeds=seeds, axes=axes, **options)


def test_runs_are_paired_by_split_and_seed_with_splits_as_observations():
    """clip=10 is lower by 1, 2 and 3 in the three splits, with seeds ± 0.5 around each."""
    grid = grid_of()
    histories = {}
    for run in grid.runs:
        base, split = 20.0, run.config.split.seed
        lower = (split + 1) if run.config.train.clip == 10 else 0
        seed = (0.5 if run.seed else -0.5) if lower else 0
        histories[run.name] = history(base + 3 * split - lower + seed, best_epoch=1 + run.seed)
    comparison = compare_by_validation(grid, histories, {})
    one, ten = comparison.cells
    assert [cell.label for cell in comparison.cells] == [
        "amnl train.clip=1.0",
        "amnl train.clip=10.0",
    ]
    assert (one.splits, one.seeds, len(one.runs)) == (3, 2, 6)
    assert one.val_cut_rmse.mean == pytest.approx(23)
    assert ten.val_rmse.mean == pytest.approx(22)
    assert ten.best_epoch.mean == pytest.approx(1.5)
    pair = comparison.pairs[0]
    assert (pair.metric, pair.splits, pair.seeds) == ("val_cut_rmse", 3, 2)
    # s = 1 over splits; 20 % of the engines validate: 1/4 a training engine
    error = math.sqrt(1 / 3 + 1 / 4)
    assert pair.difference.mean == pytest.approx(2)
    assert pair.difference.t == pytest.approx(2 / error)
    assert pair.difference.p == pytest.approx(2 * stats.t.sf(2 / error, 2))
    reach = stats.t.ppf(0.975, 2) * error
    assert pair.difference.interval == pytest.approx((2 - reach, 2 + reach))
    assert "no difference shown" in pair.sentence


def test_the_corrected_test_is_never_more_significant():
    differences = [0.3, 0.5, 0.1, 0.4]
    plain = stats.ttest_1samp(differences, 0)
    assert resampled_interval(differences, 0.0).p == pytest.approx(plain.pvalue)
    assert resampled_interval(differences, 0.25).p > plain.pvalue
    assert resampled_interval([0.5, 0.5], 0.25).p is None
    assert resampled_interval([0.5], 0.25).interval is None


def test_one_split_is_compared_over_its_seeds_with_a_note():
    grid = grid_of("4", seeds=(0, 1, 2))
    values = dict(zip([run.name for run in grid.runs], (9, 8, 9.5, 8.2, 9.1, 8.1), strict=True))
    comparison = compare_by_validation(grid, {k: history(v) for k, v in values.items()}, {})
    expected = stats.ttest_1samp([1.0, 1.3, 1.0], 0)
    assert comparison.pairs[0].difference.p == pytest.approx(expected.pvalue)
    assert "3 seeds of one split" in comparison.pairs[0].sentence
    assert "one split" in comparison.notes[0]


def test_without_a_split_seed_each_seed_is_a_split():
    grid = make_grid(["fd001"], balancers=["fixed", "amnl"], seeds=[0, 1, 2])
    comparison = compare_by_validation(grid, {run.name: history(9) for run in grid.runs}, {})
    assert [cell.splits for cell in comparison.cells] == [3, 3]


def test_cells_of_several_configurations_of_one_subset_are_paired():
    grid = make_grid(["fd001", "fd003", "published"], seeds=[0, 1])
    comparison = compare_by_validation(grid, {run.name: history(9) for run in grid.runs}, {})
    assert {(pair.a, pair.b) for pair in comparison.pairs} == {("fd001 amnl", "published amnl")}


@pytest.fixture
def small(tmp_path, eight_engine_dir, monkeypatch):
    """A configuration on a folder that has no test files."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train_FD001.txt").write_bytes((eight_engine_dir / "train_FD001.txt").read_bytes())
    monkeypatch.setenv("RUL_DATA_SOURCE", str(folder))
    monkeypatch.setattr(executors, "run_jobs", run_in_process)
    monkeypatch.setattr(compare_module, "draw", lambda *_: [])
    return write_config(tmp_path / "small.yaml", folder)


def test_no_test_file_is_needed_and_a_later_call_evaluates_the_same_runs(
    small, tmp_path, eight_engine_dir
):
    grid = make_grid([str(small)], balancers=["fixed", "amnl"], seeds=[0])
    comparison = compare_validation(grid, tmp_path / "out", Options(processes=1))
    assert json.loads((tmp_path / "out" / "validation.json").read_text())["pairs"]
    assert [len(cell.runs) for cell in comparison.cells] == [1, 1]
    trained = {path: path.read_bytes() for path in tmp_path.glob("out/runs/*/best.pt")}
    assert len(trained) == 2
    assert not list(tmp_path.glob("out/runs/*/evaluation.json"))
    for name in ("test_FD001.txt", "RUL_FD001.txt"):
        (tmp_path / "data" / name).write_bytes((eight_engine_dir / name).read_bytes())
    assert len(compare(grid, tmp_path / "out", Options(processes=1)).cells) == 2
    assert {path: path.read_bytes() for path in trained} == trained


def test_the_command_prints_the_table_and_the_protocol(small, tmp_path):
    arguments = ["compare", "--config", str(small), "--balancer", "fixed,amnl", "--seeds", "1"]
    out = ["--output", str(tmp_path / "out"), "--validation-only"]
    result = CliRunner().invoke(app, [*arguments, *out])
    assert result.exit_code == 0, result.output
    text = " ".join(result.output.split())
    assert "cut RMSE" in text
    assert "no test file was opened" in text
    assert "small amnl" in text
    result = CliRunner().invoke(app, [*arguments, *out, "--json"])
    assert [cell["label"] for cell in json.loads(result.stdout)["cells"]] == ["fixed", "amnl"]


@pytest.mark.parametrize("option", ["--oracle", "--ledger"])
def test_options_that_need_the_test_files_are_refused(small, tmp_path, option):
    grid = make_grid([str(small)], seeds=[0], oracle=option == "--oracle")
    ledger = tmp_path / "ledger.json" if option == "--ledger" else None
    with pytest.raises(UsageError, match=f"{option} needs the test files"):
        compare_validation(grid, tmp_path / "out", Options(ledger=ledger))
    assert not (tmp_path / "out").exists()


def test_auxiliary_subsets_and_leaks_are_marked():
    axes = {"split.by": ["engines", "windows"]}
    grid = make_grid(["fd001-auxiliary"], seeds=[0], axes=axes)
    comparison = compare_by_validation(grid, {run.name: history(9) for run in grid.runs}, {})
    stream = io.StringIO()
    Console(file=stream, width=200).print(render(comparison))
    text = " ".join(stream.getvalue().split())
    assert "fd001-auxiliary (also trained on FD002)" in text
    assert "(leak)" in text
