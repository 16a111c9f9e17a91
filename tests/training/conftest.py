"""A finished tiny run on eight engines, and a copy of it."""

import shutil

import pytest
import torch

from cmapss_rul.training.train import train
from tests.training.inputs import tiny_config


@pytest.fixture(autouse=True)
def _one_thread():
    """Use one thread: synchronising two slows down tiny networks on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def finished_run(eight_engine_dir, tmp_path_factory):
    """Folder of a finished run; read only."""
    folder = tmp_path_factory.mktemp("runs") / "mine-s0"
    train(tiny_config(eight_engine_dir), folder, device="cpu")
    return folder


@pytest.fixture
def run_copy(finished_run, tmp_path):
    """A writable copy of the finished run."""
    return shutil.copytree(finished_run, tmp_path / "runs" / "own-s0")
