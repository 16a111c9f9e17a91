"""Run doctests that use `runs/demo-s0` or `comparisons/` in a folder with a trained `demo`."""

import contextlib
from pathlib import Path

import pytest

SHORT = ("train.epochs=1", "train.window_share=0.02", "model.bilstm.hidden=4", "train.threads=1")


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder after a short `rul train --config demo`, with the test files."""
    from cmapss_rul.data.sources import ensure_files
    from cmapss_rul.training.config import load_config
    from cmapss_rul.training.train import train

    folder = tmp_path_factory.mktemp("demo")
    with contextlib.chdir(folder):
        config = load_config("demo", SHORT)
        train(config, "runs/demo-s0", device="cpu")
        ensure_files(config.data, ["test", "RUL"])
    return folder


@pytest.fixture(autouse=True)
def _doctest_folder(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    test = getattr(request.node, "dtest", None)  # only doctests have it
    sources = "" if test is None else "".join(example.source for example in test.examples)
    if "runs/demo-s0" in sources or "comparisons/" in sources:
        monkeypatch.chdir(request.getfixturevalue("demo_folder"))
    if "comparisons/" in sources:  # in this process: the networks are tiny
        from cmapss_rul.experiments import executors
        from tests.experiments.inputs import run_in_process

        monkeypatch.setattr(executors, "run_jobs", run_in_process)
