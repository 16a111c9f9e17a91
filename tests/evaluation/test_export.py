"""Exported files run without this package and predict like the Python model."""

import hashlib
import json
import sys
import zipfile
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from cmapss_rul.data.columns import COLUMNS
from cmapss_rul.data.reader import read_fleet
from cmapss_rul.evaluation import export as module
from cmapss_rul.evaluation.export import Parity, default_path, export, measure_parity
from cmapss_rul.evaluation.export_graph import ExportGraph, IntervalGraph, graph_inputs
from cmapss_rul.evaluation.predictions import predict_fleet
from cmapss_rul.system.errors import RulError, UsageError
from cmapss_rul.training.config import RunConfig
from cmapss_rul.training.trained_model import restore
from tests.evaluation._models import SHIFTS, TINY, calibrated, config_for, write_checkpoint

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def onnxruntime():
    pytest.importorskip("onnxscript")
    return pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def window_60(fleet_dir, tmp_path_factory):
    """A model with the shipped window and columns."""
    path = tmp_path_factory.mktemp("run") / "best.pt"
    return restore(write_checkpoint(path, config_for(fleet_dir, window=60)))


@pytest.fixture(scope="module")
def window_8(fleet_dir, tmp_path_factory):
    """The same with a short window, as PyTorch traces an LSTM step by step, several times."""
    path = tmp_path_factory.mktemp("run") / "best.pt"
    return restore(write_checkpoint(path, config_for(fleet_dir, window=8)))


@pytest.fixture(scope="module")
def exported(request, window_60, tmp_path_factory):
    """The ONNX file of that model and its differences from it."""
    request.getfixturevalue("onnxruntime")  # or skip
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    return path, export(window_60, "onnx", path)


@pytest.fixture(scope="module")
def torch_exported(window_8, tmp_path_factory):
    """Bytes of that model's `torch.export` file, the differences, and the records compared."""
    path = tmp_path_factory.mktemp("exported") / "model.pt2"
    compared = []
    runner = module._torch_export_runner
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            module,
            "_torch_export_runner",
            lambda content: compared.append(content) or runner(content),
        )
        parity = export(window_8, "torch-export", path)
    return path, parity, compared


@pytest.fixture
def skip_tracing(monkeypatch, torch_exported):
    """Skips tracing, which takes seconds, for tests of the later steps."""
    monkeypatch.setattr(module, "_trace", lambda *_: None)
    monkeypatch.setattr(module, "_to_torch_export", lambda *_: torch_exported[0].read_bytes())


def facts(values):
    return [(value.name, value.type, value.shape[1:]) for value in values]


def test_parity_over_the_test_engines(exported):
    path, parity = exported
    assert parity.engines == 20
    assert parity.rul < 1e-3
    assert parity.health < 1e-5
    assert path.is_file()


def test_there_are_exactly_three_inputs(exported, onnxruntime):
    session = onnxruntime.InferenceSession(exported[0])
    assert facts(session.get_inputs()) == [
        ("window", "tensor(float)", [60, 24]),
        ("cycle", "tensor(int64)", []),
        ("valid_length", "tensor(int64)", []),
    ]
    assert facts(session.get_outputs()) == [
        ("rul", "tensor(float)", []),
        ("health", "tensor(float)", [3]),
    ]


@pytest.mark.parametrize("batch", [1, 2, 7, 130])
def test_any_batch_size(exported, onnxruntime, window_60, fleet_dir, batch):
    fleet = read_fleet(fleet_dir / "test_FD001.txt")
    rows = np.arange(batch) * 10
    session = onnxruntime.InferenceSession(exported[0])
    plain = {k: v.numpy() for k, v in graph_inputs(window_60, fleet, rows).named().items()}
    rul, health = session.run(["rul", "health"], plain)
    expected = predict_fleet(window_60, fleet, rows)
    np.testing.assert_allclose(rul, expected.rul, atol=1e-3)
    np.testing.assert_allclose(health, expected.probabilities, atol=1e-5)


