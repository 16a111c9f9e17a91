"""Malicious checkpoints and every command that opens one: a one-line error, no code runs."""

import os
import shutil

import pytest
import torch

from cmapss_rul.data.simulate import simulate
from cmapss_rul.experiments import compare as compare_module
from cmapss_rul.experiments import executors
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.checkpoint_file import seal
from tests.experiments.inputs import run_in_process, write_config
from tests.torture.fuzz_checkpoint import saved
from tests.torture.fuzz_checkpoint import seal as sealed
from tests.training.inputs import file_bytes, tiny_config, train_and_record

VERBS = {
    "evaluate": ("evaluate", "run", "--device", "cpu"),
    "predict": ("predict", "run", "data/test_FD001.txt", "--device", "cpu", "-o", "out.csv"),
    "calibrate": ("calibrate", "run", "--device", "cpu", "--level", "0.5"),
    "export": ("export", "run", "--format", "torch-export"),
    "report": ("report", "run", "--device", "cpu"),
    "train": ("train", "--resume", "run", "--set", "train.epochs=3", "--device", "cpu"),
}


class Command:
    """Pickles as a call of the shell."""

    def __reduce__(self):
        return os.system, ("touch caught",)


def changed(**parts):
    """A checkpoint with some parts replaced and a valid digest."""
    return lambda path: seal({**checkpoint_file.read(path), **parts})


def changed_in(part, **keys):
    """A checkpoint with changed keys in one part and a valid digest."""
    return lambda path: changed(**{part: {**checkpoint_file.read(path)[part], **keys}})(path)


def with_weights(value):
    def make(path):
        content = checkpoint_file.read(path)
        for tensor in content["model"].values():
            tensor.fill_(value)
        return seal(content)

    return make


def flipped(path):
    content = bytearray(path.read_bytes())
    content[5000] ^= 1
    return bytes(content)


def huge(path):
    content = checkpoint_file.read(path)
    content["config"]["model"]["bilstm"]["hidden"] = 10**9
    return seal(content)


KINDS = {
    "empty": lambda _: b"",
    "cut": lambda path: path.read_bytes()[:-100],
    "half": lambda path: path.read_bytes()[: path.stat().st_size // 2],
    "flipped": flipped,
    "text": lambda _: b"not a checkpoint\n" * 100,
    "another program's": lambda path: saved({"state_dict": checkpoint_file.read(path)["model"]}),
    "a list": lambda _: seal([1, 2]),
    "older": changed(format_version=0),
    "newer": changed(format_version=99),
    "without weights": changed(model=None),
    "weights of another shape": changed(model={"weight": torch.ones(2)}),
    "fingerprints that are words": changed_in("data", fingerprints=["a row"]),
    "labels without names": changed_in("data", label_columns=[None]),
    "held cells below zero": changed_in("data", held_cells={"sensor_2": -1}),
    "censored engines that are words": changed_in("split", censored=["P1"]),
    "weights that are no numbers": with_weights(torch.nan),
    "infinite weights": with_weights(torch.inf),
    "a billion hidden units": huge,
    "a command": lambda _: sealed(saved(Command())),
    "a command among the parts": lambda path: sealed(
        saved({**checkpoint_file.read(path), "data": Command()})
    ),
    "a command of the old format": lambda _: sealed(
        saved(Command(), _use_new_zipfile_serialization=False)
    ),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with data, and a finished run of it."""
    workspace = tmp_path_factory.mktemp("strangers")
    simulate(workspace / "data", engines=8)
    train_and_record(tiny_config(workspace / "data"), workspace / "run")
    return workspace


@pytest.fixture
def workspace(trained, tmp_path, monkeypatch):
    """A copy of that folder as the working directory."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spoil(folder, make):
    """Replace every checkpoint of a run by a malicious one."""
    for path in folder.glob("*.pt"):
        path.write_bytes(make(path))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_refuses_it_in_one_line(rul, workspace, verb, kind):
    spoil(workspace / "run", KINDS[kind])
    before = file_bytes(workspace / "run")
    code, out, err = rul(*VERBS[verb])
    assert code == 1
    assert out == "" or verb == "train"  # it may have printed that it resumes
    assert err.startswith(f"rul: error: run/{'last' if verb == 'train' else 'best'}.pt: ")
    assert err.count("\n") == 1
    assert file_bytes(workspace / "run") == before
    assert sorted(path.name for path in workspace.iterdir()) == ["data", "run"]  # nothing ran


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_of_runs_reports_the_problem_and_continues(rul, workspace, kind):
    shutil.copytree(workspace / "run", workspace / "runs" / "good")
    shutil.copytree(workspace / "run", workspace / "runs" / "odd")
    spoil(workspace / "runs" / "odd", KINDS[kind])
    code, out, err = rul("runs", "--json")
    assert (code, err) == (0, "")
    assert '"name": "good",\n    "state": "finished"' in out
    assert not (workspace / "caught").exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_grid_repeats_such_a_run(rul, workspace, monkeypatch, kind):
    monkeypatch.setattr(compare_module, "draw", lambda *_: [])
    monkeypatch.setattr(executors, "run_jobs", run_in_process)
    config = write_config(workspace / "mine.yaml", workspace / "data", train={"epochs": 1})
    words = ("compare", "-c", config, "--seeds", "1", "--output", "grid", "--device", "cpu")
    assert rul(*words)[0] == 0
    (run,) = (workspace / "grid" / "runs").iterdir()
    before = checkpoint_file.read(run / "best.pt")["loop"]
    spoil(run, KINDS[kind])
    code, _, err = rul(*words)
    assert code == 0, err
    assert checkpoint_file.read(run / "best.pt")["loop"] == before
    assert not (workspace / "caught").exists()


def test_a_pipe_is_not_waited_for(rul, workspace):
    """Opening a pipe without a writer would block forever."""
    for path in (workspace / "run").glob("*.pt"):
        path.unlink()
        os.mkfifo(path)
    for words in VERBS.values():
        code, _, err = rul(*words)
        assert code == 1
        assert "found no regular file, expected a checkpoint" in err
