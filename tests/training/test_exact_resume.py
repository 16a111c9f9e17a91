"""A resumed run equals the uninterrupted one bit for bit."""

import signal

import pytest

from cmapss_rul.training import checkpoint_file
from cmapss_rul.training.train import train
from tests.balancers.variants import VARIANTS, title
from tests.training.inputs import (
    NOISY_MODEL,
    Recorder,
    Stopper,
    assert_same_run,
    differences,
    metric_rows,
    tiny_config,
    train_interrupted,
)


def stateful_config(folder, balancer=None, **train_keys):
    """All stateful options: dropout, noise, batch norm, weight average, plateau, patience."""
    keys = {"epochs": 3, "ema": 0.9, "patience": 9, "warmup": 0.5, **train_keys}
    return tiny_config(
        folder,
        model=NOISY_MODEL,
        data={"smoothing": 0.3},
        train={"schedule": {"name": "plateau", "patience": 0}, **keys},
        **({} if balancer is None else {"balancer": balancer.model_dump()}),
    )


@pytest.mark.parametrize("balancer", VARIANTS, ids=title)
def test_every_balancer_resumes_exactly(eight_engine_dir, tmp_path, balancer):
    """Stopped within an epoch and again between epochs: equal to the uninterrupted run."""
    config = stateful_config(eight_engine_dir, balancer)
    straight, parts = tmp_path / "straight", tmp_path / "parts"
    train(config, straight, device="cpu")
    train_interrupted(config, parts, step=2)
    train_interrupted(config, parts, resume=True, epoch=2)
    train(config, parts, device="cpu", resume=True)
    assert_same_run(straight, parts)


@pytest.mark.parametrize(
    "keys",
    [
        {"ema": None},
        {"ema": 0.5, "clip": None},
        {"schedule": {"name": "cosine", "final": 0.1}, "warmup": 2},
        {"schedule": {"name": "constant"}, "warmup": 0},
        {"window_share": 0.001, "batch_size": 10**9},
        {"optimiser": "muon"},
    ],
    ids=str,
)
@pytest.mark.parametrize("when", [{"step": 1}, {"epoch": 1}], ids=str)
def test_every_option_resumes_exactly(eight_engine_dir, tmp_path, keys, when):
    config = stateful_config(eight_engine_dir, **keys)
    straight, parts = tmp_path / "straight", tmp_path / "parts"
    train(config, straight, device="cpu")
    train_interrupted(config, parts, **when)
    train(config, parts, device="cpu", resume=True)
    assert_same_run(straight, parts)


def test_a_run_stopped_at_every_step_is_unchanged(eight_engine_dir, tmp_path):
    config = stateful_config(eight_engine_dir, epochs=2)
    straight, parts = tmp_path / "straight", tmp_path / "parts"
    recorder = Recorder()
    train(config, straight, device="cpu", reporters=[recorder])
    assert recorder.steps > 4
    for _ in range(recorder.steps - 1):  # at the very last step, the run finishes
        train_interrupted(config, parts, resume=True, step=1)
    train(config, parts, device="cpu", resume=True)
    assert_same_run(straight, parts)


def test_equal_seeds_give_equal_runs_and_others_differ(eight_engine_dir, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(
            stateful_config(eight_engine_dir).model_copy(update={"seed": seed}),
            tmp_path / name,
            device="cpu",
        )
    assert_same_run(tmp_path / "a", tmp_path / "b")
    first, third = (checkpoint_file.read(tmp_path / name / "best.pt")["model"] for name in "ac")
    assert set(differences(first, third)) >= {f"/{name}" for name in first if "weight" in name}


def test_equal_runs_differ_only_in_host_facts(eight_engine_dir, tmp_path, monkeypatch):
    """Other run folders, and the same data under another, relative path."""
    train(tiny_config(eight_engine_dir), tmp_path / "one", device="cpu")
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "train_FD001.txt"
    copy.write_bytes((eight_engine_dir / "train_FD001.txt").read_bytes())
    manifest = "manifest_FD001.json"
    copy.with_name(manifest).write_bytes((eight_engine_dir / manifest).read_bytes())
    monkeypatch.chdir(tmp_path)
    train(tiny_config("elsewhere"), "a folder/with two names", device="cpu")
    assert_same_run(tmp_path / "one", tmp_path / "a folder" / "with two names")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_the_run_and_has_its_own_exit_code(eight_engine_dir, tmp_path, number):
    folder = tmp_path / "my run"
    error = train_interrupted(tiny_config(eight_engine_dir), folder, step=1, number=number)
    assert error.exit_code == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert "\n" not in str(error)
    assert signal.Signals(number).name in str(error)
    assert f"rul train --resume '{folder}'" in str(error)
    loop = checkpoint_file.read(folder / "last.pt")["loop"]
    assert (loop["epoch"], loop["batch"], loop["step"]) == (0, 1, 1)
    assert not (folder / "best.pt").exists()


def test_a_signal_after_the_last_epoch_finds_a_finished_run(eight_engine_dir, tmp_path):
    train(
        tiny_config(eight_engine_dir), tmp_path / "run", device="cpu", reporters=[Stopper(epoch=2)]
    )
    assert [row["epoch"] for row in metric_rows(tmp_path / "run" / "metrics.csv")] == ["1", "2"]
