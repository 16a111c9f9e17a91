"""`rul compare` on the command line."""

import json

import pytest

from cmapss_rul.cli.progress import GridProgress
from cmapss_rul.experiments import executors
from cmapss_rul.experiments.compare import PhaseEvent
from cmapss_rul.experiments.jobs import JobMessage
from cmapss_rul.system.workers import JobEvent
from tests.experiments.inputs import run_in_process, write_config


@pytest.fixture(scope="module")
def config_dir(tmp_path_factory, fleet_dir):
    """A folder with a configuration that trains within a second."""
    config_dir = tmp_path_factory.mktemp("compare")
    write_config(config_dir / "tiny.yaml", fleet_dir)
    return config_dir


@pytest.fixture
def tiny_config_file(config_dir, monkeypatch):
    monkeypatch.chdir(config_dir)
    monkeypatch.setattr(executors, "run_jobs", run_in_process)
    return "tiny.yaml"


def test_a_grid_prints_its_table_and_folder(rul, tiny_config_file):
    words = [
        "--config",
        tiny_config_file,
        "--balancer",
        "fixed,amnl",
        "--seeds",
        "7,",
        "--jobs",
        "1",
    ]
    code, out, err = rul("compare", *words, "--output", "grid", "--ledger", "ledger.json")
    assert (code, err) == (0, "")
    assert "training: 2 runs\n" in out
    assert "tiny-amnl-s7  epoch 2, val RMSE " in out
    assert "no test between fixed and amnl" in out.replace("\n", " ")
    assert out.endswith("saved in grid\n")
    code, out, err = rul("compare", *words, "--output", "grid", "--json")
    assert code == 0
    plain = json.loads(out)
    assert [cell["label"] for cell in plain["cells"]] == ["fixed", "amnl"]
    assert plain["grid"]["seeds"] == [7]
    assert err == ("training: 0 runs, 2 done before\nevaluating: 0 runs, 2 done before\n")
    code, out, err = rul("compare", *words[:-4], "--seeds", "2", "--output", "grid")
    assert (code, out) == (2, "")
    assert "--output grid: contains another grid: seeds was [7] and is [0, 1]" in err


def test_a_failed_run_is_named_with_its_error(rul, tiny_config_file, monkeypatch):
    monkeypatch.setenv("RUL_DATA_SOURCE", "nowhere.zip")
    code, out, err = rul(
        "compare",
        "--config",
        tiny_config_file,
        "--seeds",
        "1",
        "--set",
        "data.dir=empty",
        "--output",
        "broken",
    )
    assert code == 1
    assert "tiny-fixed-s0  failed: " in out
    assert err.startswith("rul: error: 1 of 1 runs failed; the same command retries them: ")
    assert "tiny-fixed-s0: " in err
    assert "nowhere.zip" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--config'"),
        (["--config", "fd01"],
         "--config: unknown configuration 'fd01'; expected one of: fd001,"),
        (["--config", "tiny.yaml,fd01"], "'fd01' beside tiny.yaml"),
        (["--config", ","], "--config: expected comma-separated names"),
        (["--config", "tiny.yaml", "--balancer", "fixed,amnll"],
         "--balancer: unknown balancer 'amnll' beside fixed; expected one of: amnl,"),
        (["--config", "tiny.yaml", "--seeds", "0"], "--seeds 0: expected a number of seeds"),
        (["--config", "tiny.yaml", "--grid", "train.epoch=1"], "did you mean train.epochs?"),
        (["--config", "tiny.yaml", "--grid", "train.epochs=0"], "expected at least 1, found 0"),
        (["--config", "tiny.yaml", "--jobs", "0"], "--jobs"),
        (["--config", "tiny.yaml", "--device", "tpu"],
         "--device: found 'tpu', expected one of auto, cpu, cuda"),
        (["--config", "tiny.yaml", "--executor", "dask"],
         "--executor: found 'dask', expected one of local, ray"),
        (["--config", "tiny.yaml", "--engine", "dask"],  # the old name of --executor
         "--executor: found 'dask', expected one of local, ray"),
        (["--config", "tiny.yaml", "--address", "auto"], "--address is for --executor ray"),
        (["--config", "tiny.yaml", "--gpus", "1"], "--gpus is for --executor ray"),
        (["--config", "tiny.yaml", "--executor", "ray", "--device", "tpu"],
         "--device: found 'tpu', expected one of auto, cpu, cuda"),
        (["--config", "tiny.yaml", "--executor", "ray", "--address", "auto", "--jobs", "2"],
         "--jobs has no effect on the cluster at --address"),
        (["--config", "tiny.yaml", "--ledger", "tiny.yaml"], "--ledger tiny.yaml: is not a ledger"),
        (["--config", "tiny.yaml", "--output", "tiny.yaml"], "tiny.yaml: is not a folder"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_before_anything_is_trained(rul, tiny_config_file, arguments, message):
    del tiny_config_file
    code, out, err = rul("compare", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_an_interrupt_is_reported_with_130(rul, tiny_config_file, monkeypatch):
    from cmapss_rul.system.signals import Interrupted

    def stopped(*_):
        raise Interrupted("stopped by SIGINT, all is saved", 130)

    monkeypatch.setattr(executors, "run_jobs", stopped)
    code, _, err = rul(
        "compare", "--config", tiny_config_file, "--seeds", "1", "--output", "stopped"
    )
    assert (code, err) == (130, "rul: stopped by SIGINT, all is saved\n")


def test_progress_escapes_names(capsys):
    progress = GridProgress(quiet_stdout=False)
    progress(PhaseEvent("training", 1, 0))
    progress(JobEvent("a\x1b[31m", "started"))
    message = JobMessage("epoch 1, val RMSE 12.35", 1)
    progress(JobEvent("a\x1b[31m", "progress", message))
    progress(JobEvent("a\x1b[31m", "ended"))
    progress(JobEvent("b", "ended", error="broke\x07"))
    progress.close()
    assert capsys.readouterr().out == (
        "training: 1 run\na\\x1b[31m  epoch 1, val RMSE 12.35\nb  failed: broke\\x07\n"
    )
