"""`rul --version --json`, and the issue template that asks for it."""

import json
import platform
from pathlib import Path

import pytest
import torch
import yaml

from cmapss_rul import __version__
from cmapss_rul.data.columns import SUBSETS, file_names
from cmapss_rul.data.simulate import simulate
from cmapss_rul.data.sources import VARIABLE


def facts(rul):
    code, out, err = rul("--version", "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


def test_the_facts_of_an_empty_folder(rul, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = facts(rul)
    assert (found["cmapss_rul"], found["python"]) == (__version__, platform.python_version())
    assert found["packages"]["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert {"numpy", "pandas", "pydantic"} <= found["packages"].keys()
    assert found["devices"][0] == "cpu"
    assert found["threads"]["cores"] >= 1
    assert found["data"]["folder"] == str(tmp_path / "data/raw")
    assert found["data"]["files"] == dict.fromkeys(file_names(SUBSETS), "missing")
    assert found["cache"] == {"folder": str(tmp_path / "data/cache"), "bytes": 0}
    assert not any(tmp_path.iterdir())


def test_the_facts_of_a_folder_with_data(rul, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, "https://me:secret@example.org/a.zip")
    simulate(tmp_path / "data/raw", engines=3)
    (tmp_path / "data/raw/test_FD002.txt").write_text("1 2 3\n")
    (tmp_path / "data/cache").mkdir()
    (tmp_path / "data/cache/train_FD001-1.rows").write_bytes(b"12345")
    found = facts(rul)
    states = found["data"]["files"]
    assert (states["train_FD001.txt"], states["test_FD002.txt"]) == ("simulated", "other content")
    assert found["cache"]["bytes"] == 5
    assert found["data"][f"{VARIABLE} is set"] is True
    assert "secret" not in json.dumps(found)


@pytest.mark.needs_data
def test_official_files_are_named_so(rul, official, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/raw").symlink_to(official)
    monkeypatch.chdir(tmp_path)
    assert set(facts(rul)["data"]["files"].values()) == {"official"}


def test_json_alone_is_refused(rul):
    code, out, err = rul("--json")
    assert (code, out) == (2, "")
    assert err == "rul: error: --json: needs --version, or belongs after the command\n"


def test_the_issue_template_asks_for_them():
    path = Path(__file__).parents[2] / ".github/ISSUE_TEMPLATE/bug.yml"
    form = yaml.safe_load(path.read_text())
    asked = [part for part in form["body"] if part.get("validations", {}).get("required")]
    assert "rul --version --json" in str(asked)
