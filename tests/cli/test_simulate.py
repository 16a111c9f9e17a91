import json

import pytest
import typer
from typer.testing import CliRunner

from cmapss_rul.cli import app as rul
from cmapss_rul.cli.simulate import simulate
from cmapss_rul.system.errors import DataError, UsageError

app = typer.Typer()
app.command()(simulate)


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_files_are_written_and_listed(tmp_path):
    options = ("--output", tmp_path / "s", "--engines", 2, "--conditions", 6, "--faults", 2)
    result = run(*options, "--seed", 3)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{tmp_path}/s/train_FD004.txt  written  simulated",
        f"{tmp_path}/s/test_FD004.txt  written  simulated",
        f"{tmp_path}/s/RUL_FD004.txt  written  simulated",
        "simulated FD004, 2 engines; parameters in manifest_FD004.json",
    ]
    assert run(*options, "--seed", 3).stdout.count("exists") == 3
    refused = run(*options).exception
    assert isinstance(refused, DataError)
    assert "made with seed 3, not 0" in str(refused)


@pytest.mark.parametrize("option", ["--engines", "--conditions", "--faults", "--seed"])
def test_wrong_values(tmp_path, option):
    error = run("--output", tmp_path / "s", option, -4).exception
    assert isinstance(error, UsageError)
    assert f"{option[2:]}: found -4, expected" in str(error)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("words", [["--out", "s"], ["--out=s"]])
def test_the_old_name_of_output_still_works(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(rul, ["simulate", *words, "--engines", "2"])
    assert done.exit_code == 0
    assert (tmp_path / "s" / "manifest_FD001.json").exists()
    refused = CliRunner().invoke(rul, ["simulate", *words, "--output", "t"])
    assert "--output is given 2 times" in str(refused.exception)
    assert "--out " not in CliRunner().invoke(rul, ["simulate", "--help"]).stdout


def test_output_is_required_and_help_shows_an_example():
    assert run().exit_code == 2
    assert "rul simulate --output data/simulated" in run("--help").stdout


def test_json(tmp_path):
    options = ("--output", tmp_path / "s", "--engines", 2, "--json")
    first, again = (json.loads(run(*options).stdout) for _ in range(2))
    assert first == {
        "subset": "FD001",
        "manifest": f"{tmp_path}/s/manifest_FD001.json",
        "files": [
            {"file": f"{tmp_path}/s/{name}_FD001.txt", "written": True}
            for name in ("train", "test", "RUL")
        ],
    }
    assert {file["written"] for file in again["files"]} == {False}
    assert [file["file"] for file in again["files"]] == [file["file"] for file in first["files"]]
