"""Validation of every part of a checkpoint when it is opened."""

import copy
import shutil
import warnings

import pytest
import torch

from cmapss_rul.evaluation.evaluate import evaluate
from cmapss_rul.system.errors import CheckpointError, UsageError
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.config import MAX_PARAMETERS, load_config
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import restore
from tests.training.inputs import file_bytes, tiny_config, train_interrupted


@pytest.fixture
def content(finished_run):
    return checkpoint_file.read(finished_run / "best.pt")


@pytest.fixture(scope="module")
def stopped_run(eight_engine_dir, tmp_path_factory):
    """A run stopped after its first epoch, with optimisers of all kinds; read only."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    keys = {"schedule": {"name": "plateau"}, "optimiser": "muon"}
    config = tiny_config(eight_engine_dir, balancer={"name": "gradnorm"}, train=keys)
    train_interrupted(config, folder, epoch=1)
    return config, folder


def at(content, path):
    *way, last = path.split("/")
    for key in way:
        content = content[int(key) if key.isdigit() else key]
    return content, int(last) if last.isdigit() else last


def put(content, path, value):
    inner, key = at(content, path)
    inner[key] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("loop/epoch", "2"),
        ("loop/epoch", -1),
        ("loop/epoch", True),
        ("loop/epoch", 7),
        ("loop/sums", [0.0]),
        ("loop/history", {"a": 1}),
        ("loop/history/0", {}),
        ("loop/history/0/val_rmse", "low"),
        ("host/clock/rows", []),
        ("host/clock/rows/0", {"seconds": 1.0}),
        ("host/data_dir", 7),
        ("host/threads", 1.5),
        ("split/training", []),
        ("split/validation", [1.5]),
        ("split/training", torch.tensor([1, 2])),
        ("split/calibration", [1.5]),
        ("calibration", {"a": 1}),
        ("calibration/levels", [0.99]),
        ("calibration/knots", []),
        ("calibration/late", torch.zeros(2)),
        ("data/subset", None),
        ("data/mean_label", float("nan")),
        ("data/official", 1),
        ("data/auxiliary", None),
        ("data/auxiliary", [{"subset": "FD002"}]),
        ("versions/torch", {"a": "b"}),
        ("preprocessor/columns", ["sensor_2", "sensor_4", "no such"]),
        ("preprocessor/columns", "sensor_2"),
        ("preprocessor/columns", ["sensor_2"]),
        ("preprocessor/smoothing", "much"),
        ("preprocessor/centre", torch.zeros(1, 2, dtype=torch.float64)),
        ("preprocessor/centre", torch.zeros(3, dtype=torch.float64)),
        ("preprocessor/centre", [[0.0, 0.0, 0.0]]),
        ("preprocessor/factor", torch.full((1, 3), float("nan"), dtype=torch.float64)),
        ("preprocessor/factor", torch.ones(1, 3)),
        ("preprocessor/low", torch.zeros(2, 3, dtype=torch.float64)),
        ("preprocessor/conditions", torch.zeros(1, 4, dtype=torch.float64)),
        ("preprocessor/conditions", torch.zeros(0, 3, dtype=torch.float64)),
        ("preprocessor/conditions", torch.zeros(51, 3, dtype=torch.float64)),
        ("model/shared.0.weight", torch.zeros(3, 3)),
        ("model/shared.0.weight", 5),
        ("model/rul_head.last.bias", torch.zeros(1, dtype=torch.float64)),
        ("model/rul_head.last.bias", torch.tensor([float("nan")])),
        ("model/rul_head.last.bias", torch.tensor([float("-inf")])),
        ("config/model", 3),
        ("config/data", []),
        ("config/seed", 10**15),
    ],
)
def test_a_malformed_part_is_one_line_that_names_the_file(content, tmp_path, path, value):
    if path == "config/seed":
        value = -1
    put(content, path, value)
    checkpoint_file.write(tmp_path / "x.pt", content)
    with pytest.raises(CheckpointError) as caught:
        restore(tmp_path / "x.pt")
    text = str(caught.value)
    assert text.startswith(str(tmp_path / "x.pt"))
    assert "\n" not in text
    assert "train again" in text


def test_a_non_numeric_format_version_is_reported_in_one_line(content, tmp_path):
    """Found by fuzz_parts, seed 1: a tensor of several values gave a traceback."""
    for value in (torch.ones(2, 3), torch.ones(1), 1.0, True, [1]):
        checkpoint_file.write(tmp_path / "x.pt", {**content, "format_version": value})
        with pytest.raises(CheckpointError, match=r"x\.pt: found checkpoint format .*expected 1"):
            restore(tmp_path / "x.pt")


def test_an_invalid_value_gives_no_warning_beside_the_error(stopped_run, tmp_path):
    """Found by fuzz_parts, seed 1: torch warns of complex numbers."""
    config, folder = stopped_run
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    content = checkpoint_file.read(run / "last.pt")
    first = content["optimiser"]["state"][0]
    first["momentum"] = first["momentum"].to(torch.complex64)
    content["rng"]["cpu"] = torch.ones(3)  # refused after the optimiser was validated
    checkpoint_file.write(run / "last.pt", content)
    (run / "previous.pt").unlink(missing_ok=True)
    with pytest.raises(CheckpointError), warnings.catch_warnings(record=True) as warned:
        train(config, run, device="cpu", resume=True)
    assert warned == []


def test_an_unknown_part_is_ignored(content, tmp_path, eight_engine_dir):
    content["later"] = {"a": 1}
    content["calibration"]["later"] = 1
    content["loop"]["later"] = 1
    content["data"]["later"] = "x"
    checkpoint_file.write(tmp_path / "x.pt", content)
    model = restore(tmp_path / "x.pt")
    assert evaluate(model, data_dir=eight_engine_dir).metrics


@pytest.mark.parametrize("name", ["centre", "factor", "low", "high"])
def test_every_tensor_of_the_preprocessor_is_required(content, tmp_path, name):
    del content["preprocessor"][name]
    checkpoint_file.write(tmp_path / "x.pt", content)
    with pytest.raises(CheckpointError, match=f"x.pt: a part is missing .*'{name}'; train again"):
        restore(tmp_path / "x.pt")


# ---- sizes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keys",
    [
        {"bilstm": {"hidden": 10**9}},
        {"bilstm": {"hidden": 16_384, "layers": 16}},
        {"cnn": {"channels": [16_384] * 16}},
        {"shared": {"hidden": [16_384, 16_384]}},
    ],
    ids=str,
)
def test_a_network_of_an_absurd_size_is_refused_by_its_key_or_number(content, tmp_path, keys):
    for part, options in keys.items():
        content["config"]["model"][part].update(options)
    checkpoint_file.write(tmp_path / "x.pt", content)
    with pytest.raises(CheckpointError, match=r"model.*(parameters; expected at most|16384)"):
        restore(tmp_path / "x.pt")
    sets = [f"model.{part}.{key}={value}" for part, o in keys.items() for key, value in o.items()]
    with pytest.raises(UsageError, match=r"model.*(parameters; expected at most|16384)") as caught:
        load_config("fd001", sets)
    assert "\n" not in str(caught.value)


def test_a_network_that_does_not_match_the_weights_takes_no_memory(content, tmp_path):
    """The shapes are compared before the network is built."""
    content["config"]["model"]["shared"]["hidden"] = [5_000]
    checkpoint_file.write(tmp_path / "x.pt", content)
    with pytest.raises(CheckpointError, match="size mismatch of weights"):
        restore(tmp_path / "x.pt")


def test_the_meta_network_has_shapes_but_no_memory_and_draws_nothing(eight_engine_dir):
    config = tiny_config(eight_engine_dir)
    before = torch.get_rng_state()
    on_meta = config.meta_network()
    assert torch.equal(torch.get_rng_state(), before)
    assert {tensor.device.type for tensor in on_meta.state_dict().values()} == {"meta"}
    built = config.model.build(4, config.loss.health.classes, config.data.cap)
    shapes = [{n: t.shape for n, t in net.state_dict().items()} for net in (on_meta, built)]
    assert shapes[0] == shapes[1]
    assert sum(p.numel() for p in on_meta.parameters()) < MAX_PARAMETERS


# ---- resuming ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model_raw/rul_head.last.bias", torch.tensor([float("nan")])),
        ("model_raw", {}),
        ("optimiser", None),
        ("optimiser/state/0/momentum", torch.zeros(7)),
        ("optimiser/state/0/momentum", 3),
        ("optimiser/state/4/exp_avg", torch.zeros(9)),
        ("optimiser/state", []),
        ("optimiser/param_groups/0/weight_decay", 0.5),
        ("optimiser/param_groups", []),
        ("balancer_optimiser", None),
        ("balancer_optimiser/param_groups/0/betas", (0.5, 0.5)),
        ("balancer_optimiser/param_groups/0/maximize", True),
        ("balancer_optimiser/state/0/exp_avg_sq", torch.zeros(9)),
        ("balancer", {"w": torch.zeros(2)}),
        ("schedule/current", "fast"),
        ("schedule/stale", float("inf")),  # no number for int()
        ("schedule", {}),
        ("rng/cpu", torch.zeros(3, dtype=torch.uint8)),
        ("rng/cpu", 4),
        ("rng", {}),
        ("loop/stale", None),
        ("loop/stale", float("inf")),
        ("loop/epoch", float("inf")),
        ("config/train/patience", "three"),
        ("config/train", 1),
    ],
)
def test_a_malformed_state_is_one_line_and_changes_nothing(stopped_run, tmp_path, path, value):
    config, folder = stopped_run
    content = copy.deepcopy(checkpoint_file.read(folder / "last.pt"))
    put(content, path, value)
    (tmp_path / "run").mkdir()
    checkpoint_file.write(tmp_path / "run" / "last.pt", content)
    before = file_bytes(tmp_path / "run")
    with pytest.raises((CheckpointError, UsageError)) as caught:
        train(config, tmp_path / "run", device="cpu", resume=True)
    assert str(tmp_path / "run" / "last.pt") in str(caught.value)
    assert "\n" not in str(caught.value)
    assert file_bytes(tmp_path / "run") == before
