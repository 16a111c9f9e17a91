"""Evaluation at random cuts of held-out engines, some of them censored."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from cmapss_rul.data.split import FEW_ENGINES
from cmapss_rul.data.trainset import read_train_records
from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.evaluation.export import export
from cmapss_rul.evaluation.headline import render_headline, verdict, warnings_of
from cmapss_rul.evaluation.held_out import few_engines
from cmapss_rul.evaluation.intervals import FAILED_ONLY, interval_caveat
from cmapss_rul.evaluation.predict import predict
from cmapss_rul.evaluation.prediction_output import to_csv
from cmapss_rul.evaluation.save import last_window_predictions, to_json
from cmapss_rul.evaluation.tables import evaluation_tables
from cmapss_rul.reports.report import key_metrics, report
from tests.data._own import LIVES, write_own
from tests.evaluation._models import calibrated, countdown, trained
from tests.training.test_censored import CENSORED, NUMBERS, with_event

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Two failed engines and one that has not failed are held out."""
    folder = tmp_path_factory.mktemp("censored")
    file = with_event(folder / "my.csv")
    return trained(file, folder / "run", split={"test": 0.34}, event="failed")


@pytest.fixture(scope="module")
def known(model):
    """Predictions 20 − cycles seen, clamped to 0 … 10."""
    return evaluate(countdown(model, 20.0))


def names_of(numbers):
    return [list(LIVES)[number - 1] for number in numbers]


def test_only_failed_engines_have_an_rmse(model, known):
    aside = {*names_of(model.engines.test)}
    assert len(aside & {*CENSORED}) == 1
    assert set(last_window_predictions(known)["engine"]) == aside - {*CENSORED}
    assert known.protocol.engines == known.cuts.engines == 2


def test_random_cuts_by_hand(model, known):
    # no record has 20 cycles, so every cycle is a cut
    squares = []
    for name in names_of(sorted(set(model.engines.test) - {*NUMBERS})):
        seen = np.arange(1, LIVES[name] + 1)
        predicted, true = np.clip(20.0 - seen, 0, 10), np.minimum(LIVES[name] - seen, 10)
        squares.append(np.mean((predicted - true) ** 2))
    assert known.cuts.rmse == pytest.approx(np.sqrt(np.mean(squares)))
    low, high = known.cuts.rmse_interval
    assert np.sqrt(min(squares)) == pytest.approx(low)
    assert np.sqrt(max(squares)) == pytest.approx(high)
    assert list(known.cuts.by_engine.values()) == pytest.approx(squares)


def test_bounds_and_concordance_by_hand(model, known):
    low = evaluate(countdown(model, 8.0)).censored
    (name,) = {*names_of(model.engines.test)} & {*CENSORED}
    seen = np.arange(1, LIVES[name] + 1)
    short = np.minimum(LIVES[name] - seen, 10) - np.clip(8.0 - seen, 0, 10)
    assert low.bounds.violated == np.mean(short > 0)
    assert 0 < low.bounds.shortfall == pytest.approx(np.maximum(short, 0).mean())
    assert low.bounds.engines == 1
    # lives are alike, so a longer record is nearer to failure; at random cuts it is not
    assert 0.5 < known.censored.concordance <= 1
    plain = json.loads(to_json(known))
    assert plain["censored"]["bounds"]["engines"] == 1
    assert plain["cuts"]["engines"] == 2


def test_the_protocol_counts_them(known):
    split = known.protocol.split
    assert split.censored_engines == 2
    assert str(split).endswith("; 2 of them have not failed")
    assert "which the last cycle of each training record that is not censored is" in (
        known.protocol.label
    )


def test_the_headline_uses_random_cuts_and_warns_of_few_engines(known):
    assert "at random cuts of 2 test engines of my, capped labels" in verdict(known)
    warning = few_engines(known.cuts)
    assert warning.startswith("only 2 test engines: the result may be very different")
    assert warning in list(warnings_of(known))
    assert few_engines(dataclasses.replace(known.cuts, engines=FEW_ENGINES)) == ""
    assert key_metrics(known)[0][0] == "RMSE, random cuts, capped labels"
    assert render_headline(known)
    titles = [table.title for table in evaluation_tables(known)]
    assert sum(title.startswith("Random cuts of 2 held-out engines") for title in titles) == 1
    assert sum(title.startswith("Censored engines") for title in titles) == 1


def test_intervals_are_noted_as_biased(model):
    known = calibrated(model)
    assert interval_caveat(known).endswith(f"; {FAILED_ONLY}")
    assert FAILED_ONLY in evaluate(known).intervals.facts.mark
    table = predict(known, model.config.data.train)
    assert table["note"].str.contains("informative censoring").all()
    assert "informative censoring" in to_csv(table)


def test_the_event_is_not_needed_to_predict(model, tmp_path):
    with_column = predict(model, model.config.data.train)
    without = predict(model, write_own(tmp_path / "now.csv"))
    assert with_column.drop(columns="note").equals(without.drop(columns="note"))


def test_a_report_and_a_card_are_written(model):
    report(model.path.parent)
    page = (model.path.parent / "report.html").read_text(encoding="utf-8")
    assert "concordance index" in page
    assert "RMSE, random cuts, capped labels" in page


def test_a_fleet_without_censored_records_has_no_such_table(tmp_path):
    found = evaluate(trained(write_own(tmp_path / "my.csv"), tmp_path / "run"))
    assert found.censored is None
    assert found.cuts.engines == 2
    assert "censored" not in json.loads(to_json(found))
    assert "censored_engines" not in json.loads(to_json(found))["protocol"]["split"]


def test_the_held_out_records_are_read_again(model):
    data = model.config.data
    records, _ = read_train_records(data, Path(data.train))
    assert records.fleet.censored.tolist() == NUMBERS


@pytest.mark.parametrize("format", ["onnx", "torch-export"])
def test_it_is_exported_like_any_other_model(model, tmp_path, format):
    for package in ("onnxscript", "onnxruntime") if format == "onnx" else ():
        pytest.importorskip(package)
    parity = export(calibrated(model), format, tmp_path / "model")
    # only failed engines have cuts
    assert parity.engines == 2
    assert parity.worst < 1e-3
    assert parity.interval < 1e-3
