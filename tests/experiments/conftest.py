"""A copy of the finished grid, and a single finished run."""

import shutil
from pathlib import Path

import pytest

from cmapss_rul.experiments.grid import Grid, make_grid
from cmapss_rul.experiments.jobs import EvaluateJob, TrainJob
from cmapss_rul.training.runs import RunFolder
from tests.experiments.inputs import write_config


@pytest.fixture
def grid_copy(finished_grid, tmp_path) -> tuple[Grid, Path]:
    """A writable copy of the finished grid."""
    grid, folder = finished_grid
    shutil.copytree(folder, tmp_path / "grid")
    return grid, tmp_path / "grid"


@pytest.fixture(scope="package")
def config(tmp_path_factory, fleet_dir):
    path = write_config(tmp_path_factory.mktemp("config") / "tiny.yaml", fleet_dir)
    return make_grid([str(path)], seeds=[0]).runs[0].config


@pytest.fixture(scope="package")
def trained(config, tmp_path_factory):
    """A run trained by TrainJob and evaluated by EvaluateJob."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    messages = []
    TrainJob("run", config, folder, "cpu", False, "c0ffee")(messages.append)
    EvaluateJob("run", config, folder, "cpu")(messages.append)
    assert [entry.epoch for entry in messages] == [1, 2]
    return folder


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    return RunFolder(tmp_path / "run")
