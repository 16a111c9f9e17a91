"""An own fleet from a checkpoint to metrics, predictions and an export."""

import dataclasses
import json

import numpy as np
import pytest
import torch

from cmapss_rul.data.records import read_records
from cmapss_rul.evaluation.evaluate import evaluate, read_test_engines
from cmapss_rul.evaluation.export import export
from cmapss_rul.evaluation.headline import verdict, warnings_of
from cmapss_rul.evaluation.predict import predict_records
from cmapss_rul.evaluation.save import last_window_predictions, to_csv, to_json
from cmapss_rul.evaluation.tables import metrics_table
from cmapss_rul.system.errors import DataError
from tests.data._own import HEADER, LIVES, own_rows, write_own
from tests.evaluation._models import countdown, trained


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    return trained(write_own(folder / "my.csv"), folder / "run")


@pytest.fixture(scope="module")
def found(model):
    return evaluate(model)


def test_the_protocol_says_where_the_engines_come_from(model, found):
    plain = json.loads(to_json(found))["protocol"]
    assert plain["tested_on"] == "held-out engines of the same file"
    assert (plain["subset"], plain["files"], plain["official"]) == ("my", "own files", False)
    assert plain["engines"] == len(model.engines.test) == 2
    assert (plain["split"]["test"], plain["split"]["test_seed"]) == (0.2, 0)
    assert list(plain["digest"]) == ["my.csv"]
    lines = dict(found.protocol.lines())
    assert lines["tested on"].startswith("held-out engines of the same file, each cut once: 2 eng")
    assert "which the last cycle of each training record is taken to be" in lines["label"]
    assert "except those of the held-out engines" in found.baselines.train_mean.description


def test_engines_keep_their_names_and_the_rul_follows_from_their_lives(model, found):
    table = last_window_predictions(found)
    assert set(table["engine"]) == {list(LIVES)[number - 1] for number in model.engines.test}
    lives = table["engine"].map(LIVES)
    assert (table["cycle"] + table["true_rul_raw"] == lives).all()
    assert (table["true_rul_capped"] == np.minimum(table["true_rul_raw"], 10)).all()
    assert {entry.engine for entry in found.prognostics.engines} == set(table["engine"])
    assert to_csv(found).splitlines()[1].startswith(f"{table['engine'][0]},")


def test_no_cycle_after_the_cut_is_scored(model, found):
    for engine in np.unique(found.predictions.engine):
        cycles = found.predictions.cycle[found.predictions.engine == engine]
        assert cycles.tolist() == list(range(1, cycles[-1] + 1))
        assert cycles[-1] < LIVES[engine]
    known = evaluate(countdown(model, 1000.0))
    assert (known.predictions.rul == 10).all()  # clamped to the cap of the fleet


def test_a_changed_training_file_cannot_provide_the_held_out_engines(model, tmp_path):
    write_own(tmp_path / "my.csv", own_rows()[:-1])
    with pytest.raises(
        DataError, match=r"my\.csv: has changed since the training .* restore the form"
    ):
        evaluate(model, data_dir=tmp_path)
    write_own(tmp_path / "my.csv")
    assert len(read_test_engines(model, tmp_path).held_out) == 2
    engines = model.engines.model_copy(update={"test": [1, 2, 3]})
    other = dataclasses.replace(model, engines=engines)
    with pytest.raises(DataError, match="the held-out engines differ from those of the training"):
        evaluate(other)


def test_an_own_test_file_has_precedence(tmp_path):
    rows = [f"{row},{99}" for row in own_rows()[:5]]
    test = write_own(tmp_path / "test.csv", rows, f"{HEADER},left")
    file = write_own(tmp_path / "my.csv")
    model = trained(file, tmp_path / "run", test=str(test), rul_column="left")
    found = evaluate(model)
    assert found.protocol.tested_on == "a test file"
    assert list(found.protocol.digest) == ["my.csv", "test.csv"]
    assert last_window_predictions(found)["true_rul_raw"].tolist() == [99]
    assert "split" in found.protocol.as_dict()
    assert "test_seed" not in found.protocol.as_dict()["split"]
    test.write_bytes(b"\n".join(line + b",99" for line in file.read_bytes().splitlines()))
    with pytest.raises(DataError, match="the column left is missing"):
        evaluate(model)


