"""docs/comparison.md: its statistics are keys of the result, and its Python code runs."""

import re
from pathlib import Path

from cmapss_rul.experiments import compare as compare_module
from cmapss_rul.experiments import executors
from cmapss_rul.experiments.comparison import compare_results
from cmapss_rul.metrics.bootstrap import DRAWS
from tests.experiments.inputs import comparison, grid, results, run_in_process, write_config

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "comparison.md").read_text(encoding="utf-8")


def test_every_statistic_of_the_table_is_a_key():
    made = grid(balancers=["amnl"], axes={"split.by": ["engines", "windows"]}, oracle=True)
    rmse = {cell.label: [12.0, 13.0] for cell in made.cells}
    found = compare_results(made, results(made, rmse, oracle={1: 11.0}), {})
    plain = found.model_dump()
    keys = plain.keys() | plain["cells"][0].keys() | plain["pairs"][0].keys()
    named = {
        name
        for row in re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE)
        for name in re.findall(r"`(\w+)`", row)
    }
    assert named == {
        "rmse_interval_over_engines", "paired_t", "bootstrap", "p_holm", "equivalence", "ranks",
        "oracle", "leak",
    }  # fmt: skip
    assert named <= keys
    assert f"drawn {DRAWS:,} times" in TEXT


def test_the_critical_difference_on_the_page_is_right():
    made = grid("fd001", "fd002", "fd003", "fd004",
                balancers=["fixed", "amnl", "amnl_ema", "dtp", "dwa"])  # fmt: skip
    rmse = {cell.label: [12.0, 13.0] for cell in made.cells}
    width = comparison(made, rmse).ranks.critical_difference
    assert f"significantly different from {width:.2f} on" in TEXT


def test_the_python_lines_run(tmp_path, fleet_dir, monkeypatch, capsys):
    """With a tiny configuration for `fd001`, and in this process."""
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    write_config(tmp_path / "fd001", fleet_dir)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(executors, "run_jobs", run_in_process)
    monkeypatch.setattr(compare_module, "draw", lambda *_: [])
    exec(code, {"__name__": "__main__"})
    assert re.match(r"fd001: .*fixed", capsys.readouterr().out)
    assert (tmp_path / "comparisons/mine/comparison.json").exists()


def test_names_on_the_page_exist():
    for name in re.findall(r"`(scripts/[\w-]+)", TEXT):
        assert (ROOT / name).is_file()
