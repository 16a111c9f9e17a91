"""What every test may use: the official files, a small simulated fleet, and no network."""

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

settings.register_profile("untimed", deadline=None)  # a busy machine is no failure
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
    """Run a command in this process; returns exit code, stdout and stderr."""
    from cmapss_rul.cli import main  # after `pytest_configure`

    def run(*words):
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        return left.value.code, out, err

    return run


@pytest.fixture(scope="session")
def official(tmp_path_factory) -> Path:
    """Folder with the twelve official files; skips where RUL_DATA_SOURCE names none."""
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
    """Folder with a small simulated FD001: 20 engines to train on, 20 to test."""
    folder = tmp_path_factory.mktemp("fleet")
    simulate(folder, engines=20)
    return folder


@pytest.fixture(scope="session")
def eight(tmp_path_factory) -> Path:
    """Folder with a simulated FD001 of eight engines; tests read it only."""
    folder = tmp_path_factory.mktemp("eight")
    simulate(folder, engines=8)
    return folder


@pytest.fixture(scope="session")
def ensemble_run(eight, tmp_path_factory) -> Path:
    """The folder of an ensemble of tiny networks over four folds of eight engines; read only."""
    from cmapss_rul.training.train import train
    from tests.training.inputs import tiny

    folder = tmp_path_factory.mktemp("ensemble") / "tiny-4folds-s0"
    train(tiny(eight, split={"folds": 4}), folder, device="cpu")
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory, fleet_dir) -> "tuple[Grid, Path]":
    """A finished grid of two balancers and two seeds, and the folder where it was made.

    It is made in this process; tests/experiments/test_compare.py makes the same by others.
    Beside the folder stand the configuration, `tiny.yaml`, and a ledger, `ledger.json`.
    """
    from cmapss_rul.experiments import executors
    from cmapss_rul.experiments.compare import compare
    from cmapss_rul.experiments.executors import Options
    from cmapss_rul.experiments.grid import make_grid
    from tests.experiments.inputs import run_here, write_config

    place = tmp_path_factory.mktemp("made")
    path = write_config(place / "tiny.yaml", fleet_dir)
    grid = make_grid([str(path)], balancers=["fixed", "amnl"], seeds=[0, 1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(executors, "run_jobs", run_here)
        compare(grid, place / "grid", Options(ledger=place / "ledger.json"))
    return grid, place / "grid"


@pytest.fixture(scope="module")
def unrendered() -> Iterator[None]:
    """Plots are laid out and saved, but not rendered, which takes seconds a report.

    For tests of a report's text; tests/reports has the rendered plots.
    """
    from matplotlib.figure import Figure

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda _, stream, **__: stream.write(b"a plot"))
        yield


@pytest.fixture(autouse=True)
def _nothing_from_outside(request, monkeypatch) -> None:
    """Let no test depend on the environment's data source or on the network."""
    if "official" not in request.fixturenames:
        monkeypatch.delenv(sources.VARIABLE, raising=False)
    # port 9 of this machine discards; nothing listens there
    monkeypatch.setattr(sources, "PUBLIC_SOURCES", ("http://127.0.0.1:9/CMAPSSData.zip",))
    monkeypatch.setattr(downloads, "FIRST_PAUSE", 0.0)
