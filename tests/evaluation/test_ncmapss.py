"""N-CMAPSS from flights to metrics: every flight of the test units is scored."""

import json

import numpy as np
import pytest

from cmapss_rul import evaluate, load_config, predict, report, restore, train
from cmapss_rul.data.ncmapss import FILES, VIRTUAL
from cmapss_rul.evaluation.headline import published_comparison, verdict
from cmapss_rul.evaluation.save import to_csv
from cmapss_rul.evaluation.tables import evaluation_tables
from tests.evaluation._models import TINY

pytest.importorskip("h5py")

UNITS = {"dev": {2: 7, 5: 6, 10: 5}, "test": {11: 6, 14: 4}}

pytestmark = pytest.mark.usefixtures("unrendered")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one epoch on a synthetic file, and the file."""
    from scripts.synthetic_ncmapss import write_ncmapss

    folder = tmp_path_factory.mktemp("ncmapss")
    file = write_ncmapss(folder / FILES["DS02"].file, UNITS, seconds=90)
    config = load_config("ncmapss-ds02", [f"data.dir={folder}", *SHORT])
    return train(config, folder / "run"), file


SHORT = [
    "train.epochs=1", "train.threads=1", "train.batch_size=8", "data.window=6", "model.cnn.pool=1",
    *(f"model.{part}.{key}={json.dumps(value)}" for part, keys in TINY.items()
      for key, value in keys.items()),
]  # fmt: skip


@pytest.fixture(scope="module")
def evaluation(run):
    return evaluate(run[0].best)


def test_units_are_split_as_a_whole(run):
    model = restore(run[0].best)
    assert len(model.engines.validation) == 1
    assert {*model.engines.training, *model.engines.validation} == {1, 2, 3}


def test_the_unit_that_validates_is_named(run):
    model = restore(run[0].best)
    (unit,) = (list(UNITS["dev"])[number - 1] for number in model.engines.validation)
    assert f" validation on unit {unit}\n" in (run[0].path / "train.log").read_text()


def test_every_flight_of_the_test_units_is_scored(evaluation):
    assert evaluation.predictions.engine.tolist() == [11] * 6 + [14] * 4
    assert evaluation.truth.raw.tolist() == [5, 4, 3, 2, 1, 0, 3, 2, 1, 0]
    errors = evaluation.predictions.rul - evaluation.truth.raw
    rmse = float(np.sqrt(np.mean(errors**2)))
    for found in (evaluation.metrics.last, evaluation.metrics.every):
        assert found.capped.rmse == pytest.approx(rmse)
        assert found.capped == found.raw
    assert evaluation.metrics.last.capped.rmse_interval is not None  # over the two units
    assert len(to_csv(evaluation).splitlines()) == 1 + 10


def test_printed_tables(evaluation):
    text = verdict(evaluation)
    assert "flights (95 % interval" in text
    assert "at every flight of 2 test engines of DS02, uncapped labels" in text
    assert "simulated" in published_comparison(evaluation)
    summary = evaluation.protocol.summary()
    assert "RUL 0 at the failure flight, not capped (none exceeds 99); a row is a flight" in summary
    tables = {table.title.split(".")[0].split(";")[0]: table for table in
              evaluation_tables(evaluation)}  # fmt: skip
    assert [row[0] for row in tables["Test metrics"].rows] == [
        "every flight, capped", "every flight, raw",
    ]  # fmt: skip
    units = tables["Each test unit over its flights"].rows
    assert [row[:2] for row in units] == [["11", "6"], ["14", "4"]]
    first = evaluation.predictions.rul[:6] - evaluation.truth.raw[:6]
    assert float(units[0][2]) == pytest.approx(np.sqrt(np.mean(first**2)), abs=0.006)


def test_virtual_sensors_are_noted_with_every_metric(evaluation, run, tmp_path):
    config = restore(run[0].best).config
    data = config.data.model_dump(mode="json") | {"virtual_sensors": True, "columns": None}
    data |= {"dir": str(run[1].parent), "window": 6}
    marked = type(config).model_validate(config.model_dump(mode="json") | {"data": data})
    found = evaluate(train(marked, tmp_path / "run").best)
    assert "T40_climb_mean" in found.protocol.inputs
    assert found.protocol.marks == [VIRTUAL]
    assert f"Optimistic: {VIRTUAL}" in verdict(found)
    assert evaluation.protocol.marks == []
    assert not set(evaluation.protocol.inputs) & {"T40_climb_mean", "hs", "unit"}


def test_predictions_for_the_file_equal_those_of_the_evaluation(evaluation, run):
    table = predict(run[0].best, run[1], every_cycle=True)
    assert table["engine"].tolist() == evaluation.predictions.engine.tolist()
    np.testing.assert_array_equal(table["rul"], evaluation.predictions.rul)
    assert predict(run[0].best, run[1])["cycle"].tolist() == [6, 4]


def test_the_report(run):
    page = next(path for path in report(run[0].path) if path.suffix == ".html").read_text()
    assert "Each test unit over its flights" in page
    assert "last window" not in page.split("<section", 1)[0].lower()
