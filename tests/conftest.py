"""Fixtures of all tests: the official files, small simulated fleets, no network."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from cmapss_rul.data import download as downloads
from cmapss_rul.data import sources
from cmapss_rul.data.columns import SUBSETS, file_names
from cmapss_rul.data.simulate import simulate

if TYPE_CHECKING:
    from cmapss_rul.experiments.grid import Grid

_SOURCE = os.environ.get(sources.VARIABLE)

TERMINAL = {
    "COLUMNS": "80", "TERM": "xterm", "LANG": "C.UTF-8", "LC_ALL": "C.UTF-8", "TZ": "UTC",
}  # fmt: skip
"""Environment of every test and of the processes that it starts."""

UNSET = (
    "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "PY_COLORS", "TTY_COMPATIBLE",
    "TTY_INTERACTIVE", "TERMINAL_WIDTH", "LANGUAGE",
)  # fmt: skip
"""Variables that would change widths, colours or languages."""

settings.register_profile("untimed", deadline=None)  # a busy machine must not fail a test
settings.load_profile("untimed")


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    """Fix width, colours, locale and time zone, before modules and session fixtures read them.

    Last of all, so that pytest's own output follows the caller's environment.
    """
    os.environ.update(TERMINAL)
    for name in UNSET:
        os.environ.pop(name, None)
    time.tzset()


@pytest.fixture
def rul(capsys):
    """Run a `rul` command in this process; returns exit code, stdout and stderr."""
    from cmapss_rul.cli import main  # after `pytest_configure`

    def run(*words):
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return left.value.code, out, err

    return run


@pytest.fixture(scope="session")
def official(tmp_path_factory) -> Path:
    """Folder with the twelve official files; skips if RUL_DATA_SOURCE is not set."""
    if not _SOURCE:
        pytest.skip(f"needs the official C-MAPSS files: {sources.VARIABLE} is not set")
    folder = tmp_path_factory.mktemp("official")
    names = file_names(SUBSETS)
    fetched = sources.fetch(names, folder, _SOURCE, progress=False)
    if not all(origin.official for origin in fetched.written):
        pytest.skip(f"needs the official C-MAPSS files: {sources.VARIABLE} has others")
    return folder


@pytest.fixture(scope="session")
def fleet_dir(tmp_path_factory) -> Path:
    """Folder with a small simulated FD001: 20 training and 20 test engines."""
    folder = tmp_path_factory.mktemp("fleet")
    simulate(folder, engines=20)
    return folder


@pytest.fixture(scope="session")
def eight_engine_dir(tmp_path_factory) -> Path:
    """Folder with a simulated FD001 of eight engines; read only."""
    folder = tmp_path_factory.mktemp("eight")
    simulate(folder, engines=8)
    return folder


@pytest.fixture(scope="session")
def ensemble_run(eight_engine_dir, tmp_path_factory) -> Path:
    """Folder of an ensemble of tiny networks over four folds of eight engines; read only."""
    from cmapss_rul.training.train import train
    from tests.training.inputs import tiny_config

    folder = tmp_path_factory.mktemp("ensemble") / "tiny-4folds-s0"
    train(tiny_config(eight_engine_dir, split={"folds": 4}), folder, device="cpu")
    return folder


@pytest.fixture(scope="session")
def finished_grid(tmp_path_factory, fleet_dir) -> "tuple[Grid, Path]":
    """A finished grid of two balancers and two seeds, and its folder.

    It is run in this process; tests/experiments/test_compare.py runs the same in others.
    `tiny.yaml`, the configuration, and `ledger.json` are in the parent folder.
    """
    from cmapss_rul.experiments import executors
    from cmapss_rul.experiments.compare import compare
    from cmapss_rul.experiments.executors import Options
    from cmapss_rul.experiments.grid import make_grid
    from tests.experiments.inputs import run_in_process, write_config

    root = tmp_path_factory.mktemp("made")
    path = write_config(root / "tiny.yaml", fleet_dir)
    grid = make_grid([str(path)], balancers=["fixed", "amnl"], seeds=[0, 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executors, "run_jobs", run_in_process)
        compare(grid, root / "grid", Options(ledger=root / "ledger.json"))
    return grid, root / "grid"


@pytest.fixture(scope="module")
def unrendered() -> Iterator[None]:
    """Draw plots without layout and rendering.

    For tests of a report's text; tests/reports tests the rendered plots.
    """
    from matplotlib.figure import Figure

    from tests.reports.inputs import save_placeholder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", save_placeholder)
        yield


@pytest.fixture(autouse=True)
def _isolate_from_environment(request, monkeypatch) -> None:
    """Keep tests independent of the environment's data source and of the network."""
    if "official" not in request.fixturenames:
        monkeypatch.delenv(sources.VARIABLE, raising=False)
    # nothing listens on port 9 (discard)
    monkeypatch.setattr(sources, "PUBLIC_SOURCES", ("http://127.0.0.1:9/CMAPSSData.zip",))
    monkeypatch.setattr(downloads, "FIRST_PAUSE", 0.0)
