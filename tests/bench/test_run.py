"""All measurements together: one result with all keys, machine facts, no leftovers."""

import dataclasses
import json

import pytest
from rich.console import Console

from cmapss_rul.bench import run
from cmapss_rul.bench.measurement import Summary, look_up
from cmapss_rul.bench.options import QUICK, BenchOptions, Repetitions
from cmapss_rul.bench.run import PARTS, bench, inspect_machine, run_parts
from cmapss_rul.bench.table import describe_machine, result_table
from cmapss_rul.display.table import to_terminal
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


@pytest.mark.usefixtures("in_process")
def test_every_measurement_gives_its_keys(options, monkeypatch):
    monkeypatch.setattr(run, "peer_version", lambda: None)
    reported = []
    small = dataclasses.replace(options, sizes=dataclasses.replace(options.sizes, seeds=(0,)))
    found = run_parts(small, PARTS, reported.append)
    assert reported == list(PARTS)
    for key in KEYS:
        assert look_up(found, key) > 0, key
        assert look_up(found, f"{key}_spread") >= 0, key
    assert list(found["loader"]["windows_per_second"]) == ["30", "60", "120"]
    assert found["data"]["cold_ratio_to_peer"] is None
    assert found["peer_missing"].startswith("needs rul-datasets and requests")
    assert found["subset"] == "FD001"
    assert found["files"] == "simulated"
    json.dumps(found, allow_nan=False)
    text = shown(found)
    assert "needs rul-datasets" in text
    assert "data: simulated" in text


def test_nothing_is_left_behind(monkeypatch, eight_engine_dir):
    folders = []

    def part(options):
        folders.append(options.folder)
        (options.folder / "something").touch()
        return {"some.figure": Summary(1.0, 0.5)}

    monkeypatch.setattr(run, "PARTS", {"a part": part})
    monkeypatch.setattr(BenchOptions, "fetch_files", lambda _: None)
    found = bench(
        "FD001", data_dir=eight_engine_dir, device="cpu", quick=True, report=folders.append
    )
    assert found["some"] == {"figure": 1.0, "figure_spread": 0.5}
    assert found["quick"] is True
    assert folders[0] == "a part"
    assert not folders[1].exists()


def test_the_shipped_configurations_are_measured(tmp_path, eight_engine_dir):
    options = BenchOptions.for_subset("FD004", eight_engine_dir, "cpu", Repetitions(), tmp_path)
    assert options.config.data.subset == "FD004"
    assert (options.fd001.data.subset, options.fd001.split.seed) == ("FD001", 0)
    assert options.published.model.bilstm.hidden == 256
    assert {each.data.dir for each in (options.config, options.fd001)} == {str(eight_engine_dir)}


def test_quick_does_less_of_the_same():
    full, quick = (dataclasses.asdict(sizes) for sizes in (Repetitions(), QUICK))
    assert full["seeds"] == (0, 1, 2)
    assert full["usual_epochs"] == quick["usual_epochs"] == 12
    less = ("repeats", "turns", "pairs", "steps", "published_turns", "starts", "passes", "single")
    for key in less:
        assert quick[key] < full[key]


def test_the_machine_is_described_without_its_name():
    import platform

    described = inspect_machine(pick_device("cpu"))
    assert described["cores"] >= 1
    assert described["gpu"] is None
    assert described["versions"]["torch"]
    assert platform.node() not in json.dumps(described)
    assert f"{described['cores']} cores" in describe_machine(described)


def shown(plain):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(to_terminal(result_table(plain)))
    return capture.get()


def test_the_table_shows_requirements_and_whether_they_are_met():
    lines = shown(result(step={"ratio_to_usual_loop": 0.5, "ratio_to_usual_loop_spread": 0.1}))
    row = next(line for line in lines.splitlines() if "step.ratio_to_usual" in line)
    assert row.split() == ["step.ratio_to_usual_loop", "0.500", "±", "0.100", "≥", "1", "NO"]
    row = next(line for line in lines.splitlines() if "accuracy." in line)
    assert row.split()[-1] == "yes"
    assert "FD001, official files, 2 threads per process, 20.2 minutes" in lines
