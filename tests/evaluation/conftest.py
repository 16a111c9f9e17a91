"""A trained model on a simulated fleet, and its evaluation."""

import pytest

from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.training.trained_model import restore
from tests.evaluation._models import calibrated, config_for, countdown, write_checkpoint


@pytest.fixture(scope="session")
def model(fleet_dir, tmp_path_factory):
    """A tiny untrained network."""
    path = tmp_path_factory.mktemp("run") / "best.pt"
    return restore(write_checkpoint(path, config_for(fleet_dir)))


@pytest.fixture(scope="session")
def evaluation(model):
    return evaluate(model)


@pytest.fixture(scope="session")
def known(model):
    """The evaluation of a network that predicts 200 − cycle."""
    return evaluate(countdown(model))


@pytest.fixture(scope="session")
def known_intervals(model):
    """The same with known intervals."""
    return evaluate(calibrated(countdown(model)))
