"""scripts/quickstart in a fresh clone; slow, because it installs the package."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """A clone in an empty folder, with an environment of its own for the scripts to make."""
    place = tmp_path_factory.mktemp("clone") / "cmapss_rul"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(place)], check=True)
    inherited = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    setup = ["bash", "-euc", ". scripts/environment; environment"]
    subprocess.run(setup, cwd=place, env=inherited, check=True)
    return place


def script(name: str, clone: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    inherited = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    return subprocess.run(
        [str(clone / "scripts" / name)],
        cwd=clone,
        env={**inherited, **settings},
        capture_output=True,
        text=True,
        check=False,
    )


def state(clone: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(clone)): path.read_bytes()
        for path in sorted((clone / "runs").rglob("*"))
        if path.is_file()
    }


def changed_files(clone: Path) -> str:
    done = subprocess.run(
        ["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_quickstart_with_data_then_again(clone, official):
    settings = {"RUL_DATA_SOURCE": str(official)}
    first = script("quickstart", clone, **settings)
    assert first.returncode == 0, first.stderr
    assert "official files" in first.stdout
    assert "report: runs/quickstart-fd001/report.html\nnext:\n  rul predict " in first.stdout
    assert "runs/quickstart-fd001" in first.stdout
    before = state(clone)
    assert "runs/quickstart-fd001/evaluation.json" in before
    assert "runs/quickstart-fd001/report.html" in before
    again = script("quickstart", clone, **settings)
    assert again.returncode == 0, again.stderr
    assert "already trained, evaluated and reported" in again.stdout
    assert state(clone) == before
    assert changed_files(clone) == ""


def test_quickstart_without_data_or_network_simulates(clone):
    shutil.rmtree(clone / "data" / "raw", ignore_errors=True)
    shutil.rmtree(clone / "runs", ignore_errors=True)  # a finished run would be all it reports
    # a proxy address without a proxy blocks the public sources like a missing network
    nowhere = "http://127.0.0.1:9"
    first = script("quickstart", clone, https_proxy=nowhere, http_proxy=nowhere)
    assert first.returncode == 0, first.stderr
    note, _, _ = first.stdout.partition("\n")
    assert note.startswith("quickstart: no public source of C-MAPSS can be reached")
    assert "error" not in first.stderr
    assert "runs/quickstart-demo" in first.stdout
    before = state(clone)
    again = script("quickstart", clone, https_proxy=nowhere, http_proxy=nowhere)
    assert again.returncode == 0, again.stderr
    assert state(clone) == before
    assert changed_files(clone) == ""
