"""`rul train`, from the command line to its output and files."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.step import TrainingStep
from tests.training.inputs import assert_same_run, tiny_config_dict

ROOT = Path(__file__).parents[2]
RUL = [sys.executable, "-c", "from cmapss_rul.cli import main; main()"]


@pytest.fixture(autouse=True)
def workspace(tmp_path, monkeypatch, eight_engine_dir):
    """A working directory with `mine.yaml`, the configuration of a tiny run."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(yaml.safe_dump(tiny_config_dict(eight_engine_dir)))
    return tmp_path


def assert_failed(found, code, *parts):
    """Assert one line on stderr with these parts, and nothing on stdout."""
    assert found[0] == code, found
    assert found[1] == ""
    assert found[2].startswith("rul: error: ")
    assert found[2].count("\n") == 1
    for part in parts:
        assert part in found[2]


def test_a_run_prints_a_line_per_epoch_and_the_next_command(rul):
    code, out, err = rul("train", "--config", "mine.yaml")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("the data are simulated")
    assert re.match(r"epoch 1/2  losses .*  best$", lines[1])
    assert lines[2].startswith("epoch 2/2")
    assert lines[3].startswith("best epoch ")
    assert lines[4:] == ["saved in runs/mine-s0", "next:", "rul evaluate runs/mine-s0/best.pt"]
    assert sorted(path.name for path in Path("runs/mine-s0").iterdir()) == [
        "best.pt", "config.yaml", "last.pt", "metrics.csv", "previous.pt", "train.log",
    ]  # fmt: skip


@pytest.mark.parametrize("folder", ["a folder", "it's", "$HOME", "a;b"])
def test_the_next_command_is_quoted_for_the_shell(rul, folder):
    _, out, _ = rul("train", "--config", "mine.yaml", "--output", folder, "--set", "train.epochs=1")
    assert shlex.split(out.splitlines()[-1]) == ["rul", "evaluate", f"{folder}/best.pt"]


def test_the_next_command_works(rul):
    _, out, _ = rul("train", "-c", "mine.yaml", "--output", "a folder", "--set", "train.epochs=1")
    code, table, err = rul(*shlex.split(out.splitlines()[-1])[1:])
    assert (code, err) == (0, "")
    assert "simulated" in table
    assert Path("a folder/evaluation.json").exists()


def test_runs_are_numbered_and_named_by_the_seed(rul):
    quick = ("train", "--config", "mine.yaml", "--set", "train.epochs=1")
    ends = [rul(*quick)[1], rul(*quick)[1], rul(*quick, "--seed", 3)[1]]
    assert [end.splitlines()[-1] for end in ends] == [
        f"rul evaluate runs/{name}/best.pt" for name in ("mine-s0", "mine-s0-2", "mine-s3")
    ]


def test_the_saved_configuration_can_be_trained(rul):
    rul("train", "--config", "mine.yaml", "--set", "train.epochs=1", "--seed", 2)
    code, _, _ = rul("train", "--config", "runs/mine-s2/config.yaml", "--output", "again")
    assert code == 0
    assert_same_run(Path("runs/mine-s2"), Path("again"))


def test_an_existing_output_is_refused_and_left_alone(rul):
    Path("taken").mkdir()
    Path("taken/mine.txt").write_text("mine")
    found = rul("train", "--config", "mine.yaml", "--output", "taken")
    assert_failed(found, 2, "taken exists already", "--resume taken,", "--output")
    assert [path.name for path in Path("taken").iterdir()] == ["mine.txt"]


def test_resume_auto_starts_resumes_and_ends(rul):
    auto = ("train", "--config", "mine.yaml", "--resume", "auto")
    out = rul(*auto)[1]
    assert out.startswith(
        "there is no run of this configuration with seed 0 under runs: starting runs/mine-s0; "
        "--resume PATH resumes one elsewhere\n"
    )
    code, out, err = rul(*auto)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "there is no unfinished run of this configuration with seed 0 under runs",
        "runs/mine-s0 is finished after 2 epochs: nothing to do",
        "saved in runs/mine-s0",
        "next:",
        "rul evaluate runs/mine-s0/best.pt",
    ]
    code, out, _ = rul(*auto, "--set", "train.epochs=3")
    assert code == 0
    assert "the result is not that of a longer run from the start" in out
    assert "\nepoch 3/3 " in out
    assert [path.name for path in Path("runs").iterdir()] == ["mine-s0"]


def test_resume_by_path_needs_no_configuration(rul):
    rul("train", "--config", "mine.yaml", "--set", "train.epochs=1")
    for path in ("runs/mine-s0", "runs/mine-s0/last.pt"):
        code, out, _ = rul("train", "--resume", path)
        assert code == 0
        assert "is finished after 1 epochs" in out
    code, out, _ = rul("train", "--resume", "runs/mine-s0", "--set", "train.epochs=2")
    assert code == 0
    assert "\nepoch 2/2 " in out


