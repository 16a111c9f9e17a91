"""The jobs of a comparison, on their own files and on copies."""

import shutil
import signal

import pytest

from cmapss_rul.experiments.jobs import EvaluateJob, TrainJob
from cmapss_rul.experiments.oracle import read_oracle
from cmapss_rul.experiments.runs import COMMIT
from cmapss_rul.system.signals import Interrupted
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.reporters import read_metrics
from tests.training.inputs import assert_same_run


def test_a_job_on_copies_gives_the_same_files(config, run, tmp_path):
    """Even if it resumes a run started on another machine."""
    job = TrainJob("run", config, tmp_path / "home", "cpu", True, "c0ffee")
    assert {path.name for path in job.sources()} == {
        "train_FD001.txt", "test_FD001.txt", "RUL_FD001.txt", "manifest_FD001.json",
    }  # fmt: skip
    data, folder = tmp_path / "data", tmp_path / "copies"
    data.mkdir()
    for path in job.sources():
        shutil.copy(path, data)

    def stop(_):
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted):
        job.moved(data, folder)(stop)
    host = checkpoint_file.read(folder / "last.pt")["host"]
    assert (host["folder"], host["data_dir"]) == (str(tmp_path / "home"), config.data.dir)
    messages = []
    job.moved(data, folder)(messages.append)
    assert [message.epoch for message in messages] == [2]
    (row,) = read_metrics(folder / "metrics.csv")[1:]
    assert [message.text for message in messages] == [f"epoch 2, val RMSE {row['val_rmse']:.2f}"]
    assert_same_run(run.path, folder)
    assert checkpoint_file.read(folder / "best.pt")["host"]["data_dir"] == config.data.dir
    assert (folder / "config.yaml").read_bytes() == run.config.read_bytes()
    assert set(read_oracle(folder / "oracle.csv")) == {1, 2}
    assert (folder / COMMIT).read_text() == "c0ffee\n"
    assert not (tmp_path / "home").exists()


def test_an_evaluation_on_copies_is_the_same(config, run, tmp_path):
    job = EvaluateJob("run", config, tmp_path / "home", "cpu")
    assert {path.name for path in job.sources()} == {
        "test_FD001.txt", "RUL_FD001.txt", "manifest_FD001.json",
    }  # fmt: skip
    folder = tmp_path / "copies"
    folder.mkdir()
    shutil.copy(run.best, folder)
    data = tmp_path / "data"
    data.mkdir()
    for path in job.sources():
        shutil.copy(path, data)
    job.moved(data, folder)(lambda _: None)
    for name in ("best.pt", "evaluation.json", "predictions.csv"):
        assert (folder / name).read_bytes() == (run.path / name).read_bytes()


def test_auxiliary_train_files_are_sources_too(config, tmp_path):
    data = config.data.model_copy(
        update={"dir": str(tmp_path), "source": "simulated", "auxiliary": ("FD003",)}
    )
    job = TrainJob("run", config.model_copy(update={"data": data}), tmp_path, "cpu", False, None)
    assert [path.name for path in job.sources()] == [
        "train_FD001.txt", "manifest_FD001.json", "train_FD003.txt", "manifest_FD003.json",
    ]  # fmt: skip
