import json

import pytest
import typer
from typer.testing import CliRunner

from cmapss_rul.cli.download import download_data
from cmapss_rul.data.columns import SUBSETS
from cmapss_rul.data.simulate import simulate
from cmapss_rul.data.verification import DIGESTS
from cmapss_rul.system.errors import DataError, UsageError
from tests.data._texts import small_set, zipped

app = typer.Typer()
app.command()(download_data)


def run(*words, error=None):
    result = CliRunner().invoke(app, [str(word) for word in words])
    if error:
        assert isinstance(result.exception, error)
        assert result.stdout == ""
        return str(result.exception)
    assert result.exit_code == 0
    return result


@pytest.fixture(autouse=True)
def _in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.zip").write_bytes(zipped(small_set("FD001") | small_set("FD003")))


def test_own_files_are_listed_with_both_digests(tmp_path):
    result = run("--source", "own.zip", "--subset", "fd001")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("data/raw/train_FD001.txt  written  not the official file: sha256 ")
    assert lines[0].endswith(f"official {DIGESTS['train_FD001.txt']}")
    assert lines[-1] == "3 files from --source own.zip"
    assert len(list((tmp_path / "data" / "raw").iterdir())) == 3


def test_second_call(tmp_path):
    run("--source", "own.zip", "--subset", "FD001,FD003", "--data", "there")
    result = run("--subset", "FD003", "--data", "there")
    assert "there/test_FD003.txt  exists" in result.stdout
    assert "nothing was downloaded" in result.stdout
    assert len(list((tmp_path / "there").iterdir())) == 6


def test_a_refused_file_is_reported_on_stderr(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "RUL_FD001.txt").write_text("x\n")
    result = run("--source", "own.zip", "--subset", "FD001", "--data", "raw")
    assert result.stderr == (
        "note: raw/RUL_FD001.txt, line 1: found 'x', expected a RUL: a whole number of cycles, "
        "0 or more\n"
    )


def test_simulated_files_are_labelled(tmp_path):
    simulate(tmp_path / "raw", engines=2)
    result = run("--subset", "FD001", "--data", "raw")
    assert "raw/RUL_FD001.txt  exists  simulated, not the official file" in result.stdout


def test_errors(tmp_path):
    assert "perhaps FD001 was meant" in run("--subset", "FD01", error=UsageError)
    assert "expected a zip archive, a folder" in run("--source", "s3://a", error=UsageError)
    text = run("--source", "own.zip", error=DataError)
    assert "12 files could not be fetched into data/raw: --source own.zip: has no train_FD" in text
    assert [path.name for path in tmp_path.iterdir()] == ["own.zip"]


def test_help_shows_an_example():
    assert "rul download-data --subset FD001,FD003" in run("--help").stdout


@pytest.mark.needs_data
def test_the_twelve_official_files(official):
    result = run("--source", official)
    assert result.stdout.count("  written  official\n") == 3 * len(SUBSETS)


def test_json():
    words = ("--source", "own.zip", "--subset", "FD001", "--json")
    first, again = (json.loads(run(*words).stdout) for _ in range(2))
    assert first["source"] == "--source own.zip"
    names = ["train_FD001.txt", "test_FD001.txt", "RUL_FD001.txt"]
    assert [file["file"] for file in first["files"]] == [f"data/raw/{name}" for name in names]
    assert [file["written"] for file in first["files"]] == [True] * 3
    assert {key: first["files"][0][key] for key in ("official", "simulated")} == {
        "official": False, "simulated": False,
    }  # fmt: skip
    assert len(first["files"][0]["sha256"]) == 64
    assert [file["written"] for file in again["files"]] == [False] * 3
    assert again["source"] is None


def test_a_data_set_of_n_cmapss(tmp_path):
    pytest.importorskip("h5py")
    from scripts.synthetic_ncmapss import write_ncmapss

    file = write_ncmapss(
        tmp_path / "N-CMAPSS_DS02-006.h5", {"dev": {1: 2}, "test": {2: 1}}, seconds=60
    )
    result = run("--subset", "ds02", "--source", file, "--data", "raw")
    # the size before the download, the digest after it
    first, second = result.stderr.splitlines()
    assert first.startswith("N-CMAPSS_DS02-006.h5: 2.5 GB; ")
    assert second.startswith("raw/N-CMAPSS_DS02-006.h5  written  SHA-256 ")
    assert second.endswith(" recorded in N-CMAPSS_DS02-006.h5.sha256")
    again = run("--subset", "DS02", "--data", "raw", "--json")
    assert json.loads(again.stdout)["files"][0]["written"] is False
    assert "perhaps DS02 was meant" in run("--subset", "DSO2", error=UsageError)
