"""Disks that are full, read-only or gone: one line, exit 1, whole files, and on it goes."""

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
    """A folder with data, `mine.yaml`, and an undisturbed run of it."""
    place = tmp_path_factory.mktemp("desk")
    simulate(place / "data", engines=8)
    keys = tiny_config_dict(
        place / "data", train={"epochs": 3, "window_share": 0.02}, model=NOISY_MODEL
    )
    (place / "mine.yaml").write_text(yaml.safe_dump(keys))
    train(tiny_config(place / "data", train=keys["train"], model=NOISY_MODEL), place / "straight")
    return place


def failed(done, *said):
    assert done.returncode == 1, done
    assert done.stderr.startswith("rul: error: ")
    assert done.stderr.count("\n") == 1
    for text in said:
        assert text in done.stderr


@pytest.fixture
def small_disk(tmp_path):
    """Mounts a disk of so many kilobytes, where the system lets us."""
    mounted = []

    def mount(kilobytes, options=""):
        place = tmp_path / "disk"
        place.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k{options}", "tmpfs", str(place)]
        if not shutil.which("mount") or subprocess.run(words, capture_output=True).returncode:
            pytest.skip("needs the right to mount a small disk")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("kilobytes", [8, 130])
def test_a_full_disk_then_room(workspace, small_disk, kilobytes):
    """From no room for config.yaml to none for the third checkpoint."""
    disk = small_disk(kilobytes)
    words = ("train", "-c", workspace / "mine.yaml", "--output", disk / "run", "--resume", "auto")
    failed(run_rul(*words), "No space left on device", str(disk / "run"))
    assert broken(disk / "run") == []
    assert not list((disk / "run").glob(".*.part"))
    subprocess.run(["mount", "-o", "remount,size=2000k", str(disk)], check=True)
    done = run_rul(*words)
    assert done.returncode == 0, done.stderr
    assert_same_run(workspace / "straight", disk / "run")


@pytest.mark.parametrize("limit", [20_000])
def test_a_limit_on_the_size_of_files(workspace, tmp_path, limit):
    words = (
        "train",
        "-c",
        workspace / "mine.yaml",
        "--output",
        tmp_path / "run",
        "--resume",
        "auto",
    )
    failed(run_rul(*words, limit=limit), "File too large", str(tmp_path / "run"))
    if (tmp_path / "run").exists():
        assert broken(tmp_path / "run") == []
    assert run_rul(*words).returncode == 0
    assert_same_run(workspace / "straight", tmp_path / "run")


def test_simulation_on_a_full_disk_then_with_room(tmp_path):
    words = ("simulate", "--output", tmp_path / "data", "--engines", "8")
    failed(run_rul(*words, limit=1000), "cannot be written: File too large")
    assert not (tmp_path / "data").exists()
    assert run_rul(*words).returncode == 0


def test_a_read_only_disk(workspace, small_disk, tmp_path):
    disk = small_disk(2000)
    shutil.copytree(workspace / "straight", disk / "run")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    reason = "Read-only file system"
    config = workspace / "mine.yaml"
    failed(run_rul("train", "-c", config, "--output", disk / "new"), str(disk / "new"), reason)
    more = ("--set", "train.epochs=4")
    failed(run_rul("train", "--resume", disk / "run", *more), str(disk / "run"), reason)
    failed(
        run_rul("simulate", "--output", disk / "data", "--engines", "3"), str(disk / "data"), reason
    )
    failed(run_rul("evaluate", disk / "run"), str(disk / "run"), reason)
    done = run_rul("evaluate", disk / "run", "--output", tmp_path / "figures")
    assert done.returncode == 0, done.stderr


def test_data_are_read_from_a_read_only_disk(workspace, small_disk, tmp_path):
    """Readers never lock."""
    disk = small_disk(2000)
    shutil.copytree(workspace / "data", disk / "data")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    words = ("train", "-c", workspace / "mine.yaml", "--data", disk / "data", "--output")
    done = run_rul(*words, tmp_path / "run")
    assert done.returncode == 0, done.stderr
    done = run_rul("simulate", "--output", disk / "data", "--engines", "8")
    assert done.returncode == 0, done.stderr


def test_a_folder_that_vanishes_is_not_made_anew(workspace, tmp_path):
    def vanish_after_an_epoch():
        evaluate = Loop.evaluate_epoch

        def vanish(loop):
            if loop.state.epoch == 1:
                shutil.rmtree(loop.run.path)
            return evaluate(loop)

        Loop.evaluate_epoch = vanish

    words = ("train", "-c", workspace / "mine.yaml", "--output", tmp_path / "run")
    done = run_rul(*words, prepare=vanish_after_an_epoch)
    failed(done, f"{tmp_path / 'run'}", "No such file or directory")
    assert ".part" not in done.stderr
    assert not (tmp_path / "run").exists()
    assert run_rul(*words).returncode == 0
    assert_same_run(workspace / "straight", tmp_path / "run")
