import os
import shutil

import pytest
from pydantic import ValidationError

from cmapss_rul.balancers import FixedConfig
from cmapss_rul.config.load import from_mapping
from cmapss_rul.config.yaml import to_yaml
from cmapss_rul.system.errors import UsageError
from cmapss_rul.training.config import RunConfig, TrainConfig, load_config
from cmapss_rul.training.reporters import metrics_text, read_metrics

NAMES = {
    "data": ("subset", "dir", "source", "cap", "window", "columns", "cycle_count", "smoothing"),
    "split": ("by", "validation", "calibration", "seed"),
    "loss": ("rul.name", "health.boundaries"),
    "balancer": ("name",),
    "train": (
        *("epochs", "batch_size", "learning_rate", "window_share", "auxiliary_share"),
        *("clip", "ema", "patience", "threads"),
    ),
}


def test_only_sensors_get_the_random_offset():
    data = {"columns": ["sensor_2", "setting_1", "sensor_3"], "cycle_count": True}
    network = from_mapping(RunConfig, {"data": data}, []).build_network()
    assert network.offset.sensors.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    "name", ["seed", *(f"{part}.{key}" for part, keys in NAMES.items() for key in keys)]
)
def test_required_names_exist(name):
    value = RunConfig().model_dump()
    for key in name.split("."):
        value = value[key]


def test_documented_defaults():
    config = RunConfig()
    assert config.data.cap == 125
    assert config.loss.health.boundaries == (125, 50)
    assert config.loss.rul.name == "weighted_mse"
    assert config.train.clip == 1.0
    assert (config.train.threads, config.split.seed) == (None, None)
    assert not config.train.mixed_precision
    assert config.split.calibration == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("batch_size", -4),
        ("batch_size", 10**9 + 1),
        ("window_share", 0),
        ("window_share", 1.1),
        ("auxiliary_share", 0),
        ("auxiliary_share", 1.1),
        ("learning_rate", 0),
        ("ema", 1),
        ("patience", 0),
        ("threads", 0),
        ("clip", 0),
        ("epochs", True),
        ("epochs", 1.5),
        ("warmup", -1),
    ],
)
def test_wrong_values_are_refused_by_key(key, value):
    with pytest.raises(ValidationError) as caught:
        TrainConfig.model_validate({key: value})
    assert caught.value.errors()[0]["loc"] == (key,)


def test_strings_with_an_exponent_are_numbers():
    config = from_mapping(RunConfig, {}, ["train.learning_rate=1e-3", "train.batch_size=1e9"])
    assert config.train.learning_rate == 0.001
    assert config.train.batch_size == 10**9


def test_boundaries_are_checked_against_the_cap():
    with pytest.raises(ValidationError, match="class 0 cannot occur"):
        RunConfig.model_validate({"data": {"cap": 100}})
    RunConfig.model_validate({"data": {"cap": 100}, "loss": {"health": {"boundaries": [100, 50]}}})


def test_a_window_must_be_a_multiple_of_the_pooling():
    found = "data.window should be a multiple of model.cnn.pool, found 60 and 7"
    with pytest.raises(ValidationError, match=found):
        RunConfig.model_validate({"model": {"cnn": {"pool": 7}}})
    RunConfig.model_validate({"data": {"window": 63}, "model": {"cnn": {"pool": 7}}})


def test_a_run_is_frozen():
    with pytest.raises(ValidationError):
        RunConfig().seed = 3  # type: ignore[misc]


def test_paths_do_not_identify_a_run():
    here = RunConfig.model_validate({"data": {"dir": "/somewhere/of/mine"}})
    assert here.without_paths() == RunConfig().without_paths()
    assert "somewhere" not in str(here.without_paths())


def test_threads_default_to_the_available_cores(monkeypatch):
    assert TrainConfig(threads=3).thread_count() == 3
    assert 1 <= TrainConfig().thread_count() <= (os.cpu_count() or 1)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)  # as on macOS
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert TrainConfig().thread_count() == 1


@pytest.mark.parametrize("name", ["", "last.pt"])
def test_weights_of_another_run_become_constants(finished_run, tmp_path, name):
    """The weights are read once: the run that follows does not depend on the other."""
    run = shutil.copytree(finished_run, tmp_path / "runs" / "gradnorm-s0")
    row = read_metrics(run / "metrics.csv")[-1]
    expected = (row["weight_rul"], row["weight_health"])
    sets = [f"balancer.weights_from={run / name}"]
    config = load_config("fixed", sets)  # has weights, too
    assert config.balancer.weights == expected
    assert config.balancer.weights_from is None
    assert RunConfig.model_validate({"balancer": {"weights_from": str(run / name)}}).balancer == (
        config.balancer
    )
    assert "weights_from" not in config.without_paths()["balancer"]
    shutil.rmtree(run)
    (tmp_path / "again.yaml").write_text(to_yaml(config))
    assert load_config(tmp_path / "again.yaml") == config


def test_weights_of_a_missing_run_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "metrics.csv").write_text(metrics_text([]))
    (tmp_path / "other.pt").write_text("x")
    cases = {
        str(tmp_path / "empty"): "metrics.csv: cannot be read",
        str(tmp_path): "has no finished epoch",
        str(tmp_path / "none"): "none: found no regular file",
        str(tmp_path / "other.pt"): "is not a checkpoint",
        "3": "expected a run folder or a checkpoint",
    }
    for run, message in cases.items():
        with pytest.raises(UsageError, match=r"balancer\.weights_from: ") as caught:
            load_config("fixed", [f"balancer.weights_from={run}"])
        assert message in str(caught.value)
    with pytest.raises(UsageError, match=r"it belongs to balancer\.name=fixed"):
        load_config("amnl", ["balancer.weights_from=x"])
    with pytest.raises(ValidationError, match="is resolved by RunConfig only"):
        FixedConfig(weights_from="x")
