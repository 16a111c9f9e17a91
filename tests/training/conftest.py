"""A finished run on the fleet of eight engines."""

import shutil

import pytest
import torch

from cmapss_rul.training.train import train
from tests.training.inputs import tiny


@pytest.fixture(autouse=True)
def _one_thread():
    """Two threads that wait for each other make tiny networks slow on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def finished_run(eight, tmp_path_factory):
    """Folder of a finished run; tests read it only."""
    folder = tmp_path_factory.mktemp("runs") / "mine-s0"
    train(tiny(eight), folder, device="cpu")
    return folder


@pytest.fixture
def own_run(finished_run, tmp_path):
    """A copy of the finished run, of the test's own."""
    return shutil.copytree(finished_run, tmp_path / "runs" / "own-s0")
