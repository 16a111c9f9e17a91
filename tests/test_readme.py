"""The commands and Python lines of the README and of docs/ run as printed, on a simulated fleet."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cmapss_rul.data.simulate import simulate
from cmapss_rul.experiments import executors
from cmapss_rul.training import gradient_boosting
from tests.experiments.inputs import run_in_process
from tests.training.inputs import quick_regressor

ROOT = Path(__file__).parents[1]
PAGES = (
    "README.md", "docs/training.md", "docs/prediction.md", "docs/own-fleet.md", "docs/data.md",
    "docs/comparison.md", "docs/results.md", "docs/balancers.md",
)  # fmt: skip
"""Pages in the order in which their commands run; tests/docs has the tutorial."""

SHORT = (
    " --set train.epochs=1 --set train.window_share=0.02 --set model.bilstm.hidden=4"
    " --set model.cnn.channels=[4] --set train.threads=1"
)


def blocks(language: str, page: str = "README.md") -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def rul_lines(page: str) -> list[str]:
    """The commands of a page without their comments, except those that take hours or a cluster.

    The results of the ledger's commands are compared with the shipped configurations by
    tests/scripts/test_repository_tables.py; tests/experiments/test_on_ray.py has Ray.
    """
    lines = [line for block in blocks("sh", page) for line in block.splitlines()]
    commands = [re.sub(r"\s{2,}#.*", "", line) for line in lines if line.startswith("rul ")]
    return [line for line in commands if "--ledger" not in line and "--executor ray" not in line]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    """A folder with a local source of the data."""
    place = tmp_path_factory.mktemp("readme")
    for conditions in (1, 6):
        for faults in (1, 2):
            simulate(place / "source", engines=6, conditions=conditions, faults=faults)
    (place / "my.csv").write_text(own_fleet())
    header, *rows = own_fleet().splitlines()
    running = [row for row in rows if int(row.split(",")[1]) <= 20]
    (place / "running.csv").write_text("\n".join([header, *running]) + "\n")
    return place


def own_fleet() -> str:
    """A CSV as docs/own-fleet.md shows one: run-to-failure records of twelve pumps."""
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
        line = line.replace("split.seed=0,1,2,3,4", "split.seed=0,1")
        return re.sub(r"--seeds \d+", "--seeds 1", line) + SHORT
    if line.startswith("rul calibrate"):  # of six engines one validates, and supports a half
        return re.sub(r"--level \S+", "--level 0.5", line)
    return re.sub(r"--engines \d+", "--engines 6", line)


def test_there_are_commands_to_test():
    assert len(rul_lines("README.md")) >= 9
    lines = [line for page in PAGES for line in rul_lines(page)]
    assert len(lines) >= 28
    assert {line.split()[1] for line in lines} == {
        "calibrate", "check", "compare", "config", "download-data", "evaluate", "export", "predict",
        "report", "runs", "simulate", "train",
    }  # fmt: skip


def test_every_page_with_commands_of_rul_is_run():
    """The benchmark and `torchrun` take too long; their blocks are marked as text."""
    pages = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").glob("*.md"))]
    named = {page for page in ["README.md", *pages] if "\nrul " in "\n".join(blocks("sh", page))}
    assert named == {*PAGES, "docs/tutorial.md"}


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_the_pages_runs_in_order(workspace, rul, monkeypatch, page):
    monkeypatch.chdir(workspace)
    monkeypatch.setenv("RUL_DATA_SOURCE", str(workspace / "source"))
    # short, as the networks are: each process would import torch, each candidate is a fit
    monkeypatch.setattr(executors, "run_jobs", run_in_process)
    monkeypatch.setattr(gradient_boosting, "CANDIDATES", [(0.2, 7)])
    monkeypatch.setattr(gradient_boosting, "find_regressor", quick_regressor)
    # the fleet of `demo` is 100 engines; a small one with its manifest would be refused, so it
    # is left to `rul train` to make, in the folder that `rul simulate` fills
    before = [line for other in PAGES[: PAGES.index(page)] for line in rul_lines(other)]
    for line in rul_lines(page):
        if line in before:
            continue
        if line.startswith("rul export"):
            pytest.importorskip("onnxruntime")
        command = line if "--output data/simulated" in line else shortened(line)
        if ">" in command or "--logger" in command:  # for the shell; with warnings of its library
            done = run(command, workspace)
            code, out, err = done.returncode, done.stdout, done.stderr
        else:  # in this process, because each new one takes seconds to import torch
            code, out, err = rul(*shlex.split(command)[1:])
        assert code == 0, f"{command}\n{out}\n{err}"
        assert "Traceback" not in err


def test_a_csv_becomes_results_of_a_fleet_of_ones_own(workspace):
    """After the test above, which has run the commands."""
    found = json.loads((workspace / "runs/my-s0/evaluation.json").read_text())["protocol"]
    assert found["tested_on"] == "held-out engines of the same file"
    # of twelve pumps the draft holds out a fold of five
    assert (found["subset"], found["files"], found["engines"]) == ("my", "own files", 3)
    predicted = (workspace / "my-rul.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in predicted[1:]] == [f"pump-{i}" for i in range(12)]


def test_gradnorm_weights_reach_the_fixed_run(workspace):
    """One command of docs/training.md hands the last row's weights over (after the test above)."""
    import pandas as pd
    import yaml

    last = pd.read_csv(workspace / "runs/gradnorm-s0/metrics.csv").iloc[-1]
    config = yaml.safe_load((workspace / "runs/fixed-s0/config.yaml").read_text())
    assert config["balancer"]["weights"] == [last["weight_rul"], last["weight_health"]]