def test_the_metadata_describe_the_model(exported, onnxruntime, window_60):
    session = onnxruntime.InferenceSession(exported[0])
    found = {k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items()}
    assert found["columns"] == list(COLUMNS)
    assert (found["window"], found["cap"], found["boundaries"]) == (60, 125, [125, 50])
    assert found["digest"] == hashlib.sha256(window_60.path.read_bytes()).hexdigest()
    assert found["protocol"]["simulated"] is True
    assert list(found["inputs"]) == ["window", "cycle", "valid_length"]
    assert list(found["outputs"]) == ["rul", "health"]
    assert found["intervals"] is None


@pytest.mark.parametrize("format", ["onnx", "torch-export"])
def test_the_estimate_for_the_nasa_score_is_in_the_graph(
    window_8, fleet_dir, tmp_path, onnxruntime, format
):
    model = calibrated(window_8, **SHIFTS)
    parity = export(model, format, tmp_path / "model", estimate="nasa")
    assert max(parity.rul, parity.interval) < 1e-3
    fleet = read_fleet(fleet_dir / "test_FD001.txt")
    rows = fleet.last_rows[:5]
    network = predict_fleet(model, fleet, rows).rul
    with torch.inference_mode():
        rul, _, *bounds = ExportGraph(model, "nasa")(**graph_inputs(model, fleet, rows).named())
    np.testing.assert_allclose(rul, model.calibration.nasa_estimate(network), atol=1e-3)
    assert (rul.numpy() < network - 0.5).all()
    np.testing.assert_allclose(bounds, model.calibration.bounds(network, 0.9, 125), atol=1e-2)
    if format == "onnx":
        session = onnxruntime.InferenceSession(tmp_path / "model")
        found = session.get_modelmeta().custom_metadata_map
        assert json.loads(found["estimate"]) == "nasa"
        assert "lowest expected NASA score" in json.loads(found["outputs"])["rul"]


def test_a_missing_estimate_is_refused_first(window_60, tmp_path):
    with pytest.raises(UsageError, match="no estimate for the NASA score"):
        export(window_60, "onnx", tmp_path / "model.onnx", estimate="nasa")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("steps", [[20.0, 120.0], [50.0, 50.0]])
def test_the_interval_of_the_graph_equals_that_of_the_calibration(window_60, steps):
    model = calibrated(window_60, knots=steps)
    rul = torch.tensor([0.0, 19.0, 20.0, 49.5, 50.0, 77.7, 120.0, 125.0])
    found = IntervalGraph.of(model)(rul)
    expected = model.calibration.bounds(rul.double().numpy(), 0.9, 125)
    np.testing.assert_allclose(torch.stack(found), expected, atol=1e-5)
    bands = calibrated(
        window_60,
        knots=steps,
        edges=[19.0, 50.0],
        band_quantiles=[[1.0] * 3] * 2 + [[3.0, 5.0, 4.0]],
    )
    found = IntervalGraph.of(bands)(rul)
    expected = bands.calibration.bounds(rul.double().numpy(), 0.9, 125)
    np.testing.assert_allclose(torch.stack(found), expected, atol=1e-5)
    assert IntervalGraph.of(window_60) is None


def runner(format):
    return module._onnx_runner if format == "onnx" else module._torch_export_runner


PUBLISHED = {
    **TINY,
    "cnn": {"channels": [4, 3], "kernel": 3, "batch_norm": True, "concatenate_input": False},
    "bilstm": {"hidden": 4, "layers": 2},
    "attention": {"name": "self", "heads": 2},
}


NETWORKS = [
    PUBLISHED,
    {**TINY, "attention": {"name": "none"}, "cnn": {"channels": []}},
    {**TINY, "mask_padding": True},
    {**PUBLISHED, "mask_padding": True},
]
INTERVALS = {
    "lines": {},
    "steps": {"form": "bins", "knots": [63.0, 63.0], "late": [1.0, 9.0], "early": [2.0, 5.0]},
    "level": {"knots": [60.0], "late": [1.0], "early": [2.0]},
    "bands": {"edges": [50.0, 75.0], "band_quantiles": [[1.0] * 3, [2.0] * 3, [3.0, 4.0, 3.5]]},
}


