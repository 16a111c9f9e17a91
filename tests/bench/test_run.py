"""All measurements together: one result, all keys, the machine, nothing left behind."""

import dataclasses
import json

import pytest
from rich.console import Console

from cmapss_rul.bench import run
from cmapss_rul.bench.machine import machine, sentence
from cmapss_rul.bench.medians import Figure, at
from cmapss_rul.bench.options import QUICK, Setting, Sizes
from cmapss_rul.bench.run import PARTS, bench, measured
from cmapss_rul.bench.table import render
from cmapss_rul.training.device import pick_device
from tests.bench.results import result

KEYS = (
    "accuracy.ratio_to_usual_loop",
    "step.ratio_to_usual_loop",
    "step.share_of_matmul_limit",
    "published.step.share_of_matmul_limit",
    "data.peak_memory_mb",
    "inference.windows_per_second",
    "balancers.gradnorm.ratio_to_fixed",
    "startup.help_seconds",
)


@pytest.mark.usefixtures("here")
def test_every_measurement_gives_its_keys(setting, monkeypatch):
    monkeypatch.setattr(run, "peer_version", lambda: None)
    told = []
    small = dataclasses.replace(setting, sizes=dataclasses.replace(setting.sizes, seeds=(0,)))
    found = measured(small, PARTS, told.append)
    assert told == list(PARTS)
    for key in KEYS:
        assert at(found, key) > 0, key
        assert at(found, f"{key}_spread") >= 0, key
    assert list(found["loader"]["windows_per_second"]) == ["30", "60", "120"]
    assert found["data"]["cold_ratio_to_peer"] is None
    assert found["peer_missing"].startswith("needs rul-datasets and requests")
    assert found["subset"] == "FD001"
    assert found["files"] == "simulated"
    json.dumps(found, allow_nan=False)
    text = shown(found)
    assert "needs rul-datasets" in text
    assert "data: simulated" in text


def test_nothing_is_left_behind(monkeypatch, eight):
    folders = []

    def part(setting):
        folders.append(setting.folder)
        (setting.folder / "something").touch()
        return {"some.figure": Figure(1.0, 0.5)}

    monkeypatch.setattr(run, "PARTS", {"a part": part})
    monkeypatch.setattr(Setting, "provide", lambda _: None)
    found = bench("FD001", data_dir=eight, device="cpu", quick=True, tell=folders.append)
    assert found["some"] == {"figure": 1.0, "figure_spread": 0.5}
    assert found["quick"] is True
    assert folders[0] == "a part"
    assert not folders[1].exists()


def test_the_shipped_configurations_are_measured(tmp_path, eight):
    setting = Setting.of("FD004", eight, "cpu", Sizes(), tmp_path)
    assert setting.config.data.subset == "FD004"
    assert (setting.fd001.data.subset, setting.fd001.split.seed) == ("FD001", 0)
    assert setting.published.model.bilstm.hidden == 256
    assert {each.data.dir for each in (setting.config, setting.fd001)} == {str(eight)}


def test_quick_does_less_of_the_same():
    full, quick = (dataclasses.asdict(sizes) for sizes in (Sizes(), QUICK))
    assert full["seeds"] == (0, 1, 2)
    assert full["usual_epochs"] == quick["usual_epochs"] == 12
    less = ("repeats", "turns", "pairs", "steps", "published_turns", "starts", "passes", "single")
    for key in less:
        assert quick[key] < full[key]


def test_the_machine_is_described_and_not_named():
    import platform

    described = machine(pick_device("cpu"))
    assert described["cores"] >= 1
    assert described["gpu"] is None
    assert described["versions"]["torch"]
    assert platform.node() not in json.dumps(described)
    assert f"{described['cores']} cores" in sentence(described)


def shown(plain):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(render(plain))
    return capture.get()


def test_the_table_shows_requirements_and_whether_they_are_met():
    lines = shown(result(step={"ratio_to_usual_loop": 0.5, "ratio_to_usual_loop_spread": 0.1}))
    row = next(line for line in lines.splitlines() if "step.ratio_to_usual" in line)
    assert row.split() == ["step.ratio_to_usual_loop", "0.500", "±", "0.100", "≥", "1", "NO"]
    row = next(line for line in lines.splitlines() if "accuracy." in line)
    assert row.split()[-1] == "yes"
    assert "FD001, official files, 2 threads a side, 20.2 minutes" in lines
