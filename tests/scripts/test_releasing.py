"""`scripts/release` on a small repository: its changes and its refusals."""

import datetime
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cmapss_rul.system.errors import RulError, UsageError
from scripts.releasing import CHANGELOG, CITATION, ROOT, VERSION, edited, release

DAY = datetime.date(2026, 12, 1)
FINE = ([sys.executable, "-c", "import pathlib; pathlib.Path('{dist}').mkdir(parents=True)"],)


def git(root, *words):
    setup = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(
        ["git", *setup, *words], cwd=root, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.fixture
def repository(tmp_path, monkeypatch):
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "a")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@b")
    (tmp_path / "cmapss_rul").mkdir()
    (tmp_path / VERSION).write_text('"""Doc."""\n\n__version__ = "0.1.9"\n')
    (tmp_path / CITATION).write_text("cff-version: 1.2.0\ntitle: x\nversion: 0.1.9\nlicense: MIT\n")
    (tmp_path / CHANGELOG).write_text("# Changelog\n\n## Unreleased\n\n### Added\n\n- A thing.\n")
    (tmp_path / ".gitignore").write_text("dist/\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "--quiet", "-m", "first")
    return tmp_path


def texts(root):
    return {name: (root / name).read_text() for name in (VERSION, CITATION, CHANGELOG)}


def test_a_release_is_a_commit_and_a_tag_with_the_version_everywhere(repository):
    release(repository, "0.1.10", steps=FINE, today=DAY)
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "tag").split() == ["v0.1.10"]
    assert git(repository, "log", "--format=%s").splitlines() == ["Version 0.1.10", "first"]
    found = texts(repository)
    assert found[VERSION] == '"""Doc."""\n\n__version__ = "0.1.10"\n'
    assert found[CITATION] == (
        "cff-version: 1.2.0\ntitle: x\nversion: 0.1.10\ndate-released: 2026-12-01\nlicense: MIT\n"
    )
    assert found[CHANGELOG] == (
        "# Changelog\n\n## Unreleased\n\n## 0.1.10, 2026-12-01\n\n### Added\n\n- A thing.\n"
    )
    assert (repository / "dist/0.1.10").is_dir()


def test_a_dry_run_changes_nothing_and_says_all(repository):
    before = texts(repository)
    done = release(repository, "1.0.0", dry_run=True, today=DAY)
    assert texts(repository) == before
    assert git(repository, "tag") == ""
    assert done[:3] == [f"{name}: 1.0.0" for name in (VERSION, CITATION, CHANGELOG)]
    assert done[3:-1] == [
        "python -m hatchling build -d dist/1.0.0",
        "python -m twine check --strict dist/1.0.0/*",
        "scripts/test",
    ]
    assert "nothing is pushed" in done[-1]


@pytest.mark.parametrize("version", ["0.1.9", "0.1.8", "0.0.99"])
def test_a_version_that_does_not_rise_is_refused(repository, version):
    with pytest.raises(UsageError, match=r"expected a version above 0\.1\.9"):
        release(repository, version, steps=FINE)


@pytest.mark.parametrize("version", ["1.0", "v1.0.0", "1.0.0rc1", "", "1.0.0\n"])
def test_other_versions_are_refused(repository, version):
    with pytest.raises(UsageError, match="expected three numbers"):
        release(repository, version, steps=FINE)


def test_a_changed_tree_is_refused(repository):
    (repository / "new.txt").touch()
    with pytest.raises(UsageError, match=r"the working tree has changes \(\?\? new\.txt\)"):
        release(repository, "1.0.0", steps=FINE)


def test_a_tag_that_exists_is_refused(repository):
    git(repository, "tag", "v1.0.0")
    with pytest.raises(UsageError, match=r"the tag v1\.0\.0 exists already"):
        release(repository, "1.0.0", steps=FINE)


def test_an_empty_changelog_is_refused(repository):
    release(repository, "1.0.0", steps=FINE, today=DAY)
    with pytest.raises(UsageError, match="no entry under '## Unreleased'"):
        release(repository, "1.0.1", steps=FINE, today=DAY)


def test_after_a_failure_nothing_has_changed(repository):
    before = texts(repository)
    with pytest.raises(RulError, match="failed; no file was changed"):
        release(repository, "1.0.0", steps=[*FINE, [sys.executable, "-c", "raise SystemExit(1)"]])
    assert texts(repository) == before
    assert git(repository, "status", "--porcelain") == ""
    assert git(repository, "tag") == ""
    assert not (repository / "dist/1.0.0").exists()


def test_the_files_of_this_repository_have_the_expected_form():
    found = edited(ROOT, "9.9.9", DAY)
    assert found[VERSION].endswith('__version__ = "9.9.9"\n')
    cited = yaml.safe_load(found[CITATION])
    assert (cited["version"], cited["date-released"]) == ("9.9.9", DAY)
    assert "\n## Unreleased\n\n## 9.9.9, 2026-12-01\n\n### Added\n" in found[CHANGELOG]
    assert Path(ROOT, "scripts/release").stat().st_mode & 0o111