def test_the_training_file_is_refused_as_a_test_file(tmp_path):
    rows = [f"{row},3" for row in own_rows()]
    file = write_own(tmp_path / "my.csv", rows, f"{HEADER},left")
    (tmp_path / "b").mkdir()
    copy = write_own(tmp_path / "b/my.csv", rows, f"{HEADER},left")
    model = trained(file, tmp_path / "run", test=str(copy), rul_column="left")
    with pytest.raises(DataError, match=r"my\.csv: is the file that was trained on; name another"):
        evaluate(model)
    copy.write_text(copy.read_text().replace("north", "south"))
    assert list(evaluate(model).protocol.digest) == ["my.csv", "my.csv (test)"]


def test_it_predicts_from_a_file_with_the_same_names(model, found):
    aside = last_window_predictions(found)
    kept = dict(zip(aside["engine"], aside["cycle"], strict=True))
    rows = [row for row in own_rows() if int(row.split(",")[1]) <= kept.get(row.split(",")[0], 0)]
    content = "\n".join([HEADER, *reversed(rows)]).encode()
    records = read_records(content, "f", model.config.data, model.preprocessor.conditions)
    table = predict_records(model, records).set_index("engine")["rul"]
    assert table[aside["engine"]].tolist() == pytest.approx(aside["predicted_rul"].tolist())
    with pytest.raises(DataError, match="the column hour is missing"):
        read_records(content.replace(b"hour", b"cycle"), "f", model.config.data)


@pytest.mark.parametrize(
    ("conditions", "extra", "format"),
    [
        ({"name": "none"}, [], "torch-export"),
        ({"name": "column", "column": "phase"}, ["phase"], "onnx"),
    ],
    ids=["one condition", "a column"],
)
def test_it_is_exported_with_its_own_columns(tmp_path, conditions, extra, format):
    rows = [f"{row},{i % 2 + 0.5}" for i, row in enumerate(own_rows())]
    file = write_own(tmp_path / "my.csv", rows, f"{HEADER},phase")
    model = trained(file, tmp_path / "run", conditions=conditions)
    if format == "onnx":
        onnx = pytest.importorskip("onnx")
        pytest.importorskip("onnxscript")
    parity = export(model, format, tmp_path / "my")
    assert (parity.engines, parity.rul < 0.05) == (2, True)
    entries = {"columns": "", "protocol": ""}
    if format == "onnx":
        entries = {entry.key: entry.value for entry in onnx.load(tmp_path / "my").metadata_props}
    else:
        torch.export.load(tmp_path / "my", extra_files=entries)
    assert json.loads(entries["columns"]) == ["load %", *extra, "temp", "vib"]
    assert json.loads(entries["protocol"])["tested_on"] == "held-out engines of the same file"


def test_test_records_seen_in_training_are_noted_with_every_metric(model, found, tmp_path):
    assert found.protocol.leaks == []
    # 20 of the rows of p-5 and p-3 under other names, and an engine of its own
    rows = [row.split(",") for row in own_rows()]
    known = [row for row in rows if row[0] in ("p-5", "p-3")]
    fresh = [row.split(",") for row in own_rows(lambda *_: 0.5)][:10]
    renamed = [["x" + row[0], *row[1:]] for row in known + fresh]
    test = [f"{','.join(row)},3" for row in renamed]
    path = write_own(tmp_path / "test.csv", test, f"{HEADER},left")
    data = model.config.data.model_copy(update={"test": str(path), "rul_column": "left"})
    other = dataclasses.replace(model, config=model.config.model_copy(update={"data": data}))
    trained_on = {list(LIVES)[n - 1] for n in range(1, 9) if n not in model.engines.test}
    count = len({"p-5", "p-3"} & trained_on)
    assert count
    evaluation = evaluate(other)
    mark = f"a leak of test records: {count} of 3 test engines have rows of the training file"
    assert evaluation.protocol.leaks == [mark]
    assert json.loads(to_json(evaluation))["protocol"]["leaks"] == [mark]
    assert ("leak", mark) in evaluation.protocol.lines()
    assert evaluation.protocol.summary().startswith(mark)
    assert verdict(evaluation).endswith(f" Optimistic: {mark}.")
    assert mark in list(warnings_of(evaluation))
    assert metrics_table(evaluation).title.endswith(f". Optimistic: {mark}")
    # older checkpoints have no fingerprints
    before = model.data.model_copy(update={"fingerprints": None})
    assert evaluate(dataclasses.replace(other, data=before)).protocol.leaks == []


def test_a_label_among_the_inputs_is_noted_with_every_metric(model):
    labelled = model.data.model_copy(update={"label_columns": ["temp", "vib"]})
    evaluation = evaluate(dataclasses.replace(model, data=labelled))
    assert evaluation.protocol.marks == ["a label among the inputs: temp, vib"]
    assert "Optimistic: a label among the inputs: temp, vib." in verdict(evaluation)
