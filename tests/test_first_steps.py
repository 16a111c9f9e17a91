"""The first steps printed by `rul` without arguments, run in an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cmapss_rul.cli import QUICKSTART
from cmapss_rul.data.simulate import simulate

STEPS = [line.partition("   ")[0].strip() for line in QUICKSTART.splitlines() if "  rul " in line]


def run(command: str, place: Path) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    settings = {"PATH": path, "RUL_DATA_SOURCE": "../source", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command,
        shell=True,
        cwd=place,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_steps_equal_the_printed_ones():
    assert STEPS == [
        "rul quickstart",
        "rul download-data", "rul train --config fd001", "rul evaluate runs/fd001-s0",
        "rul train --config demo",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_first_steps_work_in_an_empty_folder(tmp_path):
    for conditions in (1, 6):
        for faults in (1, 2):
            simulate(tmp_path / "source", engines=8, conditions=conditions, faults=faults)
    empty = tmp_path / "empty"
    empty.mkdir()
    outputs = [run(step, empty) for step in STEPS[1:4]]
    assert outputs[1].splitlines()[-1] == "rul evaluate runs/fd001-s0/best.pt"
    assert (empty / "runs/fd001-s0/evaluation.json").exists()
