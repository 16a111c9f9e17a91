"""A finished grid, made once."""

import shutil
from pathlib import Path

import pytest

from cmapss_rul.experiments.compare import Options, compare
from cmapss_rul.experiments.grid import Grid, make_grid
from tests.experiments.inputs import write_config


@pytest.fixture(scope="session")
def made(tmp_path_factory, fleet_dir) -> tuple[Grid, Path]:
    """A grid of two balancers and two seeds, and the folder where it was made.

    Beside the folder stand the configuration, `tiny.yaml`, and a ledger, `ledger.json`.
    """
    place = tmp_path_factory.mktemp("made")
    path = write_config(place / "tiny.yaml", fleet_dir)
    grid = make_grid([str(path)], balancers=["fixed", "amnl"], seeds=[0, 1])
    compare(grid, place / "grid", Options(processes=2, ledger=place / "ledger.json"))
    return grid, place / "grid"


@pytest.fixture
def copied(made, tmp_path) -> tuple[Grid, Path]:
    """The same, in a folder of the test's own."""
    grid, folder = made
    shutil.copytree(folder, tmp_path / "grid")
    return grid, tmp_path / "grid"
