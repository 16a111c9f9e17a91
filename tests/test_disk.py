"""Full, read-only and vanished disks: one-line errors, intact files, resumable runs."""

import shutil
import subprocess

import pytest
import yaml

from cmapss_rul.data.simulate import simulate
from cmapss_rul.training.loop import Loop
from cmapss_rul.training.train import train
from tests.processes import run_rul
from tests.torture.runs import broken
from tests.training.inputs import NOISY_MODEL, assert_same_run, tiny_config, tiny_config_dict


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """A folder with data, `mine.yaml` and an uninterrupted run of it."""
    folder = tmp_path_factory.mktemp("desk")
    simulate(folder / "data", engines=8)
    keys = tiny_config_dict(
        folder / "data", train={"epochs": 3, "window_share": 0.02}, model=NOISY_MODEL
    )
    (folder / "mine.yaml").write_text(yaml.safe_dump(keys))
    train(tiny_config(folder / "data", train=keys["train"], model=NOISY_MODEL), folder / "straight")
    return folder


def assert_failed(completed, *messages):
    assert completed.returncode == 1, completed
    assert completed.stderr.startswith("rul: error: ")
    assert completed.stderr.count("\n") == 1
    for text in messages:
        assert text in completed.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A function that mounts a file system of some kilobytes; skips if not permitted."""
    mounted = []

    def mount(kilobytes, options=""):
        folder = tmp_path / "disk"
        folder.mkdir()
        args = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k{options}", "tmpfs", str(folder)]
        if not shutil.which("mount") or subprocess.run(args, capture_output=True).returncode:
            pytest.skip("needs the right to mount a small disk")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("kilobytes", [8, 130])
def test_a_full_disk_then_free_space(workspace, small_disk, kilobytes):
    """From no space for config.yaml to no space for the third checkpoint."""
    disk = small_disk(kilobytes)
    args = ("train", "-c", workspace / "mine.yaml", "--output", disk / "run", "--resume", "auto")
    assert_failed(run_rul(*args), "No space left on device", str(disk / "run"))
    assert broken(disk / "run") == []
    assert not list((disk / "run").glob(".*.part"))
    subprocess.run(["mount", "-o", "remount,size=2000k", str(disk)], check=True)
    completed = run_rul(*args)
    assert completed.returncode == 0, completed.stderr
    assert_same_run(workspace / "straight", disk / "run")


@pytest.mark.parametrize("limit", [20_000])
def test_a_limit_on_the_size_of_files(workspace, tmp_path, limit):
    args = (
        "train",
        "-c",
        workspace / "mine.yaml",
        "--output",
        tmp_path / "run",
        "--resume",
        "auto",
    )
    assert_failed(run_rul(*args, limit=limit), "File too large", str(tmp_path / "run"))
    if (tmp_path / "run").exists():
        assert broken(tmp_path / "run") == []
    assert run_rul(*args).returncode == 0
    assert_same_run(workspace / "straight", tmp_path / "run")


def test_simulation_on_a_full_disk_then_with_free_space(tmp_path):
    args = ("simulate", "--output", tmp_path / "data", "--engines", "8")
    assert_failed(run_rul(*args, limit=1000), "cannot be written: File too large")
    assert not (tmp_path / "data").exists()
    assert run_rul(*args).returncode == 0


def test_a_read_only_disk(workspace, small_disk, tmp_path):
    disk = small_disk(2000)
    shutil.copytree(workspace / "straight", disk / "run")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    reason = "Read-only file system"
    config = workspace / "mine.yaml"
    assert_failed(
        run_rul("train", "-c", config, "--output", disk / "new"), str(disk / "new"), reason
    )
    more = ("--set", "train.epochs=4")
    assert_failed(run_rul("train", "--resume", disk / "run", *more), str(disk / "run"), reason)
    assert_failed(
        run_rul("simulate", "--output", disk / "data", "--engines", "3"), str(disk / "data"), reason
    )
    assert_failed(run_rul("evaluate", disk / "run"), str(disk / "run"), reason)
    completed = run_rul("evaluate", disk / "run", "--output", tmp_path / "figures")
    assert completed.returncode == 0, completed.stderr


def test_data_are_read_from_a_read_only_disk(workspace, small_disk, tmp_path):
    """Reading needs no lock."""
    disk = small_disk(2000)
    shutil.copytree(workspace / "data", disk / "data")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    args = ("train", "-c", workspace / "mine.yaml", "--data", disk / "data", "--output")
    completed = run_rul(*args, tmp_path / "run")
    assert completed.returncode == 0, completed.stderr
    completed = run_rul("simulate", "--output", disk / "data", "--engines", "8")
    assert completed.returncode == 0, completed.stderr


def test_a_vanished_folder_is_not_created_again(workspace, tmp_path):
    def vanish_after_an_epoch():
        evaluate = Loop.evaluate_epoch

        def vanish(loop):
            if loop.state.epoch == 1:
                shutil.rmtree(loop.run.path)
            return evaluate(loop)

        Loop.evaluate_epoch = vanish

    args = ("train", "-c", workspace / "mine.yaml", "--output", tmp_path / "run")
    completed = run_rul(*args, prepare=vanish_after_an_epoch)
    assert_failed(completed, f"{tmp_path / 'run'}", "No such file or directory")
    assert ".part" not in completed.stderr
    assert not (tmp_path / "run").exists()
    assert run_rul(*args).returncode == 0
    assert_same_run(workspace / "straight", tmp_path / "run")
