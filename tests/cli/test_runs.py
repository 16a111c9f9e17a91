"""`rul runs`, from the command line to the list."""

import json
import shutil

import pytest

from cmapss_rul.training import checkpoint_file
from tests.evaluation._models import config_for, content_for


@pytest.fixture
def folder(fleet_dir, tmp_path):
    """Two runs: one finished, one damaged."""
    content = content_for(config_for(fleet_dir))
    content["config"]["train"]["epochs"] = content["loop"]["epoch"]
    for name in ("fd001-s0", "fd001-s0-2"):
        (tmp_path / "runs" / name).mkdir(parents=True)
        for file in ("best.pt", "last.pt"):
            checkpoint_file.write(tmp_path / "runs" / name / file, content)
    (tmp_path / "runs" / "fd001-s0-2" / "last.pt").write_bytes(b"half a file")
    return tmp_path / "runs"


def test_the_table(rul, folder):
    code, out, err = rul("runs", "--dir", folder)
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == [
        "run", "state", "subset", "balancer", "seed", "val", "RMSE", "test", "RMSE", "when",
    ]  # fmt: skip
    assert lines[1].split()[:6] == ["fd001-s0", "finished", "FD001", "fixed", "0", "12.50"]
    assert lines[2].split() == ["fd001-s0-2", "damaged"]
    assert lines[3] == ""
    assert lines[4] == "fd001-s0: simulated data"
    assert lines[5].startswith("fd001-s0-2: last.pt: this is not a checkpoint of cmapss_rul")
    assert "\x1b" not in out


def test_an_evaluation_fills_its_column(rul, folder):
    assert rul("evaluate", folder / "fd001-s0")[0] == 0
    saved = json.loads((folder / "fd001-s0" / "evaluation.json").read_text())
    expected = saved["metrics"]["last"]["capped"]["rmse"]
    found = json.loads(rul("runs", "--dir", folder, "--json")[1])
    assert found[0]["test_rmse"] == expected
    assert f"{expected:.2f}" in rul("runs", "--dir", folder)[1]


def test_json(rul, folder):
    code, out, err = rul("runs", "--dir", folder, "--json")
    assert (code, err) == (0, "")
    first, second = json.loads(out)
    assert list(first) == [
        "name", "state", "subset", "balancer", "seed", "weight_rul", "weight_health", "val_rmse",
        "test_rmse", "when", "note", "kind",
    ]  # fmt: skip
    last = checkpoint_file.read(folder / "fd001-s0" / "last.pt")["loop"]["history"][-1]
    assert (first["weight_rul"], first["weight_health"], first["kind"]) == (
        last["weight_rul"], last["weight_health"], "run",
    )  # fmt: skip
    assert first["when"].endswith("+00:00")
    assert (second["state"], second["when"], second["seed"]) == ("damaged", None, None)


def test_comparisons_are_listed_too(rul, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    cells = {"fd001 amnl": {}, "fd001 [red]\x1b[31m": {}}
    identity = json.dumps({"seeds": [0, 1, 2], "oracle": False, "cells": cells})
    for name in ("comparisons/done", "comparisons/half", "runs/own", "comparisons/cut", "x"):
        (folder.parent / name).mkdir(parents=True)
        (folder.parent / name / "grid.json").write_text(identity)
    (folder.parent / "comparisons/done/comparison.json").write_text("{}")
    (folder.parent / "comparisons/cut/grid.json").write_text("[")
    (folder.parent / "x/grid.json").write_text(identity)
    code, out, err = rul("runs")
    assert (code, err) == (0, "")
    lines = out.split("\n\n")[-1].splitlines()
    assert lines[0].split() == ["comparison", "state", "runs", "when", "of"]
    assert [line.split()[:3] for line in lines[1:]] == [
        ["comparisons/cut", "damaged", "0"],
        ["comparisons/done", "finished", "6"],
        ["comparisons/half", "unfinished", "6"],
        ["runs/own", "unfinished", "6"],
    ]
    assert lines[2].endswith(r"fd001 amnl, fd001 [red]\x1b[31m")
    found = [entry for entry in json.loads(rul("runs", "--json")[1]) if entry["kind"] != "run"]
    assert [entry["name"] for entry in found] == [line.split()[0] for line in lines[1:]]
    assert found[1]["cells"] == list(cells)
    assert "comparisons/done" not in rul("runs", "--dir", "x/..")[1]


def test_no_runs_yet(rul, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert rul("runs") == (0, "no runs in runs; start one with: rul train --config fd001\n", "")
    assert rul("runs", "--json") == (0, "[]\n", "")
    code, out, err = rul("runs", "--dir", "other")
    assert (code, out) == (2, "")
    assert err == "rul: error: --dir: there is no folder other\n"


def test_the_folder_of_runs_is_the_default(rul, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    shutil.rmtree(folder / "fd001-s0-2")
    assert rul("runs")[1].splitlines()[1].startswith("fd001-s0 ")
