"""The README's commands and Python lines run as printed, on a small simulated fleet."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from cmapss_rul.data.simulate import simulate

ROOT = Path(__file__).parents[1]
SHORT = (
    " --set train.epochs=1 --set train.window_share=0.02 --set model.bilstm.hidden=4"
    " --set model.cnn.channels=[4] --set train.threads=1"
)


def blocks(language: str, page: str = "README.md") -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def rul_lines() -> list[str]:
    """The commands, but for those that made the ledger: hours, and minutes in the short form.

    tests/scripts/test_repository_tables.py compares the ledger with the shipped configurations.
    """
    lines = [line for block in blocks("sh") for line in block.splitlines() if "rul " in line]
    return [line for line in lines if "--ledger" not in line]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory) -> Path:
    """A folder in which the data can be got without a network."""
    place = tmp_path_factory.mktemp("readme")
    for conditions in (1, 6):
        for faults in (1, 2):
            simulate(place / "source", engines=6, conditions=conditions, faults=faults)
    (place / "my.csv").write_text(own_fleet())
    return place


def own_fleet() -> str:
    """A CSV as the README shows one: run-to-failure records of twelve pumps."""
    rows = ["unit,cycle,load,temp,vibration"]
    for pump in range(12):
        for cycle in range(1, 31 + pump):
            load = 50 if cycle % 2 else 80
            temp, vibration = 500 + load + cycle + pump / 7, 0.3 + cycle**2 / 900
            rows.append(f"pump-{pump},{cycle},{load},{temp:.2f},{vibration:.3f}")
    return "\n".join(rows) + "\n"


def run(command: str, place: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "RUL_DATA_SOURCE": str(place / "source")}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=place,
        env={**environment, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def shortened(line: str) -> str:
    """The same command over a few steps of a tiny network; `rul simulate` with a few engines."""
    if line.startswith("rul train"):
        return line + SHORT
    if line.startswith("rul compare"):
        return re.sub(r"--seeds \d+", "--seeds 1", line) + SHORT
    if line.startswith("rul calibrate"):  # of six engines one validates, and supports a half
        return re.sub(r"--level \S+", "--level 0.5", line)
    return re.sub(r"--engines \d+", "--engines 6", line)


def test_there_are_commands_to_test():
    assert len(rul_lines()) >= 12
    verbs = {line.split()[1] for line in rul_lines()}
    assert verbs == {
        "calibrate", "compare", "config", "download-data", "evaluate", "predict", "report", "runs",
        "simulate", "train",
    }  # fmt: skip


def test_every_command_of_the_readme_runs_in_order(workplace):
    # the fleet of `demo` is 100 engines; a small one with its manifest would be refused, so it
    # is left to `rul train` to make, in the folder that the README's `rul simulate` fills
    for line in rul_lines():
        command = line if "--out data/simulated" in line else shortened(line)
        done = run(command, workplace)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def test_the_readme_leads_from_a_csv_to_figures_of_a_fleet_of_ones_own(workplace):
    """After the test above, which has run the commands."""
    found = json.loads((workplace / "runs/my-s0/evaluation.json").read_text())["protocol"]
    assert found["tested_on"] == "held-out engines of the same file"
    assert (found["subset"], found["files"], found["engines"]) == ("my", "own files", 2)
    predicted = (workplace / "my-rul.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in predicted[1:]] == [f"pump-{i}" for i in range(12)]


def test_gradnorm_weights_reach_the_fixed_run(workplace):
    """The README's one command hands the last row's weights over (after the test above)."""
    import pandas as pd
    import yaml

    last = pd.read_csv(workplace / "runs/gradnorm-s0/metrics.csv").iloc[-1]
    config = yaml.safe_load((workplace / "runs/fixed-s0/config.yaml").read_text())
    assert config["balancer"]["weights"] == [last["weight_rul"], last["weight_health"]]


def test_the_python_blocks_run_one_after_another(workplace):
    (workplace / "data/raw").mkdir(parents=True, exist_ok=True)
    for file in (workplace / "source").glob("*FD001*.txt"):
        target = workplace / "data/raw" / file.name
        target.write_bytes(file.read_bytes())
    script = "\n".join(blocks("python"))
    assert script
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=workplace,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "training windows" in done.stdout
    assert "not the official files" in done.stdout or "simulated" in done.stdout


def test_the_command_of_the_page_on_export_runs(workplace):
    """On the run of the commands above; its Python lines are tested beside the export."""
    pytest.importorskip("onnxruntime")
    (command,) = (block.strip() for block in blocks("sh", "cmapss_rul/evaluation/README.md"))
    done = run(command, workplace)
    assert done.returncode == 0, done.stderr


def test_the_scripts_of_the_readme_exist():
    named = {word for block in blocks("sh") for word in re.findall(r"scripts/\w+", block)}
    assert named == {"scripts/quickstart", "scripts/test"}
    for name in named:
        assert os.access(ROOT / name, os.X_OK)
