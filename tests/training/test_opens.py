"""Checkpoints are opened, and networks built, no more often than necessary."""

import os
from collections import Counter
from pathlib import Path

import pytest
import torch
import yaml

from cmapss_rul.data.simulate import simulate
from cmapss_rul.model.network import Network
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.calibrate import calibrate_run
from cmapss_rul.training.run_selection import select_run
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import restore
from tests.training.inputs import tiny_config, tiny_config_dict, train_interrupted


@pytest.fixture
def read_counts(monkeypatch):
    """Number of reads of each checkpoint, by file name."""
    counts = Counter()
    read_bytes = Path.read_bytes

    def counted(path):
        if path.suffix == ".pt":
            counts[path.name] += 1
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    return counts


def test_resume_auto_opens_each_checkpoint_once(
    eight_engine_dir, tmp_path, monkeypatch, read_counts
):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(yaml.safe_dump(tiny_config_dict(eight_engine_dir)))
    train_interrupted(tiny_config(eight_engine_dir), Path("runs/mine-s0"), epoch=1)
    read_counts.clear()
    selection = select_run("mine.yaml", resume="auto")
    train_interrupted(selection.config, selection.run, resume=True, step=1)
    assert read_counts == {"last.pt": 1, "best.pt": 1}  # best.pt may have to be repaired


def test_a_finished_run_is_opened_once(run_copy, eight_engine_dir, read_counts):
    train(tiny_config(eight_engine_dir), RunFolder(run_copy), device="cpu", resume=True)
    assert read_counts == {"last.pt": 1}


def test_calibrate_opens_the_checkpoint_once(tmp_path, read_counts):
    simulate(tmp_path, engines=16)
    train(tiny_config(tmp_path, split={"validation": 0.5}), tmp_path / "run", device="cpu")
    read_counts.clear()
    calibrate_run(tmp_path / "run")
    assert read_counts == {"best.pt": 1}


def test_restoring_builds_one_network_beside_the_meta_network(finished_run, monkeypatch):
    built = []
    build = Network.__init__

    def counted(self, *args, **options):
        built.append(torch.empty(0).device.type)
        build(self, *args, **options)

    monkeypatch.setattr(Network, "__init__", counted)
    model = restore(finished_run)
    assert built == [
        "meta",
        "meta",
    ]  # one on the meta device to check the size, and the network itself
    assert {weight.device.type for weight in model.network.parameters()} == {"cpu"}
    assert all(weight.requires_grad for weight in model.network.parameters())


# ---- caching in RunFolder ---------------------------------------------------------------------


def test_a_changed_checkpoint_is_read_again(run_copy, read_counts):
    run = RunFolder(run_copy)
    assert run.newest()[0].loop.epoch == run.newest()[0].loop.epoch == 2
    assert read_counts == {"last.pt": 1}
    content = checkpoint_file.read(run.previous)
    before = run.last.stat()
    checkpoint_file.write(run.last, content)
    os.utime(run.last, ns=(before.st_atime_ns, before.st_mtime_ns))  # with an equal time stamp
    read_counts.clear()
    assert run.newest()[0].loop.epoch == 1
    assert read_counts == {"last.pt": 1}
    run.release()
    run.newest()
    assert read_counts == {"last.pt": 2}


def test_content_read_before_is_not_changed_by_training(run_copy, eight_engine_dir):
    run = RunFolder(run_copy)
    first = run.newest()[0]
    train(tiny_config(eight_engine_dir, train={"epochs": 3}), run, device="cpu", resume=True)
    assert (first.content["loop"]["epoch"], len(first.content["loop"]["history"])) == (2, 2)
    assert run.newest()[0].loop.epoch == 3
