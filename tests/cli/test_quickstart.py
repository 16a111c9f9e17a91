"""`rul quickstart` in an empty folder: with data, without, twice, and interrupted."""

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
def place(tmp_path, monkeypatch):
    """An empty folder, shipped configurations whose networks are tiny."""
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


def made(out, config, data):
    """The end of the output of a quick start."""
    run = f"runs/quickstart-{config}"
    assert out.splitlines()[-5:] == [
        f"report: {run}/report.html",
        "next:",
        f"  rul predict {run} {data}/test_FD001.txt",
        f"  rul train --config {config} --set balancer.name=gradnorm",
        f"  rul compare --config {config} --balancer fixed,amnl --seeds 3",
    ]


def test_without_data_it_simulates_and_a_second_call_changes_nothing(rul, place):
    code, out, err = rul("quickstart")
    assert code == 0, err
    assert out.startswith(
        "quickstart: no public source of C-MAPSS can be reached; using a simulated fleet, "
        "all results are marked 'simulated'\n"
    )
    made(out, "demo", "data/simulated")
    before = files(place)
    assert {"runs/quickstart-demo/report.html", "runs/quickstart-demo/evaluation.json"} <= set(
        before
    )
    protocol = json.loads((place / "runs/quickstart-demo/evaluation.json").read_text())["protocol"]
    assert protocol["files"] == "simulated, not the official files"
    code, again, err = rul("quickstart")
    assert (code, err) == (0, "")
    assert "quickstart: runs/quickstart-demo is already trained, evaluated and reported" in again
    made(again, "demo", "data/simulated")
    assert files(place) == before


def test_with_a_source_it_trains_on_its_files(rul, place, monkeypatch):
    simulate(place / "source", engines=8)
    monkeypatch.setenv(sources.VARIABLE, "source")
    code, out, err = rul("quickstart")
    assert code == 0, err
    made(out, "fd001", "data/raw")
    assert (place / "data/raw/train_FD001.txt").exists()
    before = files(place)
    # finished: neither the source nor the network is asked
    monkeypatch.setenv(sources.VARIABLE, "missing.zip")
    code, again, err = rul("quickstart")
    assert (code, err) == (0, "")
    assert "already trained, evaluated and reported; nothing to do" in again
    assert files(place) == before


def test_a_source_that_is_named_and_wrong_is_an_error_not_a_simulation(rul, place, monkeypatch):
    monkeypatch.setenv(sources.VARIABLE, "missing.zip")
    code, out, err = rul("quickstart")
    assert (code, out) == (1, "")
    assert err.count("\n") == 1
    assert "missing.zip" in err
    assert not (place / "runs").exists()


def test_one_that_was_stopped_before_its_report_goes_on(rul, place):
    rul("quickstart")
    run = place / "runs/quickstart-demo"
    trained = (run / "last.pt").read_bytes()
    for name in ("evaluation.json", "report.html", "MODEL_CARD.md"):
        (run / name).unlink()
    code, out, err = rul("quickstart")
    assert code == 0, err
    assert (run / "report.html").exists()
    assert (run / "last.pt").read_bytes() == trained
    made(out, "demo", "data/simulated")


def test_a_wrong_device_is_refused_before_anything_is_written(rul, place):
    code, out, err = rul("quickstart", "--device", "tpu")
    assert (code, out) == (2, "")
    assert err.startswith("rul: error: --device: found 'tpu'")
    assert not any(place.iterdir())


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
def test_the_commands_begin_as_this_one_was_called(monkeypatch, program, prefix, uv, command):
    monkeypatch.setattr(sys, "argv", [program])
    monkeypatch.setattr(sys, "prefix", prefix)
    monkeypatch.delenv("UV", raising=False)
    if uv:
        monkeypatch.setenv("UV", "/usr/bin/uv")
    assert quickstart._command() == command
