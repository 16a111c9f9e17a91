"""The command line in this process, and a checkpoint to call it with."""

import pytest

from cmapss_rul.cli import main
from tests.evaluation._models import config_for, write_checkpoint


@pytest.fixture
def rul(capsys):
    """Run a command; returns exit code, stdout and stderr."""

    def run(*words):
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return left.value.code, out, err

    return run


@pytest.fixture(scope="session")
def trained(fleet_dir, tmp_path_factory):
    """A checkpoint of a tiny network; tests read it only."""
    return write_checkpoint(tmp_path_factory.mktemp("trained") / "best.pt", config_for(fleet_dir))