def test_the_python_blocks_run_one_after_another(workspace):
    (workspace / "data/raw").mkdir(parents=True, exist_ok=True)
    for file in (workspace / "source").glob("*FD001*.txt"):
        target = workspace / "data/raw" / file.name
        target.write_bytes(file.read_bytes())
    script = "\n".join(blocks("python"))
    assert script
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=workspace,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "training windows" in done.stdout
    assert "not the official files" in done.stdout or "simulated" in done.stdout


def python_block(place: Path, page: str, word: str, before: str = "") -> str:
    """Output of the Python block that contains a word, after the commands of the page."""
    (example,) = [block for block in blocks("python", page) if word in block]
    done = subprocess.run(
        [sys.executable, "-c", before + example],
        cwd=place,
        env={**os.environ, "PYTHONPATH": "", "RUL_DATA_SOURCE": str(place / "source")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def predicted(workspace):
    """What `rul predict` of docs/prediction.md saves, for a network with the window of fd001."""
    import pandas as pd

    if not (workspace / "runs/fd001-s0").exists():
        for line in rul_lines("docs/prediction.md"):
            if line.startswith("rul predict"):
                train = shortened("rul train --config fd001")
                done = run(f"rul download-data && {train} && {line}", workspace)
                assert done.returncode == 0, done.stderr
    assert "window: 90" in (workspace / "runs/fd001-s0/config.yaml").read_text()
    return pd.read_csv(workspace / "rul.csv")


def test_the_data_frame_example_predicts_like_the_command(workspace, predicted):
    printed = python_block(workspace, "docs/prediction.md", "cmapss_rul.predict")
    engine, cycle, rul, *_ = printed.splitlines()[-1].split()[1:]
    last = predicted.iloc[-1]
    assert (int(engine), int(cycle)) == (last["engine"], last["cycle"])
    assert float(rul) == pytest.approx(last["rul"], abs=1e-3)


def test_the_onnx_example_needs_nothing_of_this_package(workspace, predicted):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    if not (workspace / "runs/fd001-s0/model.onnx").exists():
        done = run("rul export runs/fd001-s0 --format onnx", workspace)
        assert done.returncode == 0, done.stderr
    alone = "import sys; sys.modules['cmapss_rul'] = sys.modules['torch'] = None\n"
    printed = python_block(workspace, "docs/prediction.md", "onnxruntime", alone)
    found = float(re.search(r"[\d.]+", printed)[0])
    assert found == pytest.approx(predicted["rul"][0], abs=1e-2)


def test_the_scripts_of_the_readme_exist():
    named = {word for block in blocks("sh") for word in re.findall(r"scripts/\w+", block)}
    assert named == {"scripts/quickstart", "scripts/test"}
    for name in named:
        assert os.access(ROOT / name, os.X_OK)
