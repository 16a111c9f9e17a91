"""The command scripts/rerun-cell, on the ledger of a tiny simulated fleet."""

import json
import shutil

import pytest

from cmapss_rul.cli import main
from cmapss_rul.experiments import compare, executors
from scripts.rerun_cell import NAME, app
from tests.experiments.inputs import run_in_process
from tests.test_terminal import harmless


@pytest.fixture
def call(capsys, finished_grid, tmp_path, monkeypatch):
    """Call the script in a folder with configuration and ledger; no pictures, no processes."""
    for name in ("tiny.yaml", "ledger.json"):
        shutil.copy(finished_grid[1].parent / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(compare, "draw", lambda *_: [])
    monkeypatch.setattr(executors, "run_jobs", run_in_process)

    def called(*words):
        with pytest.raises(SystemExit) as caught:
            main([*words, "--ledger", "ledger.json"], application=app, name=NAME)
        out, err = capsys.readouterr()
        return caught.value.code, out, err

    return called


def spoil(tmp_path, change):
    """Change the cell of `fixed` in the ledger."""
    plain = json.loads((tmp_path / "ledger.json").read_text())
    (cell,) = (cell for cell in plain["cells"] if cell["label"] == "fixed")
    change(cell)
    (tmp_path / "ledger.json").write_text(json.dumps(plain))


def test_the_ledgers_first_seed_is_identical(call, tmp_path):
    code, out, err = call("tiny.yaml", "fixed")
    assert (code, err) == (0, "")
    assert "tiny, fixed: simulated, not the official files; ledger: 2 seeds" in out
    assert out.count("identical") == 9
    assert " seed 0 " in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ledger.json", "tiny.yaml"]


def test_an_older_torch_and_another_figure_are_still_inside(call, tmp_path):
    def other(cell):
        cell["versions"]["torch"] = "2.0"
        cell["runs"][1]["rmse"] += 0.01

    spoil(tmp_path, other)
    code, out, err = call("tiny.yaml", "fixed", "--seed", "1")
    assert (code, err) == (0, "")
    assert out.count(" inside") == 9
    assert "in the ledger 2.0" in out


def test_outside_is_exit_1_with_the_number(call, tmp_path):
    def other(cell):
        cell["rmse"] = {"mean": 5.0, "sd": 0.1}

    spoil(tmp_path, other)
    code, out, err = call("tiny.yaml", "fixed", "--seed", "7")
    assert code == 1
    assert err.startswith("rul: error: 1 of 9 metrics are outside the ledger's spread")
    assert len(err.splitlines()) == 1
    (line,) = (line for line in out.splitlines() if "outside" in line)
    assert line.split()[:5] == ["RMSE", "5.00", "3.44", "to", "6.56"]  # 5 ± 12.706 · 0.1 · √1.5


def test_json_and_an_output_folder(call, tmp_path):
    code, out, err = call("tiny.yaml", "fixed", "--seed", "1", "--json", "--output", "saved")
    assert code == 0
    assert {entry["seed"] for entry in json.loads(out)} == {1}
    assert "training: 1 run\n" in err
    assert (tmp_path / "saved/runs/tiny-fixed-s1/best.pt").exists()
    _, _, err = call("tiny.yaml", "fixed", "--seed", "1", "--json", "--output", "saved")
    assert "training: 0 runs, 1 done before\n" in err


@pytest.mark.parametrize("name", ["a\x1b[31m\x9b2J\u202eb", "a\nrul: all is well", "\udc80"])
def test_hostile_arguments_are_shown_escaped_in_one_line(capsys, name):
    for words in ([name, "amnl"], ["fd001", name], ["fd001", "amnl", "--ledger", name]):
        with pytest.raises(SystemExit) as ended:
            main(words, application=app, name=NAME)
        err = capsys.readouterr().err
        assert ended.value.code == 2
        assert harmless(err)
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("tiny.yaml",), "Missing argument 'CELL'; see 'scripts/rerun-cell --help'"),
        (("tiny.yaml", "fixd"), "no cell 'fixd' of tiny; expected one of: fixed, amnl"),
        (("fd001", "fixed"), "no configuration 'fd001'; expected one of: tiny"),
        (("tiny.yaml", "fixed", "--seed", "-1"), "--seed"),
        (
            ("tiny.yaml", "fixed", "--device", "tpu"),
            "--device: found 'tpu', expected one of auto, cpu, cuda",
        ),
        (("elsewhere/tiny.yaml", "fixed"), "unknown configuration 'elsewhere/tiny.yaml'"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_trained(call, words, message):
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_a_changed_configuration_is_refused(call, tmp_path):
    text = (tmp_path / "tiny.yaml").read_text()
    (tmp_path / "tiny.yaml").write_text(text.replace("epochs: 2", "epochs: 3"))
    code, _, err = call("tiny.yaml", "fixed")
    assert code == 2
    assert "differs from that of the ledger: tiny fixed: train.epochs was 2 and is 3;" in err


def test_a_missing_ledger_is_said(call, tmp_path):
    (tmp_path / "ledger.json").unlink()
    code, _, err = call("tiny.yaml", "fixed")
    assert code == 2
    assert "--ledger ledger.json: cannot be read: " in err
    assert err.endswith("name another file\n")


def test_a_run_that_fails_is_named(call, monkeypatch):
    monkeypatch.setenv("RUL_DATA_SOURCE", "nowhere.zip")
    code, _, err = call("tiny.yaml", "fixed", "--data", "empty")
    assert code == 1
    assert "1 of 1 runs failed" in err
    assert "nowhere.zip" in err


def test_the_help_states_the_rule(capsys):
    with pytest.raises(SystemExit):
        main(["--help"], application=app, name=NAME)
    out = capsys.readouterr().out
    assert "mean ± t(n−1) · sd · √(1 + 1/n)" in out
    assert max(map(len, out.splitlines())) <= 80
