"""Small measurements, in this process unless a test is about worker processes."""

import pytest
import torch

from cmapss_rul.bench import accuracy, data, inference, startup, steps
from cmapss_rul.bench.options import BenchOptions, Repetitions
from tests.training.inputs import tiny_config

FEW = Repetitions(
    seeds=(0, 1),
    repeats=1,
    usual_epochs=2,
    turns=2,
    pairs=1,
    steps=2,
    published_turns=1,
    starts=1,
    passes=2,
    single=3,
)


@pytest.fixture(autouse=True)
def _restore_threads_and_generator():
    """Restore threads and random generator, which contenders change."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng([]):
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def options(eight_engine_dir, tmp_path):
    """Options for tiny configurations with few repetitions."""
    config = tiny_config(eight_engine_dir, split={"seed": 0})
    return BenchOptions(config, config, config, "cpu", FEW, tmp_path)


class InProcessContender:
    """Replacement of `Contender` that works in this process."""

    def __init__(self, prepare, *arguments, **named):
        self.turn = prepare(*arguments, **named)

    def __call__(self):
        return self.turn()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        pass


@pytest.fixture
def in_process(monkeypatch):
    """Measure in this process; test_workers.py has the processes themselves."""
    for module in (accuracy, data, inference, startup, steps):
        monkeypatch.setattr(
            module,
            "measure_once",
            lambda prepare, *arguments, **named: prepare(*arguments, **named)(),
            raising=False,
        )
        monkeypatch.setattr(module, "Contender", InProcessContender, raising=False)
        monkeypatch.setattr(module, "peer_version", lambda: None, raising=False)
