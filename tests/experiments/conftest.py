"""The finished grid that `made` is, to be changed at will."""

import shutil
from pathlib import Path

import pytest

from cmapss_rul.experiments.grid import Grid


@pytest.fixture
def copied(made, tmp_path) -> tuple[Grid, Path]:
    """The same, in a folder of the test's own."""
    grid, folder = made
    shutil.copytree(folder, tmp_path / "grid")
    return grid, tmp_path / "grid"