def test_a_changed_key_is_refused_by_key(rul):
    rul("train", "--config", "mine.yaml")
    resume = ("train", "--config", "mine.yaml", "--resume", "auto")
    assert_failed(
        rul(*resume, "--set", "train.batch_size=9"), 2, "train.batch_size was 20 and is 9"
    )
    assert_failed(
        rul(*resume, "--set", "balancer.name=amnl"), 2, "balancer.name was fixed and is amnl"
    )


def test_moved_data_are_accepted_and_others_refused(rul, eight_engine_dir):
    rul("train", "--config", "mine.yaml", "--set", "train.epochs=1")
    shutil.copytree(eight_engine_dir, "moved")
    more = ("train", "--resume", "runs/mine-s0", "--set", "train.epochs=2", "--data", "moved")
    assert rul(*more)[0] == 0
    file = Path("moved/train_FD001.txt")
    file.write_text(file.read_text().replace(" 100.0 ", " 100.5 ", 1))
    last = (*more[:3], "--set", "train.epochs=3", "--data", "moved")
    code, out, err = rul(*last)
    assert code == 2
    assert "data: train_FD001.txt had SHA-256" in err
    assert "Traceback" not in out + err


def test_a_non_finite_loss_is_one_line_and_exit_1(rul, monkeypatch):
    step = TrainingStep.take

    def bad(self, batch, number, plan):
        if number == 3:
            batch = batch._replace(windows=batch.windows * float("nan"))
        return step(self, batch, number, plan)

    monkeypatch.setattr(TrainingStep, "take", bad)
    code, _, err = rul("train", "--config", "mine.yaml")
    assert code == 1
    assert err.count("\n") == 1
    assert "not finite at step 4" in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "--config is missing"),
        (("--config", "fd01"), 2, "shipped: fd001"),
        (("--config", "mine.yaml", "--device", "tpu"), 2, "expected one of auto, cpu, cuda"),
        (("--config", "mine.yaml", "--seed", "-1"), 2, "seed"),
        (("--config", "mine.yaml", "--seed", str(2**63)), 2, "seed"),
        (("--config", "mine.yaml", "--seed", "one"), 2, "seed"),
        (("--config", "mine.yaml", "--set", "train.epochs"), 2, "train.epochs"),
        (("--config", "mine.yaml", "--set", "train.epoch=3"), 2, "epochs"),
        (("--config", "mine.yaml", "--set", "train.epochs=many"), 2, "train.epochs"),
        (("--config", "mine.yaml", "--set", "train.batch_size=0"), 2, "train.batch_size"),
        (("--config", "mine.yaml", "--set", "train.batch_size=-4"), 2, "train.batch_size"),
        (("--config", "mine.yaml", "--set", "train.batch_size=1000000001"), 2, "batch_size"),
        (("--config", "mine.yaml", "--set", "balancer.name=gradnrom"), 2, "gradnorm"),
        (("--config", "mine.yaml", "--resume", "nowhere"), 2, "--resume nowhere"),
        (("--config", "mine.yaml", "--output", "mine.yaml/run"), 1, "mine.yaml/run"),
        (("--config", "mine.yaml", "--data", "nowhere"), 1, "train_FD001.txt"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(rul, workspace, words, code, message):
    assert_failed(rul("train", *words), code, message)
    assert not (workspace / "runs").exists()


def test_a_text_file_as_last_checkpoint_is_one_line(rul):
    Path("run").mkdir()
    Path("run/last.pt").write_text("not a checkpoint\n" * 20)
    assert_failed(
        rul("train", "--resume", "run"), 1, "run/last.pt", "not a checkpoint of cmapss_rul"
    )
    assert len(list(Path("run").iterdir())) == 1


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_the_run_and_names_the_command_to_resume(tmp_path, number, code):
    """In a new process, as a user or a cluster stops it."""
    # a shell's background processes ignore SIGINT
    process = subprocess.Popen(
        [*RUL, "train", "--config", "mine.yaml", "--set", "train.epochs=100000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        for line in process.stdout:
            if line.startswith("epoch "):
                break
        process.send_signal(number)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == code
    assert err.count("\n") == 1
    assert signal.Signals(number).name in err
    assert "rul evaluate" not in out
    command = re.search(r"resume with: (rul train --resume \S+)", err)[1]
    assert shlex.split(command) == ["rul", "train", "--resume", "runs/mine-s0"]
    stopped = checkpoint_file.read(tmp_path / "runs/mine-s0/last.pt")
    assert stopped["loop"]["step"] >= 1
    assert list(Path("runs/mine-s0").glob(".*")) == []


def test_the_command_restores_the_callers_threads(rul):
    before = torch.get_num_threads()
    rul("train", "--config", "mine.yaml", "--set", "train.epochs=1")
    assert torch.get_num_threads() == before
