"""Content of the wheel, and its use without the repository."""

import email
import json
import os
import re
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import cmapss_rul

ROOT = Path(__file__).parents[1]
HELD = {"py", "pyi", "typed", "md", "yaml", "json", "html", "css"}
"""Endings of the files in the package; data have others."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel of what is committed or not yet, built without a network."""
    pytest.importorskip("hatchling", reason="needs hatchling: pip install hatchling")
    folder = tmp_path_factory.mktemp("wheel")
    build = "from hatchling.build import build_wheel; import sys; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, folder], cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="module")
def names(wheel) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def tracked(*folders: str) -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", *folders], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.split()


def test_it_holds_the_package_its_configurations_and_its_types(names):
    configs = {f"cmapss_rul/{name}" for name in tracked("configs")}
    assert set(tracked("cmapss_rul")) | configs <= names
    assert "cmapss_rul/py.typed" in names
    assert "cmapss_rul/reports/templates/page.html" in names
    assert "cmapss_rul/configs/fd001.yaml" in names


def test_it_holds_nothing_else(names):
    information = {name for name in names if ".dist-info/" in name}
    tops = {name.partition("/")[0] for name in names - information}
    assert tops == {"cmapss_rul"}
    endings = {name.rpartition(".")[2] for name in names - information}
    assert endings <= HELD
    assert not any(re.search(r"(train|test|RUL)_FD00\d|\.pt$", name) for name in names)


def test_code_for_this_repository_alone_is_not_in_it(names):
    modules = {Path(name).name for name in tracked("scripts") if name.endswith(".py")}
    assert {"pages.py", "ledger_table.py", "rerun.py", "rerun_cell.py", "bench_table.py"} <= modules
    assert not {name for name in names if Path(name).name in modules}


def test_its_information_names_licence_version_and_command(wheel, names):
    (licence,) = (name for name in names if name.endswith("licenses/LICENSE"))
    folder = licence.partition("/")[0]
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()
        metadata = email.message_from_bytes(archive.read(f"{folder}/METADATA"))
        command = archive.read(f"{folder}/entry_points.txt").decode()
    assert (metadata["Name"], metadata["Version"]) == ("cmapss_rul", cmapss_rul.__version__)
    assert metadata["License-Expression"] == "MIT"
    for name in ("rul", "cmapss_rul", "cmapss-rul"):  # the latter for `uvx` and `pipx run`
        assert f"{name} = cmapss_rul.__main__:main" in command.splitlines()
    extras = set(metadata.get_all("Provides-Extra"))
    assert {"torchjd", "parquet", "export", "tensorboard", "docs"} <= extras


def test_twine_finds_no_fault_with_wheel_and_sdist(wheel, tmp_path):
    """The description of the page and the metadata, as an index would check them."""
    pytest.importorskip("twine", reason="needs twine: pip install twine")
    build = "from hatchling.build import build_sdist; import sys; build_sdist(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, tmp_path], cwd=ROOT, check=True, capture_output=True
    )
    (sdist,) = tmp_path.iterdir()
    done = subprocess.run(
        [sys.executable, "-m", "twine", "check", "--strict", wheel, sdist],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASSED") == 2


@pytest.mark.slow
def test_installed_it_trains_and_evaluates_from_an_empty_folder(wheel, tmp_path):
    """Dependencies come from this environment; the package itself from the wheel alone."""
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    dependencies = "import site; print(site.getsitepackages()[0])"
    (ours, theirs) = (
        subprocess.run([p, "-c", dependencies], capture_output=True, text=True, check=True)
        for p in (sys.executable, python)
    )
    # at the end of the path, so that the wheel comes first; editable installs stay behind
    Path(theirs.stdout.strip(), "dependencies.pth").write_text(ours.stdout)
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True)
    place = tmp_path / "empty"
    place.mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    # a proxy address without a proxy blocks the public sources like a missing network
    kept |= {"https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}

    def rul(*words: str) -> str:
        done = subprocess.run(
            [python.with_name("rul"), *words],
            cwd=place,
            env=kept,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        [python, "-c", "import cmapss_rul; print(cmapss_rul.__file__)"],
        cwd=place,
        env=kept,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(tmp_path / "venv"))
    listed = json.loads(rul("config", "list", "--json"))
    assert "fd001" in [file["name"] for file in listed["configurations"]]
    rul("train", "--config", "demo", "--set", "train.epochs=1", "--set", "train.threads=1")
    assert "simulated" in rul("evaluate", "runs/demo-s0")
    assert "report: runs/quickstart-demo/report.html" in rul("quickstart")
    assert sorted(path.name for path in place.iterdir()) == ["data", "runs"]
