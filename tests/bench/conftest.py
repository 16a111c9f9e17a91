"""Measurements small enough for tests, in this process unless a test is about processes."""

import pytest
import torch

from cmapss_rul.bench import accuracy, data, inference, startup, steps
from cmapss_rul.bench.options import Setting, Sizes
from tests.training.inputs import tiny

FEW = Sizes(
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
def _as_before():
    """Put threads and generator back, which a side sets for its process."""
    threads = torch.get_num_threads()
    with torch.random.fork_rng([]):
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def setting(eight, tmp_path):
    """Tiny configurations, measured few times."""
    config = tiny(eight, split={"seed": 0})
    return Setting(config, config, config, "cpu", FEW, tmp_path)


class Here:
    """Stands in for `Side`: does the same work in this process."""

    def __init__(self, make, *arguments, **named):
        self.work = make(*arguments, **named)

    def __call__(self):
        return self.work()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        pass


@pytest.fixture
def here(monkeypatch):
    """Let no measurement start a process: what is tested is what it measures."""
    for module in (accuracy, data, inference, startup, steps):
        monkeypatch.setattr(
            module, "once", lambda make, *words, **named: make(*words, **named)(), raising=False
        )
        monkeypatch.setattr(module, "Side", Here, raising=False)
        monkeypatch.setattr(module, "peer_version", lambda: None, raising=False)
