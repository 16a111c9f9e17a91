"""The public names of `cmapss_rul`: cheap to import, and equivalent to the commands."""

import subprocess
import sys

import numpy as np
import pytest

import cmapss_rul
from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.model import network
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.trained_model import restore
from tests.evaluation._models import config_for, write_checkpoint


@pytest.fixture(scope="module")
def run(fleet_dir, tmp_path_factory) -> RunFolder:
    folder = RunFolder(tmp_path_factory.mktemp("run"))
    write_checkpoint(folder.best, config_for(fleet_dir))
    return folder


def test_every_name_is_there_and_hidden_by_no_package():
    script = (
        "import sys, cmapss_rul; heavy = {'torch', 'pandas', 'numpy', 'pydantic'};"
        "assert not heavy & sys.modules.keys();"
        "import cmapss_rul.reports.report, cmapss_rul.evaluation.export, cmapss_rul.cli.predict;"
        "import cmapss_rul.experiments.compare, cmapss_rul.evaluation.predict;"
        "names = [name for name in cmapss_rul.__all__ if name != '__version__'];"
        "assert all(callable(getattr(cmapss_rul, name)) for name in names), names;"
        "print(*names)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert {"predict", "export", "report", "compare", "make_grid"} <= {*done.stdout.split()}


def test_predict_takes_the_run_that_train_returns(run, fleet_dir):
    table = cmapss_rul.predict(run, fleet_dir / "test_FD001.txt")
    assert len(table) == 20


def test_evaluate_takes_a_run_too(run):
    assert evaluate(run).metrics == evaluate(restore(run.best)).metrics


def test_a_model_predicts_windows_of_the_scaled_series(run):
    model = restore(run)
    windows = cmapss_rul.load_data(model.config).validation.windows
    found = model.predict(windows)
    expected, probabilities = network.predict(model.network, windows)
    assert found.unclamped.tolist() == expected.tolist()
    assert (found.rul == np.clip(found.unclamped, 0, 125)).all()
    assert found.probabilities.tolist() == probabilities.tolist()


def test_export_refuses_an_unknown_format(run, tmp_path):
    with pytest.raises(UsageError, match="format 'tflite': expected one of onnx, torch-export"):
        cmapss_rul.export(run, "tflite", tmp_path / "model")
