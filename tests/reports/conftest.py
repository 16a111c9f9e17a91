"""A run of an untrained network with intervals, and its report, created once."""

import shutil
from pathlib import Path

import pytest

from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.evaluation.results import Evaluation
from cmapss_rul.reports.report import report
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.trained_model import TrainedModel, restore
from tests.evaluation._models import INTERVALS, config_for, content_for, countdown
from tests.reports.inputs import write_rows

STRANGE = "<b>a&b \u202e$x$"
"""A name that is markup, turns the writing direction, and looks like a formula."""


@pytest.fixture(scope="session")
def run_folder(fleet_dir, tmp_path_factory) -> Path:
    """A run folder with best.pt and metrics.csv and a malicious name; never evaluated."""
    folder = tmp_path_factory.mktemp("runs") / STRANGE
    folder.mkdir()
    content = {**content_for(config_for(fleet_dir)), "calibration": INTERVALS.model_dump()}
    checkpoint_file.write(folder / "best.pt", content)
    write_rows(folder, 7)
    return folder


@pytest.fixture(scope="session")
def model(run_folder) -> TrainedModel:
    return restore(run_folder)


@pytest.fixture(scope="session")
def evaluation(model) -> Evaluation:
    return evaluate(model)


@pytest.fixture(scope="session")
def known(model) -> Evaluation:
    """The evaluation of a network that predicts 200 − cycle, with intervals."""
    return evaluate(countdown(model))


@pytest.fixture(scope="session")
def reported(run_folder, tmp_path_factory) -> Path:
    """A copy of the run folder with its report."""
    folder = tmp_path_factory.mktemp("reported") / run_folder.name
    shutil.copytree(run_folder, folder)
    report(folder)
    return folder
