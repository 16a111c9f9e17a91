"""The report of an own fleet: engine names, no mention of C-MAPSS, few engines."""

import dataclasses
import json

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from cmapss_rul.cli import app
from cmapss_rul.config.yaml import to_yaml
from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.evaluation.tables import render
from cmapss_rul.experiments import executors
from cmapss_rul.reports import rul_plots
from cmapss_rul.reports.model_card import CARD, model_card
from cmapss_rul.reports.page import write_page
from cmapss_rul.reports.report import report, run_page
from cmapss_rul.training.trained_model import restore
from tests.data._own import LIVES, own_rows, write_own
from tests.evaluation._models import calibrated, countdown, trained
from tests.experiments.inputs import run_in_process
from tests.reports.inputs import Seen

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    trained(write_own(folder / "my.csv"), folder / "run")
    report(folder / "run")
    return folder / "run"


def test_the_page_names_the_data_and_the_engines(run_folder):
    seen = Seen((run_folder / "report.html").read_text(encoding="utf-8"))
    assert "Note: own files: these metrics are not comparable with C-MAPSS results" in seen.words
    assert "held-out engines of the same file, each cut once: 2 engines" in seen.words
    assert "Left out: published results: they are for C-MAPSS, these data are own" in seen.words
    assert "Left out: intervals" in seen.words
    assert "latest prediction: engine p-" in seen.words
    assert "largest increases: " in " ".join(image["alt"] for image in seen.images)


def test_the_card_does_not_mention_c_mapss(run_folder):
    card = (run_folder / CARD).read_text(encoding="utf-8")
    assert "Prediction for engines of the fleet it was trained on." in card
    assert "The results below are based on 2 engines" in card
    assert "C-MAPSS files" not in card
    assert "Inputs: temp, vib, " in card


def test_a_long_name_fits_above_its_panel(tmp_path):
    found = evaluate(trained(write_own(tmp_path / "my.csv"), tmp_path / "run"))
    names = np.array(["a\tname that is long"] * len(found.predictions.engine))
    named = dataclasses.replace(found.predictions, engine=names)
    figure = rul_plots.plot_trajectories(dataclasses.replace(found, predictions=named))
    assert figure.axes[0].get_title().startswith("best: engine a\\tname tha…, RMSE ")


@pytest.fixture(scope="module")
def one_engine(tmp_path_factory):
    """A run of five engines with one test engine: no interval over engines, no deviation."""
    folder = tmp_path_factory.mktemp("one")
    rows = [row for row in own_rows() if row.split(",")[0] in list(LIVES)[:5]]
    trained(write_own(folder / "my.csv", rows), folder / "run")
    return folder / "run"


def test_one_test_engine_is_reported_without_an_interval(one_engine):
    files = report(one_engine)
    assert json.loads((one_engine / "evaluation.json").read_bytes())["protocol"]["engines"] == 1
    seen = Seen((one_engine / "report.html").read_text(encoding="utf-8"))
    assert "its 95 % interval over 1 engine none: one engine" in seen.words
    assert "each cut once: 1 engine (0 padded)" in seen.words
    card = (one_engine / CARD).read_text(encoding="utf-8")
    assert "The results below are based on 1 engine:" in card
    assert one_engine / CARD in files
    assert all(path.stat().st_size for path in files)


@pytest.mark.parametrize("start", [20.0, 3.0], ids=["above the cap", "below the cap"])
def test_one_test_engine_with_intervals(one_engine, tmp_path, start):
    model = calibrated(restore(one_engine))
    evaluation = evaluate(countdown(model, start))
    assert evaluation.metrics.last.capped.rmse_interval is None
    assert evaluation.intervals.coverage[0].last.capped.engines == 1
    write_page(run_page(one_engine, model, evaluation), tmp_path / "report.html")
    assert "| 0.5, last window |" in model_card("run", model, evaluation)
    console = Console(width=80)
    with console.capture() as shown:
        console.print(render(evaluation))
    assert "95 % CI" in shown.get()


def test_one_test_engine_is_compared(one_engine, tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "run_jobs", run_in_process)
    config = tmp_path / "own.yaml"
    config.write_text(to_yaml(restore(one_engine).config, comments=False), encoding="utf-8")
    ledger = tmp_path / "ledger.json"
    arguments = ["compare", "--config", str(config), "--balancer", "fixed,amnl", "--seeds", "2"]
    options = ["--jobs", "1", "--oracle", "--ledger", str(ledger), "--device", "cpu"]
    result = CliRunner().invoke(app, [*arguments, *options, "--output", str(tmp_path / "grid")])
    assert result.exit_code == 0, result.output
    cell = json.loads((tmp_path / "grid/comparison.json").read_bytes())["cells"][0]
    assert cell["rmse_interval_over_engines"] is None
    report(tmp_path / "grid")
    seen = Seen((tmp_path / "grid/report.html").read_text(encoding="utf-8"))
    assert "own: fixed" in seen.words