@pytest.mark.usefixtures("onnxruntime")
@pytest.mark.parametrize("format", ["onnx", "torch-export"])
@pytest.mark.parametrize(
    ("network", "intervals"), [*zip(NETWORKS, INTERVALS.values(), strict=True)], ids=INTERVALS
)
def test_other_networks_and_their_intervals(fleet_dir, tmp_path, format, network, intervals):
    plain = config_for(fleet_dir, window=8).model_dump()
    config = RunConfig.model_validate({**plain, "model": network})
    model = calibrated(restore(write_checkpoint(tmp_path / "best.pt", config)), **intervals)
    parity = export(model, format, tmp_path / "model")
    assert parity.rul < 1e-3
    assert parity.interval < 1e-3
    run = runner(format)((tmp_path / "model").read_bytes())
    fleet = read_fleet(fleet_dir / "test_FD001.txt")
    # the last one is not padded
    rows = np.array([0, 3, fleet.starts[1] + 6, fleet.starts[2] + 7, 9])
    rul, health, *bounds = run(graph_inputs(model, fleet, rows))
    expected = predict_fleet(model, fleet, rows)
    np.testing.assert_allclose(rul, expected.rul, atol=1e-3)
    np.testing.assert_allclose(health, expected.probabilities, atol=1e-5)
    around = model.calibration.bounds(rul.astype(float), 0.9, 125)
    np.testing.assert_allclose(bounds, around, atol=1e-4)
    if format == "onnx":
        assert_the_interval_is_described(tmp_path / "model")


def assert_the_interval_is_described(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    assert facts(session.get_outputs())[2:] == [
        ("rul_lower", "tensor(float)", []),
        ("rul_upper", "tensor(float)", []),
    ]
    found = {k: json.loads(v) for k, v in session.get_modelmeta().custom_metadata_map.items()}
    assert found["intervals"]["level"] == 0.9
    assert found["outputs"]["rul_upper"] == (
        "float32 [batch]: upper bound of the interval at level 0.9, cycles; 125 means that or more"
    )


def test_no_file_names_a_source_file_of_this_machine(exported, torch_exported):
    onnx = pytest.importorskip("onnx")
    content = exported[0].read_bytes()
    assert b".py" not in content
    graph = onnx.load_from_string(content).graph
    for entry in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output):
        assert not entry.metadata_props
        assert not entry.doc_string
    with zipfile.ZipFile(torch_exported[0]) as archive:
        for name in archive.namelist():
            assert str(ROOT).encode() not in archive.read(name)


def test_a_torch_export_needs_only_torch(torch_exported, window_8, fleet_dir):
    path, parity, _ = torch_exported
    assert parity.rul < 1e-3
    extra = {"cap": "", "columns": ""}
    program = torch.export.load(path, extra_files=extra)
    assert (json.loads(extra["cap"]), json.loads(extra["columns"])) == (125, list(COLUMNS))
    fleet = read_fleet(fleet_dir / "test_FD001.txt")
    for batch in (1, 5):
        rows = fleet.last_rows[:batch]
        rul, health = program.module()(**graph_inputs(window_8, fleet, rows).named())
        expected = predict_fleet(window_8, fleet, rows).rul
        np.testing.assert_allclose(rul.detach(), expected, atol=1e-3)
        assert health.shape == (batch, 3)


def test_parity_is_the_largest_difference(window_60, fleet_dir):
    fleet = read_fleet(fleet_dir / "test_FD001.txt")
    expected = predict_fleet(window_60, fleet, fleet.last_rows)
    done = []

    def shifted(inputs):
        part = slice(sum(done), sum(done) + len(inputs.cycle))
        done.append(len(inputs.cycle))
        return [expected.rul[part] + 0.25, expected.probabilities[part] - 0.125]

    assert measure_parity(window_60, fleet, shifted) == Parity(20, 0.25, 0.125)


