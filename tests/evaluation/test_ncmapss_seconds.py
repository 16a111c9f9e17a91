"""N-CMAPSS as windows of seconds: scored at the end of every flight, and at every window."""

import json

import numpy as np
import pytest

from cmapss_rul import evaluate, load_config, predict, report, restore, train
from cmapss_rul.data.fleet import Fleet
from cmapss_rul.data.flights import read_flights
from cmapss_rul.data.ncmapss import FILES
from cmapss_rul.evaluation.export_graph import ExportGraph, graph_inputs
from cmapss_rul.evaluation.headline import headline_table, verdict
from cmapss_rul.evaluation.predictions import predict_fleet
from cmapss_rul.evaluation.save import to_csv
from cmapss_rul.evaluation.tables import evaluation_tables
from cmapss_rul.metrics.regression import random_cut_weights
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.inputs import load_data
from cmapss_rul.training.validation import cut_weights
from tests.evaluation._models import TINY

h5py = pytest.importorskip("h5py", reason="needs h5py: pip install 'cmapss_rul[ncmapss]'")

UNITS = {"dev": {2: 7, 5: 6, 10: 5}, "test": {11: 6, 14: 4}}
ENDS = [5, 4, 3, 2, 1, 0, 3, 2, 1, 0]
"""RUL at each flight of the test units."""

