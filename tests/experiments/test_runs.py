"""In which state a run folder is, and what is done about it."""

import shutil
import signal

import pytest

from cmapss_rul.experiments.grid import make_grid
from cmapss_rul.experiments.oracle import read_notes
from cmapss_rul.experiments.runs import (
    COMMIT,
    Damaged,
    EvaluateJob,
    TrainJob,
    is_finished,
    remove,
)
from cmapss_rul.system.signals import Interrupted
from cmapss_rul.training import checkpoint
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.train import train
from tests.experiments.inputs import write_config
from tests.training.inputs import Stopper, assert_same_run


@pytest.fixture(scope="module")
def config(tmp_path_factory, fleet_dir):
    path = write_config(tmp_path_factory.mktemp("config") / "tiny.yaml", fleet_dir)
    return make_grid([str(path)], seeds=[0]).runs[0].config


@pytest.fixture(scope="module")
def trained(config, tmp_path_factory):
    """A run that TrainJob trained, evaluated by EvaluateJob."""
    folder = tmp_path_factory.mktemp("trained") / "run"
    told = []
    TrainJob("run", config, folder, "cpu", False, "c0ffee")(told.append)
    EvaluateJob("run", config, folder, "cpu")(told.append)
    assert [entry["epoch"] for entry in told] == [1, 2]
    return folder


@pytest.fixture
def run(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def finished(config, run, oracle=False):
    return is_finished(config, run.path, oracle=oracle)


def test_a_finished_run(config, run):
    assert finished(config, run)
    assert (run.path / COMMIT).read_text() == "c0ffee\n"
    assert (run.path / "evaluation.json").exists()
    assert not (run.path / "oracle.csv").exists()


def test_a_run_killed_at_its_very_end_has_its_commit(config, tmp_path):
    """The file stands before last.pt says that the run is finished."""
    folder = tmp_path / "run"

    def end(told):
        if told["epoch"] == config.train.epochs:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        TrainJob("run", config, folder, "cpu", False, "c0ffee")(end)
    assert finished(config, RunFolder(folder))
    assert (folder / COMMIT).read_text() == "c0ffee\n"


def test_who_finishes_a_run_gives_it_its_commit(config, tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(Interrupted):
        TrainJob("run", config, folder, "cpu", False, "former")(
            lambda _: signal.raise_signal(signal.SIGINT)
        )
    assert (folder / COMMIT).read_text() == "former\n"
    TrainJob("run", config, folder, "cpu", False, None)(lambda _: None)
    assert (folder / COMMIT).read_text() == "\n"


def test_a_folder_that_does_not_exist_is_to_be_trained(config, tmp_path):
    assert not is_finished(config, tmp_path / "none", oracle=False)


def test_a_run_stopped_later_goes_on(config, tmp_path):
    with pytest.raises(Interrupted):
        train(config, tmp_path / "run", reporters=[Stopper(epoch=1)])
    assert not is_finished(config, tmp_path / "run", oracle=False)
    assert RunFolder(tmp_path / "run").last.exists()


def test_a_run_stopped_in_its_first_epoch_begins_anew(config, run):
    for path in (run.last, run.previous, run.metrics):
        path.unlink(missing_ok=True)
    assert not finished(config, run)
    assert not run.path.exists()


def test_more_epochs_are_another_configuration(config, run):
    train_config = config.train.model_copy(update={"epochs": 3})
    more = config.model_copy(update={"train": train_config})
    with pytest.raises(Damaged, match=r"last\.pt is of another configuration"):
        finished(more, run)


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda run: [cut(run.last), cut(run.previous)], r"last\.pt"),
        (lambda run: cut(run.best), r"best\.pt"),
        (lambda run: run.best.unlink(), r"best\.pt is missing"),
        (lambda run: run.best.write_bytes(b""), r"best\.pt"),
        (lambda run: [run.last.unlink(), run.previous.unlink(missing_ok=True)],
         r"it has metrics\.csv and no last\.pt"),
    ],
)  # fmt: skip
def test_damage_is_said(config, run, damage, said):
    damage(run)
    with pytest.raises(Damaged, match=said):
        finished(config, run)


def test_another_seed_is_damage(config, run):
    with pytest.raises(Damaged, match="is of another seed"):
        finished(config.model_copy(update={"seed": 1}), run)


def test_an_oracle_without_its_notes_is_damage(config, run):
    with pytest.raises(Damaged, match=r"oracle\.csv is missing, or epochs in it are"):
        finished(config, run, oracle=True)
    (run.path / "oracle.csv").write_text("epoch,oracle_test_rmse,mark\n1,5,x\n2,6,x\n")
    assert finished(config, run, oracle=True)


def test_other_threads_and_another_data_folder_are_the_same_run(config, run):
    train_config = config.train.model_copy(update={"threads": 2})
    data = config.data.model_copy(update={"dir": "elsewhere"})
    assert finished(config.model_copy(update={"train": train_config, "data": data}), run)


def test_remove_takes_whatever_stands_there(tmp_path):
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    (tmp_path / "target").mkdir()
    for name in ("folder", "file", "link", "nothing"):
        remove(tmp_path / name)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]


def test_a_job_done_on_copies_leaves_what_it_leaves_at_home(config, run, tmp_path):
    """Even where it goes on from what another machine had begun."""
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
    host = checkpoint.read(folder / "last.pt")["host"]
    assert (host["folder"], host["data_dir"]) == (str(tmp_path / "home"), config.data.dir)
    told = []
    job.moved(data, folder)(told.append)
    assert [what["epoch"] for what in told] == [2]
    assert_same_run(run.path, folder)
    assert checkpoint.read(folder / "best.pt")["host"]["data_dir"] == config.data.dir
    assert (folder / "config.yaml").read_bytes() == run.config.read_bytes()
    assert set(read_notes(folder / "oracle.csv")) == {1, 2}
    assert (folder / COMMIT).read_text() == "c0ffee\n"
    assert not (tmp_path / "home").exists()


def test_an_evaluation_on_copies_is_the_one_at_home(config, run, tmp_path):
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