@pytest.mark.usefixtures("skip_tracing")
@pytest.mark.parametrize("difference", [0.0501, float("nan")])
def test_a_difference_above_the_tolerance_saves_nothing(
    window_8, tmp_path, monkeypatch, difference
):
    monkeypatch.setattr(module, "measure_parity", lambda *_: Parity(20, difference, 0.0))
    with pytest.raises(RulError, match=r"expected at most 0\.05; nothing was written"):
        export(window_8, "torch-export", tmp_path / "model.pt2")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("onnxruntime")
@pytest.mark.parametrize("format", ["onnx", "torch-export"])
def test_a_smoothing_model_has_the_history_as_a_further_input(fleet_dir, tmp_path, format):
    """Invalid cells give NaN, although ONNX Runtime's ReLU and Clip turn NaN into numbers."""
    plain = config_for(fleet_dir, window=8, smoothing=0.3).model_dump()
    config = RunConfig.model_validate({**plain, "model": PUBLISHED})
    model = calibrated(restore(write_checkpoint(tmp_path / "best.pt", config)))
    assert export(model, format, tmp_path / "model").rul < 1e-3
    run = runner(format)((tmp_path / "model").read_bytes())
    fleet = read_fleet(fleet_dir / "test_FD001.txt")
    for row in (0, 45, fleet.last_rows[1]):  # histories of one, some and many rows
        inputs = graph_inputs(model, fleet, np.array([row]))
        assert list(inputs.named()) == ["window", "cycle", "valid_length", "history"]
        expected = predict_fleet(model, fleet, np.array([row])).rul
        np.testing.assert_allclose(run(inputs)[0], expected, atol=1e-3)
    if format == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(tmp_path / "model")
        assert [value.name for value in session.get_inputs()] == list(inputs.named())
    inputs = graph_inputs(model, fleet, np.array([fleet.last_rows[0], fleet.starts[1]]))
    expected, oldest = run(inputs), inputs.length - int(inputs.valid_length[0])
    rows = (oldest, inputs.length - 8, inputs.length - 1)  # of history, and of the window of 8
    for row, value in product(rows, (np.nan, np.inf, -np.inf, 1e38)):
        found = run(inputs.with_value(row, COLUMNS.index("sensor_4"), value))
        assert len(found) == 4
        for part, whole in zip(found, expected, strict=True):
            assert np.isnan(part[0]).all()
            np.testing.assert_array_equal(part[1], whole[1])  # all padding is NaN
    found = run(inputs.with_value(oldest, COLUMNS.index("setting_1"), np.nan))
    np.testing.assert_array_equal(found[0], expected[0])  # one condition: not used


@pytest.mark.parametrize("answer", [3.0, np.nan])
def test_an_export_that_predicts_for_an_invalid_record_is_refused(window_60, fleet_dir, answer):
    fleet = read_fleet(fleet_dir / "test_FD001.txt")

    def run(_):
        return [np.full(2, answer, dtype=np.float32), np.full((2, 3), answer, dtype=np.float32)]

    with pytest.raises(RulError, match="does not give NaN exactly where sensor_2 is inf"):
        module.check_broken_inputs(window_60, fleet, run)


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named(window_60, tmp_path, monkeypatch, package):
    pytest.importorskip("onnxscript")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RulError, match=r"pip install 'cmapss_rul\[export\]'"):
        export(window_60, "onnx", tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("skip_tracing")
def test_an_unwritable_output_is_refused(window_8, tmp_path):
    with pytest.raises(RulError, match="cannot be written"):
        export(window_8, "torch-export", tmp_path)


def test_default_names_are_beside_the_checkpoint():
    run = Path("runs/fd001-s0")
    assert default_path(run / "best.pt", "onnx") == run / "model.onnx"
    assert default_path(run / "last.pt", "torch-export") == run / "model-last.pt2"


def test_the_compared_bytes_are_the_saved_ones(torch_exported):
    path, _, compared = torch_exported
    assert [path.read_bytes()] == compared