SHORT = [
    "train.epochs=1", "train.threads=1", "train.batch_size=8", "data.window=5", "model.cnn.pool=1",
    "train.window_share=1", *(f"model.{part}.{key}={json.dumps(value)}"
    for part, keys in TINY.items() for key, value in keys.items()),
]  # fmt: skip

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one epoch on a synthetic file, its configuration, and the file."""
    from scripts.synthetic_ncmapss import write_ncmapss

    folder = tmp_path_factory.mktemp("seconds")
    file = write_ncmapss(folder / FILES["DS02"].file, UNITS, seconds=90)
    config = load_config("ncmapss-ds02-seconds", [f"data.dir={folder}", *SHORT])
    return train(config, folder / "run"), config, file


@pytest.fixture(scope="module")
def evaluation(run):
    return evaluate(run[0].best)


@pytest.fixture(scope="module")
def lengths(run):
    """Rows of each flight of the test units: one of ten seconds, from the first on."""
    with h5py.File(run[2]) as h5:
        index = np.asarray(h5["A_test"])[:, :2]
    _, counts = np.unique(index, axis=0, return_counts=True)
    return -(-counts // 10)


def test_units_are_split_as_a_whole_and_weigh_the_same(run):
    model, data = restore(run[0].best), load_data(run[1])
    assert len(model.engines.validation) == 1
    assert {*model.engines.training, *model.engines.validation} == {1, 2, 3}
    fleet = read_flights(run[2], "dev", virtual=False, stride=10).records.fleet
    (unit,) = model.engines.validation
    rows = int(fleet.lengths[unit - 1])
    assert len(data.validation) == rows
    # a random cut of a unit leaves 20 rows or more, whatever the flight
    expected = random_cut_weights(np.zeros(rows), np.arange(1, rows + 1))
    np.testing.assert_array_equal(cut_weights(data.validation), expected)
    life = int(fleet.cycle[fleet.last_rows][unit - 1])
    assert set(data.validation.rul.tolist()) == set(range(life))


def test_every_flight_is_scored_at_its_end_and_every_window_too(evaluation, lengths):
    predictions, truth = evaluation.predictions, evaluation.truth
    assert truth.raw.tolist() == np.repeat(ENDS, lengths).tolist()
    assert evaluation.scored.tolist() == (np.cumsum(lengths) - 1).tolist()
    errors = predictions.rul - truth.raw
    every, last = evaluation.metrics.every.capped, evaluation.metrics.last.capped
    assert every.rmse == pytest.approx(float(np.sqrt(np.mean(errors**2))))
    ends = errors[np.cumsum(lengths) - 1]
    assert last.rmse == pytest.approx(float(np.sqrt(np.mean(ends**2))))
    assert last.mae == pytest.approx(float(np.mean(np.abs(ends))))
    assert every.rmse != last.rmse
    # prognostics also use one prediction per flight
    assert [unit.scored for unit in evaluation.prognostics.engines] == [6, 4]
    lines = to_csv(evaluation).splitlines()
    assert [line.split(",")[:3] for line in lines[1:]] == [
        [str(unit), str(cycle), str(rul)]
        for unit, cycle, rul in zip(
            [11] * 6 + [14] * 4, [*range(1, 7), *range(1, 5)], ENDS, strict=True
        )
    ]


def test_no_prediction_depends_on_another_flight(run):
    model = restore(run[0].best)
    fleet = read_flights(run[2], "test", virtual=False, stride=10).records.fleet
    whole = predict_fleet(model, fleet)
    for start, end in zip(fleet.cycle_starts[:7], fleet.cycle_ends, strict=False):
        rows = slice(start, end + 1)
        alone = Fleet.from_rows(
            fleet.engine[rows], fleet.cycle[rows], fleet.values[rows], fleet.columns
        )
        np.testing.assert_allclose(predict_fleet(model, alone).rul, whole.rul[rows], atol=1e-4)


def test_printed_tables(evaluation, lengths):
    assert "at every flight of 2 test engines of DS02, uncapped labels" in verdict(evaluation)
    summary = evaluation.protocol.summary()
    assert "windows of 5 rows 10 s apart, of one flight" in summary
    lines = dict(evaluation.protocol.lines())
    short = int((lengths < 5).sum())
    assert lines["tested on"] == f"2 engines ({short} flights padded), {sum(lengths)} windows"
    assert lines["window"] == (
        "5 rows 10 s apart, of one flight; padded at the front, by repeating the first row; "
        "no engine dropped"
    )
    assert evaluation.protocol.as_dict()["stride"] == 10
    assert "last window of each flight, and every window (10 s apart)" in evaluation.protocol.scored
    tables = {table.title.split(".")[0].split(";")[0]: table for table in
              evaluation_tables(evaluation)}  # fmt: skip
    names = ["every flight, capped", "every flight, raw", "every window, capped",
             "every window, raw"]  # fmt: skip
    assert [row[0] for row in tables["Test metrics"].rows] == names
    assert [row[0] for row in headline_table(evaluation).rows] == names
    units = tables["Each test unit over its flights"].rows
    assert [row[:2] for row in units] == [["11", "6"], ["14", "4"]]
    first = (evaluation.predictions.rul - evaluation.truth.raw)[evaluation.scored[:6]]
    assert float(units[0][2]) == pytest.approx(np.sqrt(np.mean(first**2)), abs=0.006)


def test_predictions_of_the_file(evaluation, run):
    table = predict(run[0].best, run[2], every_cycle=True)
    assert table["cycle"].tolist() == [*range(1, 7), *range(1, 5)]
    assert table["cycles_seen"].tolist() == [*range(1, 7), *range(1, 5)]
    np.testing.assert_array_equal(table["rul"], evaluation.predictions.rul[evaluation.scored])
    assert not table["note"].str.contains("starts at cycle").any()
    last = predict(run[0].best, run[2])
    assert (last["engine"].tolist(), last["cycle"].tolist()) == ([11, 14], [6, 4])
    with pytest.raises(UsageError, match="reads seconds of flights; expected an HDF5 file"):
        predict(run[0].best, "flights.csv")


def test_the_exported_graph_takes_the_flight_of_each_row(run):
    model = restore(run[0].best)
    fleet = read_flights(run[2], "test", virtual=False, stride=10).records.fleet
    rows = np.array([fleet.cycle_starts[1], fleet.cycle_starts[3] + 1, fleet.last_rows[0]])
    inputs = graph_inputs(model, fleet, rows)
    assert inputs.valid_length.tolist() == [1, 2, 5]
    assert inputs.cycle.tolist() == [[2.0] * 5, [4.0] * 5, [6.0] * 5]
    rul = ExportGraph(model)(*inputs.named().values())[0]
    expected = predict_fleet(model, fleet, rows).rul
    np.testing.assert_allclose(rul.detach().numpy(), expected, atol=1e-3)


def test_the_report(run):
    page = next(path for path in report(run[0].path) if path.suffix == ".html").read_text()
    assert "Each test unit over its flights" in page
    assert "every window" in page
