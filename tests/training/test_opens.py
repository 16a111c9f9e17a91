"""How often the checkpoints of a run are opened, and how often its network is built."""

import os
from collections import Counter
from pathlib import Path

import pytest
import torch
import yaml

from cmapss_rul.data.simulate import simulate
from cmapss_rul.model.network import Network
from cmapss_rul.system.signals import Interrupted
from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.calibrate import calibrate_run
from cmapss_rul.training.run_selection import select_run
from cmapss_rul.training.runs import RunFolder
from cmapss_rul.training.train import train
from cmapss_rul.training.trained_model import restore
from tests.training.inputs import Stopper, tiny_config, tiny_config_dict


@pytest.fixture
def opens(monkeypatch):
    """Counts by name how often a checkpoint is read."""
    counts = Counter()
    read_bytes = Path.read_bytes

    def counted(path):
        if path.suffix == ".pt":
            counts[path.name] += 1
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", counted)
    return counts


def test_resume_auto_opens_each_checkpoint_once(eight_engine_dir, tmp_path, monkeypatch, opens):
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text(yaml.safe_dump(tiny_config_dict(eight_engine_dir)))
    with pytest.raises(Interrupted):
        train(
            tiny_config(eight_engine_dir),
            Path("runs/mine-s0"),
            device="cpu",
            reporters=[Stopper(epoch=1)],
        )
    opens.clear()
    selection = select_run("mine.yaml", resume="auto")
    with pytest.raises(Interrupted):
        train(
            selection.config,
            selection.run,
            device="cpu",
            resume=True,
            reporters=[Stopper(step=1)],
        )
    assert opens == {"last.pt": 1, "best.pt": 1}  # the latter may have to be repaired


def test_a_finished_run_is_opened_once(run_copy, eight_engine_dir, opens):
    train(tiny_config(eight_engine_dir), RunFolder(run_copy), device="cpu", resume=True)
    assert opens == {"last.pt": 1}


def test_calibrate_opens_the_checkpoint_once(tmp_path, opens):
    simulate(tmp_path, engines=16)
    train(tiny_config(tmp_path, split={"validation": 0.5}), tmp_path / "run", device="cpu")
    opens.clear()
    calibrate_run(tmp_path / "run")
    assert opens == {"best.pt": 1}


def test_restoring_builds_one_network_beside_the_outline_that_is_checked(finished_run, monkeypatch):
    built = []
    build = Network.__init__

    def counted(self, *args, **options):
        built.append(torch.empty(0).device.type)
        build(self, *args, **options)

    monkeypatch.setattr(Network, "__init__", counted)
    model = restore(finished_run)
    assert built == ["meta", "meta"]  # for the limit on parameters, and the network itself
    assert {weight.device.type for weight in model.network.parameters()} == {"cpu"}
    assert all(weight.requires_grad for weight in model.network.parameters())


# ---- what a folder remembers ------------------------------------------------------------------


def test_a_folder_reads_again_what_has_changed(run_copy, opens):
    run = RunFolder(run_copy)
    assert run.newest()[0].loop.epoch == run.newest()[0].loop.epoch == 2
    assert opens == {"last.pt": 1}
    content = checkpoint_file.read(run.previous)
    before = run.last.stat()
    checkpoint_file.write(run.last, content)
    os.utime(run.last, ns=(before.st_atime_ns, before.st_mtime_ns))  # of one moment, say
    opens.clear()
    assert run.newest()[0].loop.epoch == 1
    assert opens == {"last.pt": 1}
    run.release()
    run.newest()
    assert opens == {"last.pt": 2}


def test_what_was_read_is_not_changed_by_training_on(run_copy, eight_engine_dir):
    run = RunFolder(run_copy)
    first = run.newest()[0]
    train(tiny_config(eight_engine_dir, train={"epochs": 3}), run, device="cpu", resume=True)
    assert (first.content["loop"]["epoch"], len(first.content["loop"]["history"])) == (2, 2)
    assert run.newest()[0].loop.epoch == 3
