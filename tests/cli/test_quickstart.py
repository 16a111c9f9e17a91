"""`rul quickstart` in an empty folder: with and without data, repeated, interrupted."""

import json
import sys

import pytest

from cmapss_rul.cli import quickstart
from cmapss_rul.config.shipped import shipped_configs
from cmapss_rul.data import sources
from cmapss_rul.data.simulate import simulate
from cmapss_rul.training import config as training_config
from tests.training.inputs import MODEL

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch):
    """An empty working directory and shipped configurations with tiny networks."""
    monkeypatch.chdir(tmp_path)
    sets = [f"model.{key}.{name}={json.dumps(value)}" for key, part in MODEL.items()
            for name, value in part.items()]  # fmt: skip
    sets += ["train.epochs=1", "train.window_share=0.01", "train.threads=1", "data.window=6"]
    load = training_config.load_config
    monkeypatch.setattr(training_config, "load_config", lambda name: load(name, sets))
    return tmp_path


def files(folder):
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def assert_ends_with_next_steps(out, config, data):
    """Assert that the output ends with the report and the next commands."""
    run = f"runs/quickstart-{config}"
    assert out.splitlines()[-5:] == [
        f"report: {run}/report.html",
        "next:",
        f"  rul predict {run} {data}/test_FD001.txt",
        f"  rul train --config {config} --set balancer.name=gradnorm",
        f"  rul compare --config {config} --balancer fixed,amnl --seeds 3",
    ]


def test_without_data_it_simulates_and_a_second_call_changes_nothing(rul, workspace):
    code, out, err = rul("quickstart")
    assert code == 0, err
    assert out.startswith(
        "quickstart: no public source of C-MAPSS can be reached; using a simulated fleet, "
        "all results are marked 'simulated'\n"
    )
    assert_ends_with_next_steps(out, "demo", "data/simulated")
    before = files(workspace)
    assert {"runs/quickstart-demo/report.html", "runs/quickstart-demo/evaluation.json"} <= set(
        before
    )
    protocol = json.loads((workspace / "runs/quickstart-demo/evaluation.json").read_text())[
        "protocol"
    ]
    assert protocol["files"] == "simulated, not the official files"
    code, again, err = rul("quickstart")
    assert (code, err) == (0, "")
    assert "quickstart: runs/quickstart-demo is already trained, evaluated and reported" in again
    assert_ends_with_next_steps(again, "demo", "data/simulated")
    assert files(workspace) == before


def test_with_a_source_it_trains_on_its_files(rul, workspace, monkeypatch):
    simulate(workspace / "source", engines=8)
    monkeypatch.setenv(sources.VARIABLE, "source")
    code, out, err = rul("quickstart")
    assert code == 0, err
    assert_ends_with_next_steps(out, "fd001", "data/raw")
    assert (workspace / "data/raw/train_FD001.txt").exists()
    before = files(workspace)
    # finished: neither the source nor the network is contacted
    monkeypatch.setenv(sources.VARIABLE, "missing.zip")
    code, again, err = rul("quickstart")
    assert (code, err) == (0, "")
    assert "already trained, evaluated and reported; nothing to do" in again
    assert files(workspace) == before


def test_a_source_that_is_named_and_wrong_is_an_error_not_a_simulation(rul, workspace, monkeypatch):
    monkeypatch.setenv(sources.VARIABLE, "missing.zip")
    code, out, err = rul("quickstart")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "missing.zip" in err
    assert not (workspace / "runs").exists()


def test_an_interrupted_quickstart_resumes(rul, workspace):
    rul("quickstart")
    run = workspace / "runs/quickstart-demo"
    trained = (run / "last.pt").read_bytes()
    for name in ("evaluation.json", "report.html", "MODEL_CARD.md"):
        (run / name).unlink()
    code, out, err = rul("quickstart")
    assert code == 0, err
    assert (run / "report.html").exists()
    assert (run / "last.pt").read_bytes() == trained
    assert_ends_with_next_steps(out, "demo", "data/simulated")


def test_a_wrong_device_is_refused_before_anything_is_written(rul, workspace):
    code, out, err = rul("quickstart", "--device", "tpu")
    assert (code, out) == (2, "")
    assert err.startswith("rul: error: --device: found 'tpu'")
    assert not any(workspace.iterdir())


def test_the_commands_to_try_next_name_shipped_configurations():
    assert {"fd001", "demo"} <= shipped_configs().keys()


@pytest.mark.parametrize(
    ("program", "prefix", "uv", "command"),
    [
        ("/usr/bin/rul", "/usr", False, "rul"),
        ("/x/cmapss_rul", "/home/me/.cache/uv/archive-v0/ab", False, "uvx cmapss_rul"),
        ("/x/cmapss-rul", "/tmp/ab", True, "uvx cmapss-rul"),
        ("/x/cmapss_rul", "/home/me/.cache/pipx/ab", False, "pipx run cmapss_rul"),
        ("/x/cmapss_rul", "/usr", False, "cmapss_rul"),
    ],
)
def test_the_commands_start_like_the_call(monkeypatch, program, prefix, uv, command):
    monkeypatch.setattr(sys, "argv", [program])
    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.delenv("UV", raising=False)
    if uv:
        monkeypatch.setenv("UV", "/usr/bin/uv")
    assert quickstart._command() == command
