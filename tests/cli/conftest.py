"""A checkpoint for the tests of commands."""

import shutil

import pytest

from tests.evaluation._models import config_for, write_checkpoint


@pytest.fixture(scope="session")
def trained(fleet_dir, tmp_path_factory):
    """A checkpoint of a tiny network; read only."""
    return write_checkpoint(tmp_path_factory.mktemp("trained") / "best.pt", config_for(fleet_dir))


@pytest.fixture
def run_folder(trained, tmp_path):
    """A writable run folder."""
    folder = tmp_path / "runs" / "mine-s0"
    folder.mkdir(parents=True)
    shutil.copy(trained, folder / "best.pt")
    return folder
